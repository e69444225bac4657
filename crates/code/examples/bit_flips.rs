//! For each bit of an f32 result: how often flipping it is detected and
//! located, with the certain and with the likely bound on rounding; and how
//! often rounding alone is taken for corruption.

use quorate_code::verify::{Rounding, Verdict};
use quorate_code::{Code, CodeError, ShardSet};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const INNER: usize = 1024;
const ROWS: usize = 16;
const LAYERS: u64 = 20;

fn main() -> Result<(), CodeError> {
    println!(
        "inner size {INNER}, {LAYERS} layers, every shard; detected / located / wrongly located, in %"
    );
    for (name, likely) in [("certain", false), ("likely, lambda 9", true)] {
        for m in 1..=3 {
            let code = Code::mds(4, m)?;
            let layers: Vec<Layer> = (0..LAYERS)
                .map(|seed| Layer::new(&code, seed, likely))
                .collect::<Result<_, _>>()?;
            let alarms = layers.iter().filter(|l| l.verify(&code) != Ok(Verdict::Clean)).count();
            println!("\nN = 4, M = {m}, {name} bound: {alarms} false alarms in {LAYERS} layers");
            for bit in (0..32).rev() {
                print_bit(&code, &layers, bit)?;
            }
        }
    }
    Ok(())
}

fn print_bit(code: &Code, layers: &[Layer], bit: u32) -> Result<(), CodeError> {
    let (mut flips, mut detected, mut located, mut wrong) = (0, 0, 0, 0);
    for (i, layer) in layers.iter().enumerate() {
        for culprit in 0..code.shards() {
            let mut layer = layer.clone();
            let value = &mut layer.outputs[culprit][(i + bit as usize) % ROWS];
            *value = f32::from_bits(value.to_bits() ^ (1 << bit));
            let verdict = layer.verify(code)?;
            flips += 1;
            detected += usize::from(verdict != Verdict::Clean);
            match verdict.located() {
                Some(shard) if shard == culprit => located += 1,
                Some(_) => wrong += 1,
                None => {}
            }
        }
    }
    let part = match bit {
        31 => "sign",
        23..31 => "exponent",
        _ => "mantissa",
    };
    let share = |count: usize| 100.0 * count as f64 / flips as f64;
    println!(
        "  bit {bit:>2} {part:<8} {:>6.1} {:>6.1} {:>6.1}",
        share(detected),
        share(located),
        share(wrong)
    );
    Ok(())
}

/// A coded layer's outputs, and the most by which each shard's may be off.
#[derive(Clone)]
struct Layer {
    outputs: Vec<Vec<f32>>,
    errors: Vec<f64>,
}

impl Layer {
    fn new(code: &Code, seed: u64, likely: bool) -> Result<Self, CodeError> {
        let mut rng = SplitMix64::seed_from_u64(seed);
        let mut random = |len: usize| -> Vec<f32> { (0..len).map(|_| random(&mut rng)).collect() };
        let input = random(INNER);
        let mut weights: Vec<Vec<f32>> =
            (0..code.data_shards()).map(|_| random(ROWS * INNER)).collect();
        let mut parity = vec![vec![0.0; ROWS * INNER]; code.parity_shards()];
        let data: Vec<&[f32]> = weights.iter().map(Vec::as_slice).collect();
        let mut outs: Vec<&mut [f32]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
        code.encode_f32(&data, &mut outs, 1)?;
        weights.extend(parity);
        let rounding = if likely {
            Rounding::likely(INNER, norm(&input), 9.0)
        } else {
            Rounding::f32(INNER, norm(&input))
        };
        let dot = |row: &[f32]| row.iter().zip(&input).map(|(w, x)| w * x).sum();
        let largest = |w: &Vec<f32>| w.chunks(INNER).map(norm).fold(0.0, f64::max);
        Ok(Self {
            outputs: weights.iter().map(|w| w.chunks(INNER).map(dot).collect()).collect(),
            errors: weights.iter().map(|w| rounding.error(largest(w))).collect(),
        })
    }

    fn verify(&self, code: &Code) -> Result<Verdict, CodeError> {
        code.verify_f32(ShardSet::first(code.shards()), |i| &self.outputs[i], |i| self.errors[i])
    }
}

fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt()
}

/// Uniform between -1 and 1.
fn random(rng: &mut SplitMix64) -> f32 {
    (rng.next_u64() >> 40) as f32 / (1 << 23) as f32 - 1.0
}
