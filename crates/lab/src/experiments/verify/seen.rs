//! What was seen.

use serde::{Deserialize, Serialize};

use super::flip::Flip;
use super::healthy::Healthy;

/// What came of one case.
#[derive(Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) flips: Vec<Flip>,
    pub(super) healthy: Healthy,
    /// The error of an answer that is still right.
    pub(super) tolerance: f64,
}
