//! The error that a plan states for its answers beyond single precision's.

use quorate_code::{Code, Patterns};
use quorate_model::tensor::DType;

use super::{Plan, Sharding};
use crate::id::StageId;

/// Relative error of a number rounded to f16.
pub(super) const ROUNDING_F16: f64 = 1.0 / 2048.0;
/// Relative error of a layer's sums in f32: some units of the last place.
const ROUNDING_F32: f64 = 16.0 * f32::EPSILON as f64;
/// Kinds of loss of one code that are looked at.
const PATTERNS_MAX: usize = 20_000;

/// The worst amplification of a code over its tolerated losses; where these
/// are very many, over the first of them.
fn amplification(code: &Code) -> f64 {
    let all = quorate_code::ShardSet::first(code.shards());
    let patterns = (0..=code.tolerance())
        .rev()
        .flat_map(|lost| Patterns::new(code.shards(), lost).map(|lost| all.without(lost)));
    let worst = patterns.take(PATTERNS_MAX).filter_map(|left| code.amplification(left).ok());
    worst.fold(1.0, f64::max)
}

impl Sharding {
    /// What decoding and travelling as f16 may add to the value's relative
    /// error. Zero where neither does more than single precision itself: one
    /// parity shard, or copies, and f32.
    pub fn stated_error(&self) -> f64 {
        let coded = self.is_coded();
        let wire = if self.wire == DType::F16 { ROUNDING_F16 } else { 0.0 };
        let rounding = if coded && self.code.parity_shards() > 1 { ROUNDING_F32 } else { 0.0 };
        match wire + rounding {
            0.0 => 0.0,
            error if coded => error * amplification(&self.code),
            error => error,
        }
    }
}

impl Plan {
    /// What decoding with several parity shards, and travelling as f16, may
    /// add to the relative error of an answer, when all consumers of a value
    /// decode alike: each stage adds its own to the largest that it reads,
    /// taking layers that neither enlarge nor shrink a relative error.
    pub fn stated_error(&self) -> f64 {
        let mut errors = vec![0f64; self.shardings.len()];
        let mut known: Vec<(&Sharding, f64)> = Vec::new();
        for (stage, id) in self.stages.iter().zip(0..) {
            let sharding = self.stage_sharding(StageId(id));
            let same =
                |other: &&Sharding| other.code == sharding.code && other.wire == sharding.wire;
            let own = match known.iter().find(|(other, _)| same(other)) {
                Some((_, own)) => *own,
                None => sharding.stated_error(),
            };
            known.push((sharding, own));
            let read = stage.reads.iter().map(|value| errors[value.index()]).fold(0.0, f64::max);
            errors[stage.value.index()] = read + own;
        }
        self.result.iter().map(|value| errors[value.index()]).fold(0.0, f64::max)
    }
}
