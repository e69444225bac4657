//! Verification of f32 shards: corruption above the bound is found and, with
//! redundancy enough, located; rounding is never taken for it.

use quorate_code::verify::{Rounding, Verdict};
use quorate_code::{Code, CodeError, ShardSet};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const INNER: usize = 300;
const ROWS: usize = 12;

fn random(rng: &mut SplitMix64) -> f32 {
    (rng.next_u64() >> 40) as f32 / (1 << 23) as f32 - 1.0
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt()
}

/// A coded layer's outputs, and the most by which each shard's may be off.
struct Layer {
    outputs: Vec<Vec<f32>>,
    errors: Vec<f64>,
}

impl Layer {
    fn new(code: &Code, seed: u64) -> Self {
        let mut rng = SplitMix64::seed_from_u64(seed);
        let input: Vec<f32> = (0..INNER).map(|_| random(&mut rng)).collect();
        let mut weights: Vec<Vec<f32>> = (0..code.data_shards())
            .map(|_| (0..ROWS * INNER).map(|_| random(&mut rng)).collect())
            .collect();
        let mut parity = vec![vec![0.0; ROWS * INNER]; code.parity_shards()];
        let data: Vec<&[f32]> = weights.iter().map(Vec::as_slice).collect();
        let mut outs: Vec<&mut [f32]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
        code.encode_f32(&data, &mut outs, 1).unwrap();
        weights.extend(parity);
        let rounding = Rounding::f32(INNER, norm(&input));
        let dot = |row: &[f32]| row.iter().zip(&input).map(|(w, x)| w * x).sum();
        let largest = |w: &Vec<f32>| w.chunks(INNER).map(norm).fold(0.0, f64::max);
        Self {
            outputs: weights.iter().map(|w| w.chunks(INNER).map(dot).collect()).collect(),
            errors: weights.iter().map(|w| rounding.error(largest(w))).collect(),
        }
    }

    fn verify(&self, code: &Code, received: ShardSet) -> Verdict {
        code.verify_f32(received, |i| &self.outputs[i], |i| self.errors[i]).unwrap()
    }
}

fn codes() -> Vec<Code> {
    let codes = [
        Code::sum(4),
        Code::mds(4, 2),
        Code::mds(3, 3),
        Code::mds(6, 4),
        Code::hamming(4),
        Code::overlapping(4, 2),
        Code::replication(3, 2),
    ];
    codes.into_iter().map(Result::unwrap).collect()
}

#[test]
fn rounding_is_never_taken_for_corruption() {
    for code in codes() {
        for seed in 0..20 {
            let layer = Layer::new(&code, seed);
            let all = ShardSet::first(code.shards());
            for bits in 0..1 << code.shards() {
                let received = ShardSet::from_bits(bits);
                if code.is_decodable(received) {
                    let verdict = layer.verify(&code, received);
                    let all_checked = code.checked(received) == received;
                    let expected = if all_checked { Verdict::Clean } else { Verdict::Unchecked };
                    assert_eq!(verdict, expected, "{} from {received} of {all}", code.name());
                }
            }
        }
    }
}

/// Of every set that decodes: an error of a shard is found if the shard counts as
/// checked, and cannot be if it does not.
#[test]
fn an_error_is_found_where_the_shard_counts_as_checked() {
    for code in codes() {
        for received in (0..1 << code.shards()).map(ShardSet::from_bits) {
            if !code.is_decodable(received) {
                continue;
            }
            let checked = code.checked(received);
            let spare = received.len() - code.data_shards();
            assert!(spare > 0 || checked.is_empty(), "{} from {received}", code.name());
            for culprit in received {
                let mut layer = Layer::new(&code, 7);
                layer.outputs[culprit][5] += 50.0;
                let verdict = layer.verify(&code, received);
                let context = format!("{}, {culprit} of {received}", code.name());
                match verdict {
                    Verdict::Corrupt { row, suspects } => {
                        assert!(row == 5 && suspects.contains(culprit), "{context}");
                        assert!(suspects.is_subset(checked), "{context}");
                    }
                    verdict => assert_eq!(verdict, Verdict::Unchecked, "{context}"),
                }
                let is_found = matches!(verdict, Verdict::Corrupt { .. });
                assert_eq!(is_found, checked.contains(culprit), "{context}");
            }
        }
    }
}

