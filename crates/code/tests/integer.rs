//! Integer codes: every tolerated pattern, bit for bit, with accumulators that
//! wrap.

use std::ops::Range;

use proptest::prelude::*;
use quorate_code::integer::{IntegerCode, IntegerDecoderCache};
use quorate_code::{CodeError, Patterns, ShardSet, verify::Verdict};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// `rows * inner` weights times `inner` inputs, accumulated modulo 2^32.
fn layer<W: Copy + Into<i32>>(weights: &[W], input: &[u8]) -> Vec<i32> {
    let row = |row: &[W]| {
        let products = row.iter().zip(input).map(|(&w, &x)| w.into().wrapping_mul(i32::from(x)));
        products.fold(0i32, i32::wrapping_add)
    };
    weights.chunks(input.len()).map(row).collect()
}

#[test]
fn every_tolerated_pattern_is_invertible() {
    // All N for M up to 3 would take a minute at N = 61; the largest of each
    // number of blocks stand for the rest, all N up to 15 are tried.
    let counts =
        (1..=15).flat_map(|n| (1..=3).map(move |m| (n, m))).chain([(31, 2), (61, 2), (31, 3)]);
    let cauchy = [(1, 4), (4, 4), (9, 4), (12, 4), (8, 5), (6, 6), (3, 8)];
    for (n, m) in counts.chain(cauchy) {
        let code = IntegerCode::mds(n, m).unwrap();
        let all = ShardSet::first(n + m);
        for lost in (0..=m).flat_map(|lost| Patterns::new(n + m, lost)) {
            assert!(code.decoder(all.without(lost)).is_ok(), "({n}, {m}) without {lost}");
        }
    }
}

#[test]
fn parity_weights_fit_16_bits() {
    for m in 1..=8 {
        for n in 1..=64 - m {
            let most = IntegerCode::mds(n, m).unwrap().parity_weight_max();
            assert!(most <= i32::from(i16::MAX), "({n}, {m}): {most}");
        }
    }
    let largest = |n, m| IntegerCode::mds(n, m).unwrap().parity_weight_max();
    assert_eq!((largest(15, 1), largest(15, 2), largest(15, 3)), (1920, 4096, 4096));
}

#[test]
fn results_are_recovered_bit_for_bit_where_accumulators_wrap() {
    const INNER: usize = 40_000;
    let mut rng = SplitMix64::seed_from_u64(7);
    for (n, m, rows) in [(15, 3, 4), (5, 2, 6), (4, 1, 3), (6, 4, 4)] {
        let code = IntegerCode::mds(n, m).unwrap();
        assert_eq!(rows % code.blocks(), 0);
        let input: Vec<u8> = (0..INNER).map(|_| 128 | rng.next_u64() as u8).collect();
        let weights: Vec<Vec<i8>> = (0..n)
            .map(|i| {
                // The last shard is a row shorter than the others.
                let rows = if i + 1 == n { rows - 1 } else { rows };
                (0..rows * INNER).map(|_| 100 + rng.next_u64() as i8 / 5).collect()
            })
            .collect();
        let mut parity = vec![vec![0i16; rows * INNER]; m];
        let shards: Vec<&[i8]> = weights.iter().map(Vec::as_slice).collect();
        let mut outs: Vec<&mut [i16]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
        code.encode_i8(&shards, &mut outs, 2).unwrap();
        let mut results: Vec<Vec<i32>> = weights.iter().map(|w| layer(w, &input)).collect();
        results.extend(parity.iter().map(|w| layer(w, &input)));
        let exact: i64 =
            parity[0][..INNER].iter().zip(&input).map(|(&w, &x)| i64::from(w) * i64::from(x)).sum();
        assert!(exact > i64::from(i32::MAX), "the test is to wrap, got {exact}");

        let all = ShardSet::first(n + m);
        assert_eq!(code.verify_i32(all, |i| &results[i]), Ok(Verdict::Clean));
        for lost in (1..=m).flat_map(|lost| Patterns::new(n + m, lost)) {
            let decoder = code.decoder(all.without(lost)).unwrap();
            for missing in decoder.missing() {
                let mut out = vec![0; results[missing].len()];
                decoder.recover_i32(missing, |i| &results[i], &mut out).unwrap();
                assert!(out == results[missing], "({n}, {m}) without {lost}");
            }
        }
    }
}

