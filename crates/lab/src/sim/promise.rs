//! What a simulation promises.

use std::time::Duration;

/// What is promised in a simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Promise {
    /// No more devices ever fail than the plan tolerates: one attempt under
    /// the main plan, no slower than without faults.
    Unnoticed,
    /// Anything: answered, at most this much slower.
    Within(Duration),
    /// Nothing is wrong but that the gateway stands still for this long in all:
    /// one attempt under the main plan.
    Paused(Duration),
    /// Every task of every request after each other on one device.
    InTurn,
    /// Everything takes long, and nothing is wrong: one attempt under the main
    /// plan, however long it takes.
    Once,
    /// What comes from this time on, in microseconds, when there is peace: answered,
    /// at most this much slower. What came before ends in any way.
    Again(u64, Duration),
}