/// For each bit of a value: how many of the flips that are larger than the
/// bound are detected, and how many of those larger than `far` bounds located.
#[test]
fn every_flipped_bit_above_the_bound_is_found() {
    for (code, far) in
        [(Code::sum(4), f64::INFINITY), (Code::mds(4, 2), 60.0), (Code::mds(4, 3), 60.0)]
    {
        let code = code.unwrap();
        let all = ShardSet::first(code.shards());
        for culprit in 0..code.shards() {
            for bit in 0..32 {
                let mut layer = Layer::new(&code, 1000 + bit as u64);
                let row = (7 * bit + culprit) % ROWS;
                let clean = layer.outputs[culprit][row];
                let corrupt = f32::from_bits(clean.to_bits() ^ 1 << bit);
                layer.outputs[culprit][row] = corrupt;
                let size = (f64::from(corrupt) - f64::from(clean)).abs();
                // In the first parity equation, what rounding and the error add.
                let weight = |i: usize| if i < 4 { code.generator_row(0)[i].abs() } else { 1.0 };
                let bound: f64 = (0..5).map(|i| weight(i) * layer.errors[i]).sum();
                let verdict = layer.verify(&code, all);
                let context =
                    format!("{} bit {bit} of shard {culprit}: {clean} to {corrupt}", code.name());
                if let Verdict::Corrupt { row: found, suspects } = verdict {
                    assert_eq!(found, row, "{context}");
                    assert!(suspects.contains(culprit), "{context}");
                } else {
                    assert!(size < 10.0 * bound, "{context} not detected, bound {bound}");
                }
                if size > far * bound || size.is_nan() && far.is_finite() {
                    assert_eq!(verdict.located(), Some(culprit), "{context}: {verdict:?}");
                }
            }
        }
    }
}

#[test]
fn one_is_located_while_another_is_missing_with_three_parities() {
    let code = Code::mds(4, 3).unwrap();
    let all = ShardSet::first(7);
    for culprit in 0..7 {
        for missing in (0..7).filter(|&i| i != culprit) {
            let mut layer = Layer::new(&code, 5);
            layer.outputs[culprit][3] += 1.0;
            let received = all.without(ShardSet::from_iter([missing]));
            assert_eq!(layer.verify(&code, received).located(), Some(culprit));
        }
    }
}

#[test]
fn a_located_shard_is_repaired() {
    let code = Code::mds(4, 2).unwrap();
    let mut layer = Layer::new(&code, 9);
    let clean = layer.outputs[2].clone();
    layer.outputs[2][1] = f32::NAN;
    layer.outputs[2][7] += 4.0;
    let all = ShardSet::first(6);
    let culprit = layer.verify(&code, all).located().unwrap();
    let rest = all.without(ShardSet::from_iter([culprit]));
    let mut out = vec![0.0; ROWS];
    code.decoder(rest).unwrap().recover_f32(culprit, |i| &layer.outputs[i], &mut out).unwrap();
    for (a, b) in out.iter().zip(&clean) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn two_corrupt_shards_leave_no_suspect() {
    let code = Code::mds(5, 3).unwrap();
    let mut layer = Layer::new(&code, 3);
    layer.outputs[0][2] += 3.0;
    layer.outputs[4][5] -= 2.0;
    let verdict = layer.verify(&code, ShardSet::first(8));
    assert_eq!(verdict, Verdict::Corrupt { row: 2, suspects: ShardSet::new() });
}

#[test]
fn the_likely_bound_is_sharper_and_the_certain_one_grows_with_the_input() {
    let certain = Rounding::f32(9216, 10.0);
    let likely = Rounding::likely(9216, 10.0, 9.0);
    assert!(likely.error(1.0) < certain.error(1.0) / 10.0);
    assert!(certain.with_input_error(0.1).error(2.0) > certain.error(2.0) + 0.19);
    // Few products: the certain bound is the smaller one.
    assert_eq!(Rounding::likely(4, 1.0, 9.0).error(1.0), Rounding::f32(4, 1.0).error(1.0));
}

#[test]
fn lengths_that_do_not_fit_are_errors() {
    let code = Code::sum(2).unwrap();
    let shards: [&[f32]; 3] = [&[1.0, 2.0, 3.0], &[1.0], &[2.0, 2.0]];
    let error = code.verify_f32(ShardSet::first(3), |i| shards[i], |_| 1e-6).unwrap_err();
    assert_eq!(error, CodeError::LongData { shard: 0, len: 3, parity: 2 });
}