#[test]
fn one_corrupt_result_is_located() {
    let code = IntegerCode::mds(5, 3).unwrap();
    let mut results: Vec<Vec<i32>> =
        (0..5).map(|i| (0..9).map(|r| (r * 7919 + i * 31) * 10_009).collect()).collect();
    let mut parity = vec![vec![0i32; 9]; 3];
    let shards: Vec<&[i32]> = results.iter().map(Vec::as_slice).collect();
    let mut outs: Vec<&mut [i32]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
    code.encode_i32(&shards, &mut outs, 1).unwrap();
    results.extend(parity);
    let all = ShardSet::first(8);
    let verdict = code.verify_i32(ShardSet::first(5), |i| &results[i]);
    assert_eq!(verdict, Ok(Verdict::Unchecked));
    for culprit in 0..8 {
        for bit in 0..32 {
            let row = bit as usize % 9;
            results[culprit][row] ^= 1 << bit;
            let verdict = |received| code.verify_i32(received, |i| &results[i]).unwrap();
            assert_eq!(verdict(all).located(), Some(culprit));
            // While another one is missing it is still located, and with two
            // missing it is found.
            let others: Vec<usize> = (0..8).filter(|&i| i != culprit).collect();
            let without = |gone: &[usize]| all.without(gone.iter().copied().collect());
            assert_eq!(verdict(without(&others[..1])).located(), Some(culprit));
            let found = verdict(without(&others[..2]));
            assert!(matches!(found, Verdict::Corrupt { suspects, .. } if suspects.len() == 6));
            assert_eq!(verdict(without(&others[..3])), Verdict::Unchecked);
            results[culprit][row] ^= 1 << bit;
        }
    }
}

#[test]
fn wrong_arguments_are_errors() {
    let code = IntegerCode::mds(5, 2).unwrap();
    let decoder = code.decoder(ShardSet::from_iter([1, 2, 3, 4, 5])).unwrap();
    let shards = |len: usize| move |_: usize| &[0i32; 16][..len];
    let cases = [
        (
            decoder.recover_i32(0, shards(7), &mut [0; 3]).unwrap_err(),
            "parity shard 5 has 7 values, needs 7 and a multiple of 3",
        ),
        (
            decoder.recover_i32(0, shards(6), &mut [0; 9]).unwrap_err(),
            "data shard 0 has 9 values, more than its parity with 6",
        ),
        (
            decoder.recover_i32(1, shards(6), &mut [0; 6]).unwrap_err(),
            "shard 1 is not one of the missing data shards {0}",
        ),
        (
            code.decoder(ShardSet::first(4)).unwrap_err(),
            "mds code cannot recover data shards {4} from shards {0, 1, 2, 3}: lost {4, 5, 6} of 7",
        ),
        (
            IntegerCode::by_name("overlapping", 4, 2).unwrap_err(),
            "no code is called \"overlapping\"; there are sum, mds for integers",
        ),
        (
            decoder.recover_positions_i32(0, 1..3, shards(6), &mut [0; 6]).unwrap_err(),
            "positions 1 to 3 are not within a block of 2 values",
        ),
        (
            decoder.recover_positions_i32(0, BACKWARDS, shards(6), &mut [0; 6]).unwrap_err(),
            "positions 2 to 1 are not within a block of 2 values",
        ),
        (
            decoder.recover_positions_i32(6, 0..1, shards(6), &mut [0; 6]).unwrap_err(),
            "shard 6 is not one of the missing data shards {0}",
        ),
        (
            decoder.recover_positions_i32(0, 0..1, shards(6), &mut [0; 7]).unwrap_err(),
            "data shard 0 has 7 values, more than its parity with 6",
        ),
    ];
    for (error, text) in cases {
        assert_eq!(error.to_string(), text);
    }
    assert!(matches!(IntegerCode::mds(4, 9), Err(CodeError::ParityShards { .. })));
    for (len, block_len, positions) in
        [(6, 2, 2..9), (6, 2, BACKWARDS), (0, 0, 0..1), (6, 2, usize::MAX..usize::MAX)]
    {
        assert!(code.piece(len, block_len, positions).all(|range| range.start == range.end));
    }
    let huge: Vec<_> = code.piece(9, usize::MAX, 0..usize::MAX).collect();
    assert_eq!(huge, [0..9, 9..9, 9..9]);
}

/// A range that ends before it starts.
const BACKWARDS: Range<usize> = Range { start: 2, end: 1 };

