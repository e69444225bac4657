//! A system in a spec file.

use serde::Deserialize;

/// A system in a spec file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemSpec {
    /// What it is called.
    pub title: String,
    /// The zoo's model.
    pub model: String,
    /// Values that end its stages.
    pub wires: Vec<String>,
    /// Stages that are split over several devices.
    pub split: Vec<String>,
}
