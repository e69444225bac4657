//! How far apart healthy shards are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{PlanId, ValueId};
use crate::plan::Plans;

/// How far apart healthy shards of values are, relative to their size, as it was
/// seen when the bundle was packed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usual(BTreeMap<(PlanId, ValueId), Seen>);

/// The farthest that shards of one value were apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Seen {
    /// Where all were made of the same.
    alike: f64,
    /// Where some were made of values that were decoded, from different shards.
    decoded: f64,
}

impl Seen {
    fn max(self, other: Seen) -> Seen {
        let (alike, decoded) = (self.alike.max(other.alike), self.decoded.max(other.decoded));
        Seen { alike, decoded }
    }
}

impl Usual {
    /// Nothing is held to be more exact than so: engines differ in the last bits.
    pub(super) const LEAST: f64 = 1e-6;

    /// Takes note of what was seen once.
    pub fn saw(&mut self, plan: PlanId, value: ValueId, of_decoded: bool, discrepancy: f64) {
        let alike = if of_decoded { Usual::LEAST } else { discrepancy };
        self.note(plan, value, Seen { alike, decoded: discrepancy });
    }

    fn note(&mut self, plan: PlanId, value: ValueId, seen: Seen) {
        let least = Seen { alike: Usual::LEAST, decoded: Usual::LEAST };
        let known = self.0.entry((plan, value)).or_insert(least);
        *known = known.max(seen);
    }

    /// How far apart healthy shards of a value are, some of which were made of
    /// decoded values or not; `None` where that is not known, and they cannot be
    /// checked.
    pub fn of(&self, plan: PlanId, value: ValueId, of_decoded: bool) -> Option<f64> {
        let seen = self.0.get(&(plan, value))?;
        Some(if of_decoded { seen.decoded } else { seen.alike })
    }

    /// Is nothing known?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a file, by names of plans and values; [`Usual::parse`] reads it back.
    pub fn to_toml(&self, plans: &Plans) -> String {
        let mut file: BTreeMap<&str, BTreeMap<&str, Seen>> = BTreeMap::new();
        for plan in plans.all() {
            let of_plan = self.0.iter().filter(|((id, _), _)| *id == plan.id());
            let named = of_plan
                .map(|((_, value), seen)| (plans.values()[value.index()].name.as_str(), *seen));
            file.insert(plan.name(), named.collect());
        }
        let text = toml::to_string(&file).expect("names and numbers");
        format!("# How far apart healthy shards are; not to be edited.\n{text}")
    }

    /// Reads such a file. What it says of plans and values that are not of
    /// `plans` is left out.
    pub fn parse(text: &str, plans: &Plans) -> Result<Usual, toml::de::Error> {
        let file: BTreeMap<String, BTreeMap<String, Seen>> = toml::from_str(text)?;
        let mut usual = Usual::default();
        for plan in plans.all() {
            for (name, seen) in file.get(plan.name()).into_iter().flatten() {
                let finite = seen.alike.is_finite() && seen.decoded.is_finite();
                if let Some(value) = plans.value(name).filter(|_| finite) {
                    usual.note(plan.id(), value, *seen);
                }
            }
        }
        Ok(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{H, Y, plans};

    #[test]
    fn a_file_says_what_was_seen() {
        let plans = plans();
        let (main, other) = (plans.all()[0].id(), plans.all()[1].id());
        let mut usual = Usual::default();
        let all = [(H, false, 3e-6), (H, false, 2e-6), (H, true, 5e-5), (Y, false, 2e-6)];
        for (value, of_decoded, seen) in all.into_iter().chain([(Y, true, 0.0)]) {
            usual.saw(main, value, of_decoded, seen);
        }
        let of = |value| [false, true].map(|of_decoded| usual.of(main, value, of_decoded));
        assert_eq!(of(H), [Some(3e-6), Some(5e-5)]);
        assert_eq!(of(Y), [Some(2e-6); 2], "no nearer to each other than without");
        assert_eq!(usual.of(other, H, false), None);
        let text = usual.to_toml(&plans);
        assert_eq!(Usual::parse(&text, &plans).as_ref(), Ok(&usual), "{text}");
        let more = format!("{text}\n[gone.h]\nalike = 1.0\ndecoded = 1.0\n");
        assert_eq!(Usual::parse(&more, &plans), Ok(usual));
    }
}
