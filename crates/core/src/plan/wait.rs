//! When a consumer may leave the roster.

use std::time::Duration;

use super::{Plan, parse_span};
use crate::id::StageId;

/// How long a consumer stays with the roster after any sufficient set of
/// shards has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitPolicy {
    /// None where decoding apart stays within the tolerance, else the 90th
    /// percentile of the gap between quorate and complete.
    Auto,
    /// This long.
    Fixed(Duration),
}

impl WaitPolicy {
    /// `auto`, or a length of time such as `5ms`.
    pub fn parse(text: &str) -> Option<WaitPolicy> {
        match text {
            "auto" => Some(WaitPolicy::Auto),
            text => parse_span(text).map(WaitPolicy::Fixed),
        }
    }
}

impl Plan {
    /// Estimated relative error of the answer when every consumer of every
    /// stage decodes another set of shards, in f32.
    ///
    /// With `A` the amplification of a stage's code over `N` data shards, a
    /// decoded shard carries `A` times the error of what it was computed
    /// from, the other `N - 1` carry it as it is; in the mean over all rows
    /// it grows by `sqrt((N - 1 + A^2) / N)`, and the stage's own rounding
    /// `A * eps` joins it. Layer gains act on error and value alike.
    pub fn inconsistent_error(&self) -> f64 {
        let eps = f64::from(f32::EPSILON);
        let stages = (0..self.stages.len() as u16).map(StageId);
        stages.fold(eps, |error, stage| {
            let code = &self.stage_sharding(stage).code;
            if code.parity_shards() == 0 {
                return error + eps;
            }
            let n = code.data_shards() as f64;
            let a = code.worst_amplification();
            error * ((n - 1.0 + a * a) / n).sqrt() + a * eps
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let cases = [
            ("auto", Some(WaitPolicy::Auto)),
            ("0ms", Some(WaitPolicy::Fixed(Duration::ZERO))),
            ("250us", Some(WaitPolicy::Fixed(Duration::from_micros(250)))),
            ("2 s", Some(WaitPolicy::Fixed(Duration::from_secs(2)))),
            ("5", None),
            ("ms", None),
            ("-1ms", None),
            ("99999999999999999999s", None),
        ];
        for (text, wait) in cases {
            assert_eq!(WaitPolicy::parse(text), wait, "{text}");
        }
    }
}
