//! An experiment's spec: its seed, its counts and sizes.

use anyhow::{Context, ensure};
use quorate_core::hash::sha256_hex;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

const SEED: &str = "seed";
const QUICK: &str = "quick";

/// A spec as one run has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    table: Table,
    /// Decides all that is drawn.
    pub seed: u64,
    /// Is it the quick run?
    pub quick: bool,
}

impl Spec {
    /// The spec of `text`, with another seed if one is given, and with what
    /// its table `[quick]` has in place of the same keys if `quick`.
    pub fn parse(text: &str, seed: Option<u64>, quick: bool) -> anyhow::Result<Spec> {
        let mut table: Table = text.parse().context("spec")?;
        let own = table.remove(SEED).and_then(|seed| seed.as_integer());
        let own = own.and_then(|seed| u64::try_from(seed).ok());
        let own = own.context("spec: needs an integer `seed` of at least 0")?;
        match table.remove(QUICK) {
            None => {}
            Some(Value::Table(overrides)) if quick => lay_over(&mut table, overrides, QUICK)?,
            Some(Value::Table(_)) => {}
            Some(other) => anyhow::bail!("spec: `quick` is {}, needs a table", other.type_str()),
        }
        Ok(Spec { table, seed: seed.unwrap_or(own), quick })
    }

    /// All keys but `seed` and `quick`.
    pub fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        self.table.clone().try_into().context("spec")
    }

    /// What results made by it are known by: equal for equal specs.
    pub fn identity(&self) -> String {
        sha256_hex(self.table.to_string().as_bytes())
    }
}

/// Replaces keys of `table`, of tables within it key by key. Every key has to
/// be there: one that is not is misspelt.
fn lay_over(table: &mut Table, overrides: Table, path: &str) -> anyhow::Result<()> {
    for (key, value) in overrides {
        let path = format!("{path}.{key}");
        let place = table.get_mut(&key);
        ensure!(place.is_some(), "spec: `{path}` replaces nothing");
        match (place, value) {
            (Some(Value::Table(inner)), Value::Table(value)) => lay_over(inner, value, &path)?,
            (Some(place), value) => {
                let (was, is) = (place.type_str(), value.type_str());
                ensure!(was == is, "spec: `{path}` is {is}, what it replaces is {was}");
                *place = value;
            }
            (None, _) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "seed = 7\ncount = 40\n[net]\nname = \"lan\"\nrate = 2.5\n\
                        [quick]\ncount = 4\nnet.rate = 1.5\n";

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Read {
        count: usize,
        net: Net,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Net {
        name: String,
        rate: f64,
    }

    #[test]
    fn quick_replaces_key_by_key() {
        let read = |seed, quick| {
            let spec = Spec::parse(TEXT, seed, quick).unwrap();
            let read: Read = spec.read().unwrap();
            (spec.seed, read.count, read.net.name, read.net.rate)
        };
        assert_eq!(read(None, false), (7, 40, "lan".to_owned(), 2.5));
        assert_eq!(read(Some(9), true), (9, 4, "lan".to_owned(), 1.5));
        let identity = |quick| Spec::parse(TEXT, None, quick).unwrap().identity();
        assert_ne!(identity(true), identity(false));
        assert_eq!(identity(true), identity(true));
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            ("count = 1", "needs an integer `seed` of at least 0"),
            ("seed = -1", "needs an integer `seed` of at least 0"),
            ("seed = 1\nquick = 3", "`quick` is integer, needs a table"),
            ("seed = 1\n[quick]\nn = 3", "`quick.n` replaces nothing"),
            ("seed = 1\nn = 2\n[quick]\nn = \"3\"", "`quick.n` is string, what it replaces is"),
            ("seed = 1\na.b = 2\n[quick]\na.c = 3", "`quick.a.c` replaces nothing"),
        ];
        for (text, words) in cases {
            let error = Spec::parse(text, None, true).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
