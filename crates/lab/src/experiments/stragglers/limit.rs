//! What a system can gain at most: order statistics of the delays.

use quorate::random::SplitMix;
use quorate_core::cluster::Delay;
use serde::{Deserialize, Serialize};

use crate::statistics::mean;

/// What waiting for all, and for the first that suffice, takes where only the
/// delays count, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Limit {
    /// Median of waiting for all data shards.
    pub all_ms: f64,
    /// Median of waiting for as many shards as suffice, whichever they are.
    pub first_ms: f64,
    /// The same as means.
    pub all_mean_ms: f64,
    /// The mean of the first that suffice.
    pub first_mean_ms: f64,
}

impl Limit {
    /// Draws arrivals of shards that come at `base` without a delay, each with
    /// a delay of its own; the first `data` of them are data shards, and any
    /// `data` of all suffice.
    pub(super) fn draw(base: &[f64], delay: Delay, data: usize, draws: usize, seed: u64) -> Limit {
        let mut random = SplitMix::new(seed ^ 0x0057_4a66);
        let (mut all, mut first) = (Vec::with_capacity(draws), Vec::with_capacity(draws));
        for _ in 0..draws {
            let mut arrivals: Vec<f64> = base
                .iter()
                .map(|at| at + delay.quantile(random.share()).as_secs_f64() * 1e3)
                .collect();
            all.push(arrivals[..data].iter().copied().fold(0.0, f64::max));
            arrivals.sort_by(f64::total_cmp);
            first.push(arrivals[data - 1]);
        }
        let (all_mean_ms, first_mean_ms) = (mean(&all), mean(&first));
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Limit { all_ms: median(all), first_ms: median(first), all_mean_ms, first_mean_ms }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Means of the largest of n exponentials, and of the second largest.
    #[test]
    fn exponentials_have_known_order_statistics() {
        let scale = Duration::from_millis(100);
        let delay = Delay { least: Duration::ZERO, scale, shape: 1.0 };
        let limit = Limit::draw(&[50.0; 5], delay, 4, 200_000, 1);
        let harmonic = |from: u32, to: u32| (from..=to).map(|k| 100.0 / f64::from(k)).sum::<f64>();
        let (all, first) = (50.0 + harmonic(1, 4), 50.0 + harmonic(2, 5));
        assert!((limit.all_mean_ms / all - 1.0).abs() < 0.01, "{limit:?}, {all}");
        assert!((limit.first_mean_ms / first - 1.0).abs() < 0.01, "{limit:?}, {first}");
        assert!(limit.first_ms < limit.all_ms);
    }
}
