//! The gateway's own computation.

/// The last glue of one attempt at one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job {
    /// The request's number.
    pub number: u64,
    /// The attempt.
    pub attempt: u32,
}
