//! When a consumer may leave the roster.

use std::fmt;
use std::time::Duration;

use quorate_code::Code;
use quorate_code::chain::{ChainError, ChainLayer};
use quorate_model::tensor::DType;

use super::allocation::Plan;
use crate::half::ROUNDING_F16;
use crate::id::StageId;

/// How long a consumer stays with the roster after any sufficient set of
/// shards has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitPolicy {
    /// None where decoding apart stays well within the tolerance, else the 90th
    /// percentile of the gap between quorate and complete, up to a quarter of what
    /// the stage took.
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

impl fmt::Display for WaitPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitPolicy::Auto => f.write_str("auto"),
            WaitPolicy::Fixed(span) if span.subsec_micros() % 1000 == 0 => {
                write!(f, "{}ms", span.as_millis())
            }
            WaitPolicy::Fixed(span) => write!(f, "{}us", span.as_micros()),
        }
    }
}

/// A length of time as a plan file writes it: `250us`, `5ms`, `2s`.
pub fn parse_span(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    let micros = match text[digits..].trim() {
        "us" => Some(number),
        "ms" => number.checked_mul(1_000),
        "s" => number.checked_mul(1_000_000),
        _ => None,
    };
    micros.map(Duration::from_micros)
}

/// Relative rounding error of one layer in f32, measured: between that of one
/// operation and that of a sum over as many terms as layers have.
const ROUNDING: f64 = f32::EPSILON as f64;

/// How many times what it is in the mean the error is of answers that many readers
/// have decoded apart, at worst.
const WORST: f64 = 4.0;

impl Plan {
    /// May answers be further than `tolerance` from what they should be, where all
    /// readers decode from what comes first?
    pub fn decodes_too_far_apart(&self, tolerance: f64) -> bool {
        self.inconsistent_error() * WORST > tolerance
    }

    /// Estimated relative error of the results when every consumer of every
    /// stage loses as many shards as the code bears, others than its
    /// neighbours do, in f32: the recursion of [`quorate_code::chain`]
    /// along the graph, in the mean over which shards are lost, with layers
    /// that change error and value alike.
    ///
    /// Looks at every pattern of losses of each code once, so it takes a
    /// while for large ones; the first call finds it for all.
    pub fn inconsistent_error(&self) -> f64 {
        *self.inconsistent.get_or_init(|| self.find_inconsistent_error())
    }

    fn find_inconsistent_error(&self) -> f64 {
        let mut known: Vec<(&Code, f64)> = Vec::new();
        let mut errors = vec![ChainError::default(); self.shardings.len()];
        for (stage, id) in self.stages.iter().zip(0..) {
            let larger = |a: ChainError, b: ChainError| if b.total() > a.total() { b } else { a };
            let read = stage.reads.iter().map(|value| errors[value.index()]);
            let before = read.fold(ChainError::default(), larger);
            let sharding = self.stage_sharding(StageId(id));
            let code = &sharding.code;
            let divergence = match known.iter().find(|(other, _)| *other == &**code) {
                Some((_, divergence)) => *divergence,
                // A copy is what it is a copy of.
                None if sharding.is_replicated() => 0.0,
                None => code.mean_divergence(),
            };
            known.push((&**code, divergence));
            let rounding = if sharding.wire == DType::F16 { ROUNDING_F16 } else { ROUNDING };
            let layer = ChainLayer { gain: 1.0, rounding, divergence };
            errors[stage.value.index()] = before.after(layer);
        }
        self.result.iter().map(|value| errors[value.index()].total()).fold(0.0, f64::max)
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
