//! What requests take while nothing fails.

use super::rig::Answered;
use crate::statistics::percentile;

/// What requests take while nothing fails, in milliseconds.
pub(super) struct Healthy {
    answers: Vec<Answered>,
    pub(super) p99: f64,
    /// The longest of all.
    pub(super) longest: f64,
    /// The 90th percentile of those that come after a pause as long as silence
    /// that makes a suspect: what a request finds that is begun anew then.
    pub(super) rested_p90: f64,
}

impl Healthy {
    /// Of requests one after the other, and of some with pauses between them.
    pub(super) fn new(answers: Vec<Answered>, rested: &[Answered]) -> Healthy {
        let latencies = |answers: &[Answered]| -> Vec<f64> {
            answers.iter().filter_map(|answer| answer.latency_ms).collect()
        };
        let all = latencies(&answers);
        let longest = all.iter().copied().fold(0.0, f64::max);
        // The first has no pause before it.
        let rested_p90 = percentile(&latencies(rested.get(1..).unwrap_or_default()), 0.9);
        Healthy { p99: percentile(&all, 0.99), longest, rested_p90, answers }
    }

    /// The right answer to an input.
    pub(super) fn answer_to(&self, input: usize) -> Option<&Answered> {
        self.answers.iter().find(|right| right.input == input)
    }
}
