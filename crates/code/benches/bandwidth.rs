//! Bandwidth of encoding and decoding, as a ratio to that of a plain loop
//! over the same memory in the same run.
//!
//! ```text
//! cargo bench -p quorate-code
//! ```

use std::{hint::black_box, time::Instant};

use quorate_code::{Code, ShardSet, integer::IntegerCode};

/// Rounds whose fastest is taken; what is measured and what it is compared
/// with take turns, so that both meet the same disturbances.
const ROUNDS: usize = 15;
/// Values of a shard of one mebibyte.
const SHARD: usize = 1 << 18;
/// Distinct copies of all shards that a measurement walks through: far more
/// than the second-level cache holds.
const COPIES: usize = 24;

fn main() {
    println!("{:<58} {:>8} {:>8} {:>6} {:>5}", "", "GB/s", "plain", "ratio", "goal");
    decode_one(4);
    decode_one(8);
    decode_two(8, 1, 1.0);
    decode_two(4, 2, 0.5);
    decode_two(8, 2, 0.5);
    decode_integers(8, 1);
    decode_integers(8, 2);
    encode("encode sum, N = 4, 244 MB, 2 threads", &Code::sum(4).expect("counts"), 0.6);
    encode("encode mds, N = 4, M = 2, 244 MB, 2 threads", &Code::mds(4, 2).expect("counts"), 0.0);
}

/// Times both in turns and prints their ratio; `bytes` are read and written.
fn compare(name: &str, bytes: usize, goal: f64, mut coded: impl FnMut(), mut plain: impl FnMut()) {
    let (mut best_coded, mut best_plain) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        plain();
        best_plain = best_plain.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        coded();
        best_coded = best_coded.min(start.elapsed().as_secs_f64());
    }
    let speed = |seconds: f64| bytes as f64 / seconds / 1e9;
    let goal = if goal > 0.0 { format!("{goal:.2}") } else { "-".to_string() };
    println!(
        "{name:<58} {:>8.2} {:>8.2} {:>6.2} {goal:>5}",
        speed(best_coded),
        speed(best_plain),
        best_plain / best_coded
    );
}

fn values(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 31 + seed * 17) % 1009) as f32 * 0.01 - 5.0).collect()
}

/// Only reads every source, in one pass, and writes one output.
fn plain_pass(sources: &[&[f32]], out: &mut [f32]) {
    const BLOCK: usize = 1024;
    for (i, out) in out.chunks_mut(BLOCK).enumerate() {
        let mut bits = 0u32;
        for source in sources {
            let values = &source[i * BLOCK..][..out.len()];
            bits = values.iter().fold(bits, |bits, value| bits.wrapping_add(value.to_bits()));
        }
        out.fill(f32::from_bits(bits));
    }
}

fn decode_one(n: usize) {
    let code = Code::sum(n).expect("counts");
    let name = format!("decode sum, N = {n}, 1 MiB shards");
    decode(&name, &code, ShardSet::first(n + 1).without(ShardSet::from_iter([1])), 0.8);
}

fn decode_two(n: usize, lost: usize, goal: f64) {
    let code = Code::mds(n, 2).expect("counts");
    let name = format!("decode mds, N = {n}, M = 2, {lost} lost, 1 MiB shards");
    let received = ShardSet::first(n + 2).without(ShardSet::first(lost));
    decode(&name, &code, received, if goal < 1.0 { goal } else { 0.0 });
}

