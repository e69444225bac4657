//! The estimate for chains of coded layers against networks that are really
//! run: every consumer of every layer loses other shards.

use quorate_code::chain::{ChainLayer, chain_error};
use quorate_code::{Code, Patterns, ShardSet};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// About normally distributed, variance 1.
fn normal(rng: &mut SplitMix64) -> f32 {
    (0..12).map(|_| (rng.next_u64() >> 40) as f32 / (1 << 24) as f32).sum::<f32>() - 6.0
}

const ROWS: usize = 24;

fn product(weights: &[f32], input: &[f32]) -> Vec<f32> {
    weights.chunks(input.len()).map(|row| row.iter().zip(input).map(|(w, x)| w * x).sum()).collect()
}

fn product_exact(weights: &[f32], input: &[f64]) -> Vec<f64> {
    let row = |row: &[f32]| row.iter().zip(input).map(|(w, x)| f64::from(*w) * x).sum();
    weights.chunks(input.len()).map(row).collect()
}

/// Root mean square over the consumers of the relative error against double
/// precision after each layer, and its largest value on the way there.
fn simulate(code: &Code, layers: usize, seed: u64) -> Vec<f64> {
    let (n, shards) = (code.data_shards(), code.shards());
    let size = n * ROWS;
    let mut rng = SplitMix64::seed_from_u64(seed);
    let patterns: Vec<ShardSet> = Patterns::new(shards, code.tolerance()).collect();
    let first: Vec<f32> = (0..size).map(|_| normal(&mut rng)).collect();
    let mut exact: Vec<f64> = first.iter().map(|&x| f64::from(x)).collect();
    let mut inputs = vec![first; shards];
    let mut errors = Vec::new();
    for _ in 0..layers {
        // He's initialisation keeps the norm through a rectifier.
        let scale = (2.0 / size as f32).sqrt();
        let mut weights: Vec<Vec<f32>> =
            (0..n).map(|_| (0..ROWS * size).map(|_| normal(&mut rng) * scale).collect()).collect();
        let mut parity = vec![vec![0.0; ROWS * size]; shards - n];
        let data: Vec<&[f32]> = weights.iter().map(Vec::as_slice).collect();
        let mut outs: Vec<&mut [f32]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
        code.encode_f32(&data, &mut outs, 1).unwrap();
        exact = weights.iter().flat_map(|w| product_exact(w, &exact)).map(|y| y.max(0.0)).collect();
        weights.extend(parity);
        let outputs: Vec<Vec<f32>> =
            weights.iter().zip(&inputs).map(|(w, x)| product(w, x)).collect();
        let mut squares = 0.0;
        for input in &mut inputs {
            let lost = patterns[rng.next_u64() as usize % patterns.len()];
            let decoder = code.decoder(ShardSet::first(shards).without(lost)).unwrap();
            *input = outputs[..n].concat();
            for missing in decoder.missing() {
                let out = &mut input[missing * ROWS..][..ROWS];
                decoder.recover_f32(missing, |i| &outputs[i], out).unwrap();
            }
            input.iter_mut().for_each(|y| *y = y.max(0.0));
            let error: f64 =
                input.iter().zip(&exact).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum();
            squares += error / exact.iter().map(|y| y * y).sum::<f64>();
        }
        errors.push((squares / shards as f64).sqrt());
    }
    errors
}

#[test]
fn the_estimate_bounds_what_happens() {
    let cases = [
        (Code::uncoded(4), 20),
        (Code::sum(4), 24),
        (Code::sum(8), 16),
        (Code::mds(4, 2), 10),
        (Code::mds(8, 2), 8),
        (Code::overlapping(4, 2), 16),
    ];
    for (code, layers) in cases.map(|(code, layers)| (code.unwrap(), layers)) {
        let inner = (code.data_shards() * ROWS) as f64;
        let layer = ChainLayer {
            gain: 1.0,
            rounding: inner.sqrt() / f64::from(1 << 24),
            divergence: code.mean_divergence(),
        };
        let mut worst_ratio = 0.0f64;
        for seed in 0..3 {
            let seen = simulate(&code, layers, seed);
            let bound = |depth: usize| chain_error(vec![layer; depth + 1]).total();
            for (depth, error) in seen.iter().enumerate() {
                worst_ratio = worst_ratio.max(error / bound(depth));
            }
            println!(
                "{} {}: {:.1e} of {:.1e}",
                code.name(),
                code.shards(),
                seen[layers - 1],
                bound(layers - 1)
            );
        }
        assert!(
            worst_ratio < 1.0,
            "{} over {}: {worst_ratio} of the bound",
            code.name(),
            code.data_shards()
        );
        assert!(worst_ratio > 0.01, "{}: the bound says nothing at {worst_ratio}", code.name());
    }
}
