//! Why a task made nothing.

/// Whose fault it is that a task made nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The device's: another one may well do the same task.
    Device,
    /// Nobody's yet: the task takes far longer than it ever did, and may still
    /// end.
    Late,
    /// The request's own: whoever tries comes to the same.
    Request,
    /// What was made is not finite: the device's, unless the model makes such
    /// numbers by itself.
    NotFinite,
}

/// Why a task made nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct TaskError {
    /// Whose fault it is.
    pub cause: Cause,
    /// What went wrong.
    pub words: String,
}

impl TaskError {
    /// A fault of the device that tried.
    pub fn of_device(words: impl Into<String>) -> TaskError {
        TaskError { cause: Cause::Device, words: words.into() }
    }

    /// No fault so far, but far too long.
    pub fn late(words: impl Into<String>) -> TaskError {
        TaskError { cause: Cause::Late, words: words.into() }
    }

    /// Numbers that are not finite.
    pub fn not_finite(words: impl Into<String>) -> TaskError {
        TaskError { cause: Cause::NotFinite, words: words.into() }
    }

    /// A fault of what the request brings.
    pub fn of_request(words: impl Into<String>) -> TaskError {
        TaskError { cause: Cause::Request, words: words.into() }
    }
}
