//! The error that a plan states for its answers beyond single precision's.

use quorate_code::{Code, Patterns, ShardSet};
use quorate_model::tensor::DType;

use super::allocation::Plan;
use super::sharding::{PATTERNS_MAX, Sharding};
use crate::half::ROUNDING_F16;
use crate::id::StageId;

/// Relative error of a layer's sums in f32 at the worst element: some units of
/// the last place, where `wait` takes one, the mean.
const ROUNDING_F32: f64 = 16.0 * f32::EPSILON as f64;

/// The worst amplification of a code over its tolerated losses, for errors
/// that are independent; where losses are very many, over the first of them.
fn amplification(code: &Code) -> f64 {
    worst(code, |left| code.amplification(left).unwrap_or(1.0))
}

/// The same for errors that all add up, as where values of one sign are
/// rounded to few digits: of each shard one of `ROUNDING_F16` times its largest
/// value, which for parity is up to the sum of its coefficients.
fn largest_sum(code: &Code) -> f64 {
    let n = code.data_shards();
    let size = |shard: usize| match shard.checked_sub(n) {
        None => 1.0,
        Some(parity) => code.generator_row(parity).iter().map(|c| c.abs()).sum(),
    };
    worst(code, |left| {
        let Ok(decoder) = code.decoder(left) else { return 1.0 };
        let error =
            |missing| decoder.terms(missing).iter().map(|(shard, c)| c.abs() * size(*shard)).sum();
        decoder.missing().iter().map(error).fold(1.0, f64::max)
    })
}

fn worst(code: &Code, of: impl Fn(ShardSet) -> f64) -> f64 {
    let all = ShardSet::first(code.shards());
    let patterns = (0..=code.tolerance())
        .rev()
        .flat_map(|lost| Patterns::new(code.shards(), lost).map(|lost| all.without(lost)));
    patterns.take(PATTERNS_MAX as usize).map(of).fold(1.0, f64::max)
}

impl Sharding {
    /// What decoding and travelling as f16 may add to the value's relative
    /// error. Zero where neither does more than single precision itself: one
    /// parity shard, or copies, and f32.
    pub fn stated_error(&self) -> f64 {
        let coded = self.is_coded();
        let wire = match self.wire {
            DType::F16 if coded => ROUNDING_F16 * largest_sum(&self.code),
            DType::F16 => ROUNDING_F16,
            _ => 0.0,
        };
        let several = coded && self.code.parity_shards() > 1;
        wire + if several { ROUNDING_F32 * amplification(&self.code) } else { 0.0 }
    }
}

impl Plan {
    /// What decoding with several parity shards, and travelling as f16, may
    /// add to the relative error of an answer, when all consumers of a value
    /// decode alike: each stage adds its own to the largest that it reads,
    /// taking layers that neither enlarge nor shrink a relative error.
    pub fn stated_error(&self) -> f64 {
        let own = |sharding: &Option<Sharding>| match sharding {
            Some(input) if input.stage.is_none() => input.stated_error(),
            _ => 0.0,
        };
        let mut errors: Vec<f64> = self.shardings.iter().map(own).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use quorate_model::division::terms::Terms;

    #[test]
    fn stated_errors() {
        let sharding = |name: &str, n: usize, m: usize, wire: DType| {
            let code = Code::by_name(name, n, m).expect("a code");
            let division = Arc::new(Terms((0..n).map(|i| i..i + 1).collect()));
            Sharding::new(code, division, Vec::new(), None, wire)
        };
        // Of a sum of four, three values and their sum are off by one unit
        // each, that of the sum being four times as large.
        let cases = [
            (sharding("none", 4, 0, DType::F32), 0.0),
            (sharding("sum", 4, 1, DType::F32), 0.0),
            (sharding("replication", 4, 4, DType::F32), 0.0),
            (sharding("none", 4, 0, DType::F16), ROUNDING_F16),
            (sharding("replication", 4, 4, DType::F16), ROUNDING_F16),
            (sharding("sum", 4, 1, DType::F16), 7.0 * ROUNDING_F16),
            (sharding("sum", 16, 1, DType::F16), 31.0 * ROUNDING_F16),
        ];
        for (sharding, stated) in cases {
            assert_eq!(sharding.stated_error(), stated, "{} {}", sharding.code.name(), stated);
        }
        let mds = sharding("mds", 8, 2, DType::F32).stated_error();
        assert!((mds / (9.1 * ROUNDING_F32) - 1.0).abs() < 0.01, "{mds}");
    }
}