/// Plain reads every source once and writes an output for each missing shard.
fn decode(name: &str, code: &Code, received: ShardSet, goal: f64) {
    let sets: Vec<Vec<Vec<f32>>> =
        (0..COPIES).map(|_| (0..code.shards()).map(|i| values(SHARD, i)).collect()).collect();
    let decoder = code.decoder(received).expect("tolerated");
    let count = decoder.missing().len();
    let mut outs = vec![vec![0.0f32; SHARD]; count * COPIES];
    let mut plain_outs = outs.clone();
    let bytes = COPIES * SHARD * 4 * (decoder.sources().len() + count);
    let coded = || {
        for (set, outs) in sets.iter().zip(outs.chunks_mut(count)) {
            let mut outs: Vec<&mut [f32]> = outs.iter_mut().map(Vec::as_mut_slice).collect();
            decoder.recover_all_f32(|i| &set[i], &mut outs).expect("fits");
            black_box(&mut outs);
        }
    };
    let plain = || {
        for (set, outs) in sets.iter().zip(plain_outs.chunks_mut(count)) {
            let sources: Vec<&[f32]> =
                decoder.sources().iter().map(|i| set[i].as_slice()).collect();
            plain_pass(&sources, &mut outs[0]);
            let (first, others) = outs.split_at_mut(1);
            others.iter_mut().for_each(|out| out.copy_from_slice(&first[0]));
            black_box(outs);
        }
    };
    compare(name, bytes, goal, coded, plain);
}

fn decode_integers(n: usize, m: usize) {
    let code = IntegerCode::mds(n, m).expect("counts");
    let len = SHARD / code.blocks() * code.blocks();
    let sets: Vec<Vec<Vec<i32>>> = (0..COPIES)
        .map(|_| (0..n + m).map(|i| (0..len as i32).map(|v| v ^ i as i32).collect()).collect())
        .collect();
    let decoder =
        code.decoder(ShardSet::first(n + m).without(ShardSet::first(1))).expect("tolerated");
    let mut outs = vec![vec![0; len]; COPIES];
    let mut plain_outs = vec![vec![0.0; len]; COPIES];
    let floats: Vec<Vec<Vec<f32>>> =
        (0..COPIES).map(|_| (0..n).map(|i| values(len, i)).collect()).collect();
    let coded = || {
        for (set, out) in sets.iter().zip(&mut outs) {
            decoder.recover_i32(0, |i| &set[i], out).expect("fits");
            black_box(out);
        }
    };
    let plain = || {
        for (set, out) in floats.iter().zip(&mut plain_outs) {
            plain_pass(&set.iter().map(Vec::as_slice).collect::<Vec<_>>(), out);
            black_box(out);
        }
    };
    let name = format!("decode exact integers, N = {n}, M = {m}, 1 lost, 1 MiB shards");
    compare(&name, COPIES * len * 4 * (n + 1), 0.0, coded, plain);
}

/// AlexNet's 244 MB of weights over N shards.
fn encode(name: &str, code: &Code, goal: f64) {
    let len = 61_000_000 / code.data_shards();
    let data: Vec<Vec<f32>> = (0..code.data_shards()).map(|i| values(len, i)).collect();
    let shards: Vec<&[f32]> = data.iter().map(Vec::as_slice).collect();
    let mut parity = vec![vec![0.0f32; len]; code.parity_shards()];
    let mut copy = parity.clone();
    let bytes = 4 * len * code.shards();
    let coded = || {
        let mut parity: Vec<&mut [f32]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
        code.encode_f32(&shards, &mut parity, 2).expect("fits");
        black_box(&mut parity);
    };
    let plain = || {
        let half = len / 2;
        let halves: Vec<(&[f32], &[f32])> = shards.iter().map(|s| s.split_at(half)).collect();
        let pass = |shards: Vec<&[f32]>, outs: &mut [&mut [f32]]| {
            let (first, others) = outs.split_at_mut(1);
            plain_pass(&shards, first[0]);
            others.iter_mut().for_each(|out| out.copy_from_slice(first[0]));
        };
        let (mut left, mut right): (Vec<_>, Vec<_>) =
            copy.iter_mut().map(|c| c.split_at_mut(half)).unzip();
        std::thread::scope(|scope| {
            scope.spawn(|| pass(halves.iter().map(|h| h.0).collect(), &mut left));
            pass(halves.iter().map(|h| h.1).collect(), &mut right);
        });
        black_box(&mut copy);
    };
    compare(name, bytes, goal, coded, plain);
}
