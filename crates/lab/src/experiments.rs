//! All experiments, a file each.

mod accuracy_loss;
mod alexnet;
mod arrivals;
mod case_1;
mod case_2;
mod cost;
mod coverage;
mod emulation;
mod faults;
mod layer;
mod multi_loss;
mod overruns;
mod scale;
mod stragglers;
mod table_1;
mod tiles;
mod verify;

use anyhow::Context;

use crate::experiment::Experiment;

/// All experiments, in the order of the report.
pub const ALL: &[&dyn Experiment] = &[
    &emulation::Emulation,
    &arrivals::Arrivals,
    &accuracy_loss::AccuracyLoss,
    &case_1::Case1,
    &case_2::Case2,
    &stragglers::Stragglers,
    &coverage::Coverage,
    &multi_loss::MultiLoss,
    &table_1::Table1,
    &cost::Cost,
    &scale::Scale,
    &faults::Faults,
    &verify::Verify,
    &tiles::Tiles,
];

/// Their names and titles, in that order.
pub fn names() -> Vec<(&'static str, &'static str)> {
    ALL.iter().map(|experiment| (experiment.name(), experiment.title())).collect()
}

/// The experiments that `name` asks for: one, or `all`.
pub fn find(name: &str) -> anyhow::Result<Vec<&'static dyn Experiment>> {
    if name == "all" {
        return Ok(ALL.to_vec());
    }
    let found = ALL.iter().find(|experiment| experiment.name() == name);
    let names = || names().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    found
        .map(|experiment| vec![*experiment])
        .with_context(|| format!("no experiment {name}; there are {}, and all", names()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Spec;

    #[test]
    fn names_are_plain_and_specs_read() {
        for experiment in ALL {
            let name = experiment.name();
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(!name.is_empty() && name.chars().all(plain) && name != "all", "{name}");
            assert_eq!(ALL.iter().filter(|other| other.name() == name).count(), 1, "{name}");
            for quick in [false, true] {
                Spec::parse(experiment.spec(), None, quick)
                    .unwrap_or_else(|e| panic!("{name}: {e:#}"));
            }
            assert!(!experiment.title().is_empty() && !experiment.paper().is_empty(), "{name}");
        }
        assert!(find("no-such").is_err());
        assert_eq!(find("all").unwrap().len(), ALL.len());
    }
}
