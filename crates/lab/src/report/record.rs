//! What is kept of an experiment: what it is, how it was made, what came of it.

use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, Outcome, Spec};

/// An experiment and what came of it, `NAME/NAME.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What it is asked for by.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// What the paper says.
    pub paper: String,
    /// The text of its spec file.
    pub spec: String,
    /// What was drawn with.
    pub seed: u64,
    /// Was it the quick run?
    pub quick: bool,
    /// What came of it.
    pub outcome: Outcome,
}

impl Record {
    /// A record of what came of an experiment.
    pub fn new(experiment: &dyn Experiment, spec: &Spec, outcome: Outcome) -> Record {
        Record {
            name: experiment.name().to_owned(),
            title: experiment.title().to_owned(),
            paper: experiment.paper().to_owned(),
            spec: experiment.spec().to_owned(),
            seed: spec.seed,
            quick: spec.quick,
            outcome,
        }
    }
}
