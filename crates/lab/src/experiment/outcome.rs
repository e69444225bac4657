//! What came of an experiment.

use serde::{Deserialize, Serialize};

use super::chart::Chart;
use super::table::Table;
use super::verdict::Verdict;

/// What came of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its tables.
    pub tables: Vec<Table>,
    /// Its charts.
    pub charts: Vec<Chart>,
    /// What of it is as it ought to be.
    pub verdicts: Vec<Verdict>,
    /// What a reader ought to know, a paragraph each.
    pub notes: Vec<String>,
}

impl Outcome {
    /// Adds a note.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }
}
