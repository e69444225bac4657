//! What one kind of loss did to the values it was tried on.

use quorate_core::id::ValueId;

/// What one kind of loss did.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// The value that it is about; `None`: the model's answers.
    pub value: Option<ValueId>,
    /// How many cases.
    pub cases: usize,
    /// Worst max|a - b| / max|b| of all cases; infinite where a case failed.
    pub error: f64,
    /// The error that is still right.
    pub limit: f64,
    /// The worst case.
    pub worst: String,
}

impl Finding {
    pub(super) fn of_answers(what: String, limit: f64) -> Finding {
        let worst = "all equal".to_owned();
        Finding { what, value: None, cases: 0, error: 0.0, limit, worst }
    }

    pub(super) fn of_value(value: ValueId, what: String, limit: f64) -> Finding {
        Finding { value: Some(value), ..Finding::of_answers(what, limit) }
    }

    /// Is the error within its limit?
    pub fn is_good(&self) -> bool {
        self.error <= self.limit
    }

    pub(super) fn add(&mut self, error: f64, case: impl FnOnce() -> String) {
        self.cases += 1;
        if error > self.error || error.is_nan() {
            self.error = if error.is_nan() { f64::INFINITY } else { error };
            self.worst = case();
        }
    }
}