/// A piece of a shard.
fn piece<T: Copy>(code: &IntegerCode, shard: &[T], block: usize, at: &Range<usize>) -> Vec<T> {
    code.piece(shard.len(), block, at.clone()).flat_map(|range| shard[range].to_vec()).collect()
}

/// Puts a piece into its place in a shard.
fn place<T: Copy>(
    code: &IntegerCode,
    shard: &mut [T],
    block: usize,
    at: &Range<usize>,
    mut piece: &[T],
) {
    for range in code.piece(shard.len(), block, at.clone()) {
        let (values, rest) = piece.split_at(range.len());
        shard[range].copy_from_slice(values);
        piece = rest;
    }
    assert!(piece.is_empty());
}

/// `0..len` cut into parts of up to `most`.
fn cut(len: usize, most: usize, rng: &mut SplitMix64) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    while start < len {
        let end = len.min(start + 1 + rng.next_u64() as usize % most);
        parts.push(start..end);
        start = end;
    }
    parts
}

#[test]
fn weights_encoded_in_pieces_equal_those_encoded_at_once() {
    let mut rng = SplitMix64::seed_from_u64(3);
    for (n, m, block) in [(4, 1, 900), (4, 2, 700), (15, 3, 2100), (6, 4, 5)] {
        let code = IntegerCode::mds(n, m).unwrap();
        let len = block * code.blocks();
        // The first shard is whole, the last one may be very short.
        let weights: Vec<Vec<i8>> = (0..n)
            .map(|i| (0..len - len * i / n).map(|_| rng.next_u64() as i8).collect())
            .collect();
        let encode = |shards: &[Vec<i8>], len: usize, threads: usize| {
            let shards: Vec<&[i8]> = shards.iter().map(Vec::as_slice).collect();
            let mut parity = vec![vec![0i16; len]; m];
            let mut outs: Vec<&mut [i16]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
            code.encode_i8(&shards, &mut outs, threads).unwrap();
            parity
        };
        let whole = encode(&weights, len, 1);
        assert!(whole == encode(&weights, len, 3));
        let mut placed = vec![vec![i16::MIN; len]; m];
        for at in cut(block, block / 2, &mut rng) {
            let shards: Vec<Vec<i8>> =
                weights.iter().map(|w| piece(&code, w, block, &at)).collect();
            let parity = encode(&shards, at.len() * code.blocks(), 2);
            for (shard, values) in placed.iter_mut().zip(&parity) {
                place(&code, shard, block, &at, values);
            }
        }
        assert!(placed == whole, "({n}, {m})");
    }
}

