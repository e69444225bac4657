//! How far apart healthy shards are.

use std::collections::BTreeMap;

use crate::id::{PlanId, ValueId};
use crate::plan::Plans;

/// Nothing is held to be more exact than so: engines differ in the last bits.
const LEAST: f64 = 1e-6;

/// How far apart healthy shards of values are, relative to their size, as it was
/// seen when the bundle was packed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usual(BTreeMap<(PlanId, ValueId), f64>);

impl Usual {
    /// Takes note of what was seen once.
    pub fn saw(&mut self, plan: PlanId, value: ValueId, discrepancy: f64) {
        let known = self.0.entry((plan, value)).or_insert(LEAST);
        *known = known.max(discrepancy);
    }

    /// How far apart healthy shards of a value are; `None` where that is not
    /// known, and they cannot be checked.
    pub fn of(&self, plan: PlanId, value: ValueId) -> Option<f64> {
        self.0.get(&(plan, value)).copied()
    }

    /// Is nothing known?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a file, by names of plans and values; [`Usual::parse`] reads it back.
    pub fn to_toml(&self, plans: &Plans) -> String {
        let mut file: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
        for plan in plans.all() {
            let of_plan = self.0.iter().filter(|((id, _), _)| *id == plan.id());
            let named = of_plan
                .map(|((_, value), usual)| (plans.values()[value.index()].name.as_str(), *usual));
            file.insert(plan.name(), named.collect());
        }
        let text = toml::to_string(&file).expect("names and numbers");
        format!("# How far apart healthy shards are; not to be edited.\n{text}")
    }

    /// Reads such a file. What it says of plans and values that are not of
    /// `plans` is left out.
    pub fn parse(text: &str, plans: &Plans) -> Result<Usual, toml::de::Error> {
        let file: BTreeMap<String, BTreeMap<String, f64>> = toml::from_str(text)?;
        let mut usual = Usual::default();
        for plan in plans.all() {
            for (name, discrepancy) in file.get(plan.name()).into_iter().flatten() {
                if let Some(value) = plans.value(name).filter(|_| discrepancy.is_finite()) {
                    usual.saw(plan.id(), value, *discrepancy);
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
        for (value, seen) in [(H, 3e-6), (H, 2e-6), (Y, 0.0)] {
            usual.saw(main, value, seen);
        }
        assert_eq!((usual.of(main, H), usual.of(main, Y)), (Some(3e-6), Some(LEAST)));
        assert_eq!(usual.of(other, H), None);
        let text = usual.to_toml(&plans);
        assert_eq!(Usual::parse(&text, &plans).as_ref(), Ok(&usual), "{text}");
        let more = format!("{text}\n[gone]\nh = 1.0\n");
        assert_eq!(Usual::parse(&more, &plans), Ok(usual));
    }
}
