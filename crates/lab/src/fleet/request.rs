//! What became of a request to a fleet.

use std::time::Duration;

use quorate::node::gateway::Answer;
use serde::{Deserialize, Serialize};

/// What became of a request. Times in milliseconds of the emulated devices.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// When it was due, since the stream began; 0 where requests take turns.
    pub due_ms: f64,
    /// What it took from then on; `None` where it was lost.
    pub latency_ms: Option<f64>,
    /// Did the gateway decode a result?
    pub decoded: bool,
    /// The plan's place, 0 for the main one.
    pub plan: usize,
    /// Attempts it took.
    pub attempts: u32,
    /// The largest relative difference from the whole model's answer.
    pub error: f64,
    /// When which device's shards of the result came.
    pub arrivals: Vec<(usize, f64)>,
}

impl Request {
    /// One that was answered after `latency`.
    pub(super) fn answered(latency: Duration, error: f64, answer: &Answer) -> Request {
        let from = &answer.provenance;
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        Request {
            due_ms: 0.0,
            latency_ms: Some(ms(latency)),
            decoded: from.decoded,
            plan: from.plan,
            attempts: from.attempts,
            error,
            arrivals: from.arrivals.iter().map(|(d, at)| (d.index(), ms(*at))).collect(),
        }
    }
}

/// What requests that were answered took, in milliseconds, in their order.
pub fn latencies<'a>(requests: impl IntoIterator<Item = &'a Request>) -> Vec<f64> {
    requests.into_iter().filter_map(|request| request.latency_ms).collect()
}

/// What all requests took, in milliseconds, in their order; one that was lost
/// counts as one that took the whole deadline.
pub fn latencies_or(requests: &[Request], deadline_ms: f64) -> Vec<f64> {
    requests.iter().map(|request| request.latency_ms.unwrap_or(deadline_ms)).collect()
}