#[test]
#[allow(clippy::single_range_in_vec_init)]
fn shards_that_arrived_in_part_are_recovered_in_part() {
    let code = IntegerCode::mds(4, 2).unwrap();
    let (d, block) = (code.blocks(), 10);
    let mut rng = SplitMix64::seed_from_u64(11);
    let mut shards: Vec<Vec<i32>> =
        (0..4).map(|i| (0..d * block - i).map(|_| rng.next_u64() as i32).collect()).collect();
    let mut parity = vec![vec![0; d * block]; 2];
    let slices: Vec<&[i32]> = shards.iter().map(Vec::as_slice).collect();
    let mut outs: Vec<&mut [i32]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
    code.encode_i32(&slices, &mut outs, 1).unwrap();
    shards.extend(parity);

    let arrived: [Vec<Range<usize>>; 6] =
        [vec![0..10], vec![0..3, 7..10], vec![5..10], vec![0..4, 4..10], vec![0..8], vec![0..10]];
    let mut buffers: Vec<Vec<i32>> = shards.iter().map(|s| vec![-1; s.len()]).collect();
    for (i, buffer) in buffers.iter_mut().enumerate() {
        for at in &arrived[i] {
            place(&code, buffer, block, at, &piece(&code, &shards[i], block, at));
        }
    }
    let mut cache = IntegerDecoderCache::new(code.clone());
    for segment in cache.segments(block, |i| &arrived[i]).unwrap() {
        assert_eq!(cache.get(segment.received), Ok(segment.decoder.clone()));
        assert_eq!(cache.code().decoder(segment.received), Ok(segment.decoder.clone()));
        for missing in segment.decoder.missing() {
            let mut out = buffers[missing].clone();
            let at = segment.positions.clone();
            segment.decoder.recover_positions_i32(missing, at, |i| &buffers[i], &mut out).unwrap();
            buffers[missing] = out;
        }
    }
    assert_eq!(buffers[..4], shards[..4]);
    let error = cache.get(ShardSet::first(3)).unwrap_err();
    assert_eq!(Err(error), code.decoder(ShardSet::first(3)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn any_values_come_back(
        n in 1usize..20, m in 1usize..6, len in 1usize..60, seed: u64, lost_seed: u64,
    ) {
        let code = IntegerCode::mds(n, m).unwrap();
        let mut rng = SplitMix64::seed_from_u64(seed);
        let mut lost_rng = SplitMix64::seed_from_u64(lost_seed);
        let mut shards: Vec<Vec<i32>> = (0..n)
            .map(|_| (0..rng.next_u64() as usize % len).map(|_| rng.next_u64() as i32).collect())
            .collect();
        let mut parity = vec![vec![0i32; len.next_multiple_of(code.blocks())]; m];
        let slices: Vec<&[i32]> = shards.iter().map(Vec::as_slice).collect();
        let mut outs: Vec<&mut [i32]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
        code.encode_i32(&slices, &mut outs, 1).unwrap();
        shards.extend(parity);
        let mut received = ShardSet::first(n + m);
        for _ in 0..m {
            received.remove(lost_rng.next_u64() as usize % (n + m));
        }
        let decoder = code.decoder(received).unwrap();
        for missing in decoder.missing() {
            let mut out = vec![0; shards[missing].len()];
            decoder.recover_i32(missing, |i| &shards[i], &mut out).unwrap();
            prop_assert_eq!(&out, &shards[missing]);
        }
    }

    #[test]
    fn parts_equal_the_whole(
        n in 1usize..20, m in 1usize..6, block in 1usize..40, most in 1usize..40, seed: u64,
    ) {
        let code = IntegerCode::mds(n, m).unwrap();
        let mut rng = SplitMix64::seed_from_u64(seed);
        let len = block * code.blocks();
        let mut shards: Vec<Vec<i32>> = (0..n)
            .map(|_| (0..rng.next_u64() as usize % (len + 1)).map(|_| rng.next_u64() as i32).collect())
            .collect();
        let encode = |shards: &[Vec<i32>], len: usize| {
            let slices: Vec<&[i32]> = shards.iter().map(Vec::as_slice).collect();
            let mut parity = vec![vec![0i32; len]; m];
            let mut outs: Vec<&mut [i32]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
            code.encode_i32(&slices, &mut outs, 1).map(|()| parity).unwrap()
        };
        let parity = encode(&shards, len);
        shards.extend(parity);
        let mut received = ShardSet::first(n + m);
        for _ in 0..m {
            received.remove(rng.next_u64() as usize % (n + m));
        }
        let decoder = code.decoder(received).unwrap();
        let mut outs: Vec<Vec<i32>> = shards.iter().map(|s| vec![7; s.len()]).collect();
        for at in cut(block, most, &mut rng) {
            let pieces: Vec<Vec<i32>> =
                shards.iter().map(|s| piece(&code, s, block, &at)).collect();
            prop_assert_eq!(&encode(&pieces[..n], at.len() * code.blocks())[..], &pieces[n..]);
            let verdict = code.verify_i32(received, |i| &pieces[i]).unwrap();
            prop_assert!(verdict == Verdict::Clean || received.len() == n);
            // Nothing but the piece is there of what arrived.
            let mut there: Vec<Vec<i32>> =
                shards.iter().map(|s| s.iter().map(|v| !v).collect()).collect();
            for (shard, values) in there.iter_mut().zip(&pieces) {
                place(&code, shard, block, &at, values);
            }
            for missing in decoder.missing() {
                let mut expected = outs[missing].clone();
                place(&code, &mut expected, block, &at, &pieces[missing]);
                let out = &mut outs[missing];
                decoder.recover_positions_i32(missing, at.clone(), |i| &there[i], out).unwrap();
                prop_assert_eq!(&*out, &expected);
                // A piece is a shard of its own.
                let mut out = vec![0; pieces[missing].len()];
                decoder.recover_i32(missing, |i| &pieces[i], &mut out).unwrap();
                prop_assert_eq!(&out, &pieces[missing]);
            }
        }
        for missing in decoder.missing() {
            prop_assert_eq!(&outs[missing], &shards[missing]);
            decoder.recover_positions_i32(missing, block..block, |i| &shards[i], &mut outs[missing]).unwrap();
            prop_assert_eq!(&outs[missing], &shards[missing]);
        }
    }
}
