//! Weights out of a seed, made while they are written, so that a model larger
//! than the memory at hand can be made.

use std::io::{self, Write};

use quorate_model::tensor::DType;

use crate::sim::random::SplitMix;

/// Bytes made at a time.
const BLOCK_BYTES: usize = 1 << 16;

/// What a tensor is filled with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fill {
    /// Mean 0 and this deviation, as good as normal.
    Normal(f32),
    /// Evenly spread from the first to the second.
    Uniform(f32, f32),
    /// These numbers, as i64: shapes and axes.
    Ints(Vec<i64>),
}

/// One initializer of a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Weight {
    /// Its name in the graph.
    pub(crate) name: String,
    /// Length of each dimension.
    pub(crate) shape: Vec<usize>,
    /// What is in it.
    pub(crate) fill: Fill,
    /// Whether training would change it: all but shapes and the running
    /// statistics of a BatchNormalization.
    pub(crate) trained: bool,
}

impl Weight {
    /// Element type.
    pub(crate) fn dtype(&self) -> DType {
        match self.fill {
            Fill::Ints(_) => DType::I64,
            Fill::Normal(_) | Fill::Uniform(..) => DType::F32,
        }
    }

    /// Number of elements.
    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Size of its bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.elements() * self.dtype().size()
    }

    /// Writes its bytes, little-endian. Its name decides what a seed makes of
    /// it, so a layer more or less in front of it changes nothing.
    pub(crate) fn write(&self, seed: u64, out: &mut impl Write) -> io::Result<()> {
        let mut random = SplitMix::new(SplitMix::new(seed).bits() ^ fingerprint(&self.name));
        let mut next = || random.bits();
        match self.fill {
            Fill::Ints(ref values) => {
                values.iter().try_for_each(|v| out.write_all(&v.to_le_bytes()))
            }
            Fill::Normal(deviation) => self.floats(out, || deviation * normal(next())),
            Fill::Uniform(low, high) => self.floats(out, || low + (high - low) * fraction(next())),
        }
    }

    fn floats(&self, out: &mut impl Write, mut value: impl FnMut() -> f32) -> io::Result<()> {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        let mut left = self.elements();
        while left > 0 {
            let count = left.min(BLOCK_BYTES / 4);
            block.clear();
            (0..count).for_each(|_| block.extend_from_slice(&value().to_le_bytes()));
            out.write_all(&block)?;
            left -= count;
        }
        Ok(())
    }
}

/// FNV-1a.
fn fingerprint(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// Four 16-bit parts added up, less their mean, over their deviation.
fn normal(random: u64) -> f32 {
    let sum: i64 = (0..4).map(|k| ((random >> (16 * k)) & 0xFFFF) as i64).sum();
    (sum - 2 * 65535) as f32 * 2.642_899_8e-5
}

/// A number of `[0, 1)`.
fn fraction(random: u64) -> f32 {
    (random >> 40) as f32 / (1u64 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::tensor::read_f32;

    fn values(name: &str, fill: Fill, seed: u64) -> Vec<f32> {
        let weight = Weight { name: name.to_owned(), shape: vec![100, 1000], fill, trained: true };
        let mut bytes = Vec::new();
        weight.write(seed, &mut bytes).unwrap();
        assert_eq!(bytes.len(), weight.bytes());
        read_f32(&bytes)
    }

    #[test]
    fn mean_and_deviation() {
        let cases = [(Fill::Normal(0.1), 0.0, 0.1), (Fill::Uniform(0.5, 1.5), 1.0, 0.2887)];
        for (fill, mean, deviation) in cases {
            let values = values("w", fill.clone(), 1);
            let count = values.len() as f64;
            let got = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
            let square = values.iter().map(|&v| (f64::from(v) - got).powi(2)).sum::<f64>() / count;
            assert!((got - mean).abs() < 0.004, "{fill:?} has mean {got}");
            assert!((square.sqrt() - deviation).abs() < 0.004, "{fill:?}: {}", square.sqrt());
        }
    }

    #[test]
    fn seed_and_name_decide() {
        let first = values("w", Fill::Normal(1.0), 1);
        assert_eq!(first, values("w", Fill::Normal(1.0), 1));
        assert_ne!(first, values("w", Fill::Normal(1.0), 2));
        assert_ne!(first, values("v", Fill::Normal(1.0), 1));
    }
}
