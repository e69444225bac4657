//! How far rounding errors grow in a chain of coded layers whose readers each
//! decode other shards.
//!
//! ```text
//! C'^2 = g^2 (C^2 + D^2) + r^2        C  error that all devices share
//! D'^2 = F^2 (g^2 D^2 + r^2)          D  divergence of one device from the others
//! ```
//!
//! [`algorithm`](crate::algorithm#chains-of-coded-layers) derives it.

use alloc::vec::Vec;

use crate::{Code, CodeError, Patterns, ShardSet, solve::root};

/// What a layer does to errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChainLayer {
    /// Factor from the relative error of the layer's input to that of its
    /// output, glue included. About 1 for errors in random directions and
    /// random weights; measure it by disturbing inputs.
    pub gain: f64,
    /// Relative rounding error that the layer adds: about
    /// `2^-24 * sqrt(inner)` at most for f32.
    pub rounding: f64,
    /// How much decoding lets consumers diverge: a code's
    /// [`divergence`](Code::divergence), 0 for a layer that is not coded or
    /// whose consumers all decode alike.
    pub divergence: f64,
}

/// Relative errors at the end of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChainError {
    /// Of what the devices compute against exact arithmetic.
    pub common: f64,
    /// Of a consumer's decoded values against what the devices compute.
    pub divergence: f64,
}

impl ChainError {
    /// Of a consumer's decoded values against exact arithmetic.
    pub fn total(self) -> f64 {
        root(self.common * self.common + self.divergence * self.divergence)
    }

    /// After one more layer.
    #[must_use]
    pub fn after(self, layer: ChainLayer) -> Self {
        let square = |x: f64| x * x;
        let added = square(layer.rounding);
        let own = square(layer.gain * self.divergence) + added;
        Self {
            common: root(square(layer.gain * self.total()) + added),
            divergence: layer.divergence * root(own),
        }
    }
}

/// The errors after a chain of layers whose consumers decode independently,
/// by the module's recursion: root mean squares over independent rounding
/// errors, rounded up where consumers' errors are alike. Use
/// [`ChainError::total`] against a tolerance to choose between decoding as
/// soon as any N shards are there and waiting for the ones all use.
pub fn chain_error(layers: impl IntoIterator<Item = ChainLayer>) -> ChainError {
    layers.into_iter().fold(ChainError::default(), ChainError::after)
}

impl Code {
    /// How much decoding from `received` lets a consumer differ from one that
    /// has all data shards, as a multiple of the error that is independent from
    /// device to device:
    /// `sqrt(1/N * sum over missing j of (amplification_j^2 + 1))`.
    ///
    /// # Errors
    ///
    /// As [`decoder`](Self::decoder).
    pub fn divergence(&self, received: ShardSet) -> Result<f64, CodeError> {
        let decoder = self.decoder(received)?;
        let squares = decoder.missing().iter().map(|missing| self.square(&decoder, missing) + 1.0);
        Ok(root(squares.sum::<f64>() / self.data_shards() as f64))
    }

    /// The root mean square of [`divergence`](Self::divergence) over all
    /// patterns of [`tolerance`](Self::tolerance) losses, or over 2,000 of them,
    /// drawn by a fixed seed, if there are more.
    pub fn mean_divergence(&self) -> f64 {
        let (shards, lost) = (self.shards(), self.tolerance());
        let all = ShardSet::first(shards);
        let mut seed = 1;
        let sample = (0..SAMPLE).map(|_| random_set(shards, lost, &mut seed));
        let patterns: Vec<ShardSet> = match Patterns::count(shards, lost) {
            0..=SAMPLE => Patterns::new(shards, lost).collect(),
            _ => sample.collect(),
        };
        let (mut sum, mut count) = (0.0, 0u64);
        for divergence in
            patterns.iter().filter_map(|lost| self.divergence(all.without(*lost)).ok())
        {
            sum += divergence * divergence;
            count += 1;
        }
        if count == 0 { 0.0 } else { root(sum / count as f64) }
    }

    /// The largest [`divergence`](Self::divergence) of any
    /// [`tolerance`](Self::tolerance) losses.
    pub fn worst_divergence(&self) -> f64 {
        self.divergences().fold(0.0, f64::max)
    }

    fn divergences(&self) -> impl Iterator<Item = f64> {
        let all = ShardSet::first(self.shards());
        let patterns = Patterns::new(self.shards(), self.tolerance());
        patterns.filter_map(move |lost| self.divergence(all.without(lost)).ok())
    }
}

/// Patterns looked at for a mean.
const SAMPLE: u64 = 2_000;

/// `size` of the first `n` shards, by SplitMix64 (Steele, Lea and Flood 2014),
/// written out so that the crate has no dependency that could ask the system for
/// random numbers.
fn random_set(n: usize, size: usize, seed: &mut u64) -> ShardSet {
    let mut set = ShardSet::new();
    while set.len() < size.min(n) {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        set.insert(((z ^ (z >> 31)) % n as u64) as usize);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_diverge_as_computed_by_hand() {
        // One of N data shards missing: a^2 + 1 = 2 N; a lost parity adds nothing.
        for n in [2, 4, 8] {
            let code = Code::sum(n).unwrap();
            let worst = code.worst_divergence();
            assert!((worst * worst - 2.0).abs() < 1e-12);
            let mean = code.mean_divergence();
            assert!((mean * mean - 2.0 * n as f64 / (n + 1) as f64).abs() < 1e-12);
        }
        assert_eq!(Code::uncoded(4).unwrap().mean_divergence(), 0.0);
    }

    #[test]
    fn without_divergence_errors_add_up_as_squares() {
        let layer = ChainLayer { gain: 1.0, rounding: 1e-7, divergence: 0.0 };
        let error = chain_error([layer; 50]);
        assert!((error.total() / (50f64.sqrt() * 1e-7) - 1.0).abs() < 1e-12);
        assert_eq!(error.divergence, 0.0);
        assert_eq!(chain_error([]).total(), 0.0);
    }

    #[test]
    fn divergence_grows_by_its_factor() {
        let layer = ChainLayer { gain: 1.0, rounding: 1e-7, divergence: 2.0 };
        let (short, long) = (chain_error([layer; 20]), chain_error([layer; 21]));
        assert!((long.total() / short.total() - 2.0).abs() < 1e-6);
    }
}
