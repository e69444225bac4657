//! A row of the table: what came of a trial.

use super::trial::Trial;

/// Names of the columns.
pub(super) const NAMES: [&str; 8] =
    ["model", "kind", "method", "devices", "divided", "code", "cases", "error"];

/// The text of a row. The first four name the trial, the last is the error.
pub type Columns = [String; NAMES.len()];

/// What came of a trial.
#[derive(Clone, Debug)]
pub struct Row {
    /// The trial.
    pub trial: Trial,
    /// How many layers are divided as it says, of how many.
    pub divided: String,
    /// What stands in for a lost shard.
    pub code: &'static str,
    /// Losses that were tried.
    pub cases: usize,
    /// Worst error of all cases.
    pub error: f64,
    /// The worst case.
    pub worst: String,
}

impl Row {
    /// The row, if its error is within the limit.
    pub fn right(self) -> anyhow::Result<Row> {
        let (error, limit) = (self.error, self.trial.limit());
        anyhow::ensure!(error <= limit, "error {error:.1e}, limit {limit:.0e} ({})", self.worst);
        Ok(self)
    }

    /// As in the table.
    pub fn columns(&self) -> Columns {
        let trial = &self.trial;
        [
            trial.model.name.to_owned(),
            trial.kind.to_string(),
            trial.way.to_string(),
            trial.devices(),
            self.divided.clone(),
            self.code.to_owned(),
            self.cases.to_string(),
            format!("{:.0e}", self.error),
        ]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::MODELS;
    use super::*;

    /// A row with this error.
    pub(in super::super) fn row(error: f64) -> Row {
        let trial = MODELS[0].trials().next().expect("a trial");
        let (divided, worst) = ("2 of 2 layers".to_owned(), "pi-1 dead".to_owned());
        Row { trial, divided, code: "coded offline", cases: 6, error, worst }
    }

    #[test]
    fn errors_within_the_limit_are_right() {
        for (error, right) in [(1e-4, true), (1.1e-4, false), (f64::INFINITY, false)] {
            assert_eq!(row(error).right().is_ok(), right, "{error}");
        }
        assert!(row(f64::NAN).right().is_err());
    }
}
