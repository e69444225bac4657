//! Inputs made from a seed, for checks that need no real ones.

use anyhow::Context;
use quorate_model::tensor::{DType, Tensor};

use crate::random::SplitMix;

use super::target::Target;

/// `count` tensors of values with mean 0 and variance 1, as good as normal;
/// tensor `n` of seed `s` is tensor 0 of seed `s + n`.
///
/// A value is one number of splitmix64 (Steele, Lea and Flood 2014): its four
/// 16-bit parts added up, less their mean, over their deviation.
/// `scripts/golden.py` makes the same.
pub fn seeded(shape: &[usize], seed: u64, count: usize) -> anyhow::Result<Vec<Tensor>> {
    let elements = Target::new(DType::F32, shape).context("cannot make an input")?.elements;
    let tensor = |n: usize| {
        let mut random = SplitMix::new(seed.wrapping_add(n as u64));
        let values: Vec<f32> = (0..elements).map(|_| value(random.bits())).collect();
        Ok(Tensor::from_f32(shape.to_vec(), &values)?)
    };
    (0..count).map(tensor).collect()
}

/// As [`seeded`], for an input of any element type: whole numbers below `below`
/// where one is given, else the bytes of u8 and small numbers of others, and
/// either truth value.
pub fn seeded_typed(
    dtype: DType,
    shape: &[usize],
    below: Option<usize>,
    seed: u64,
    count: usize,
) -> anyhow::Result<Vec<Tensor>> {
    if dtype == DType::F32 {
        return seeded(shape, seed, count);
    }
    let elements = Target::new(dtype, shape).context("cannot make an input")?.elements;
    let float = matches!(dtype, DType::F16 | DType::F64);
    let limit = match (dtype, below) {
        (DType::Bool, _) => 2,
        (_, Some(below)) => below.max(1),
        (DType::U8, None) => 256,
        _ => 4,
    };
    let tensor = |n: usize| {
        let mut random = SplitMix::new(seed.wrapping_add(n as u64));
        let mut number = || match float {
            true => f64::from(value(random.bits())),
            false => random.below(limit) as f64,
        };
        let values: Vec<f64> = (0..elements).map(|_| number()).collect();
        Ok(Tensor::from_numbers(dtype, shape.to_vec(), &values)?)
    };
    (0..count).map(tensor).collect()
}

fn value(random: u64) -> f32 {
    let sum: i64 = (0..4).map(|k| ((random >> (16 * k)) & 0xFFFF) as i64).sum();
    // A part is uniform over 0..65536: mean 65535 / 2, variance (65536^2 - 1) / 12.
    (sum - 2 * 65535) as f32 * 2.642_899_8e-5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix64_as_published() {
        let mut random = SplitMix::new(1_234_567);
        let numbers: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        let published =
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(numbers, published);
    }

    #[test]
    fn mean_and_variance() {
        let tensor = seeded(&[1, 100_000], 0, 1).unwrap().remove(0);
        let values = tensor.to_f32().unwrap();
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / 1e5;
        let variance = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "{mean} {variance}");
    }

    #[test]
    fn one_seed_one_input() {
        let two = seeded(&[1, 4], 7, 2).unwrap();
        assert_eq!(two[1], seeded(&[1, 4], 8, 1).unwrap()[0]);
        assert_ne!(two[0], two[1]);
        assert!(seeded(&[usize::MAX, 2], 0, 1).is_err());
    }
}
