//! What came of a simulation.

use quorate_core::gateway::RequestError;

/// How a request ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Microseconds after it came in.
    pub after_us: u64,
    /// Attempts, and the plan's place in the file; or why there is no answer.
    pub outcome: Result<(u32, usize), RequestError>,
}

/// What a simulation did.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// By request; `None` for those that were cancelled in time.
    pub endings: Vec<Option<Ending>>,
    /// By request: was it cancelled before it ended?
    pub cancelled: Vec<bool>,
    /// The worst answer's error.
    pub error: f64,
    /// Frames that were refused, and bytes that were no frame.
    pub refused: u64,
    /// Events in all.
    pub events: u64,
    /// Hash of all events: equal for equal runs.
    pub digest: u64,
    /// When the last request ended.
    pub ended_us: u64,
    /// When nothing was left in any worker.
    pub idle_us: u64,
}
