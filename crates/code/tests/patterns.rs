//! Every tolerated loss pattern, and the fast paths against naive ones.

use proptest::prelude::*;
use quorate_code::{Code, Patterns, ShardSet, cache::DecoderCache};

fn values(len: usize, seed: usize) -> Vec<f32> {
    let value = |i: usize| ((i * 2_654_435_761 + seed * 40_503) % 65_537) as f32 / 32_768.0 - 1.0;
    (0..len).map(value).collect()
}

fn encoded(code: &Code, lens: &[usize], seed: usize) -> Vec<Vec<f32>> {
    let mut shards: Vec<Vec<f32>> =
        lens.iter().enumerate().map(|(i, &len)| values(len, seed + i)).collect();
    let longest = lens.iter().copied().max().unwrap_or(0);
    let mut parity = vec![vec![0.0; longest]; code.parity_shards()];
    let slices: Vec<&[f32]> = shards.iter().map(Vec::as_slice).collect();
    let mut outs: Vec<&mut [f32]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
    code.encode_f32(&slices, &mut outs, 1).unwrap();
    shards.extend(parity);
    shards
}

/// The most by which a decoded value may be off if the data shards are exact
/// and at most 1: half a unit in the last place for each parity, enlarged by
/// its coefficient, and for the result.
fn bound(code: &Code, received: ShardSet, missing: usize) -> f64 {
    const HALF_UNIT: f64 = 1.0 / (1 << 24) as f64;
    let decoder = code.decoder(received).unwrap();
    let parities = decoder.terms(missing).iter().filter(|(shard, _)| *shard >= code.data_shards());
    let size = |shard: usize| -> f64 {
        code.generator_row(shard - code.data_shards()).iter().map(|c| c.abs()).sum()
    };
    let sum: f64 = parities.map(|&(shard, c)| c.abs() * size(shard)).sum();
    (sum + 1.0) * HALF_UNIT * 1.01
}

#[test]
fn every_tolerated_pattern_up_to_12_and_4_is_decoded_within_the_bound() {
    for (n, m) in (1..=12).flat_map(|n| (1..=4).map(move |m| (n, m))) {
        for code in [Code::mds(n, m).unwrap(), Code::bch_dft(n, m).unwrap()] {
            let shards = encoded(&code, &vec![8; n], n);
            let all = ShardSet::first(n + m);
            for lost in (1..=m).flat_map(|lost| Patterns::new(n + m, lost)) {
                let received = all.without(lost);
                let decoder = code.decoder(received).unwrap();
                let mut outs = vec![[0.0f32; 8]; decoder.missing().len()];
                let mut slices: Vec<&mut [f32]> = outs.iter_mut().map(|out| &mut out[..]).collect();
                decoder.recover_all_f32(|i| &shards[i], &mut slices).unwrap();
                for (missing, out) in decoder.missing().iter().zip(&outs) {
                    let worst =
                        out.iter().zip(&shards[missing]).map(|(a, b)| f64::from((a - b).abs()));
                    let worst = worst.fold(0.0, f64::max);
                    let most = bound(&code, received, missing);
                    assert!(
                        worst <= most,
                        "{} ({n}, {m}) without {lost}: {worst} > {most}",
                        code.name()
                    );
                }
            }
        }
    }
}

#[test]
fn the_largest_counts_are_decodable_too() {
    for (n, m) in [(63, 1), (62, 2), (61, 3), (60, 4), (56, 8)] {
        let code = Code::mds(n, m).unwrap();
        let all = ShardSet::first(n + m);
        // Neighbours on the circle are the hardest to tell apart.
        for first in 0..=n {
            let lost: ShardSet = (first..first + m).collect();
            assert!(code.amplification(all.without(lost)).is_ok(), "({n}, {m}) without {lost}");
        }
    }
}

#[test]
fn worst_amplifications() {
    // The sum's is sqrt(2 N - 1). BCH-DFT: 9.1, 15.54, 29.1, 65.5, 54.8, 168.5.
    let cases = [
        (8, 1, 3.873),
        (8, 2, 9.1),
        (12, 2, 15.54),
        (8, 3, 14.46),
        (12, 3, 28.07),
        (8, 4, 28.38),
        (12, 4, 168.5),
    ];
    for (n, m, most) in cases {
        let worst = Code::mds(n, m).unwrap().worst_amplification();
        assert!(worst <= most && worst > 0.99 * most, "({n}, {m}): {worst}");
    }
}

#[test]
fn mds_is_never_worse_than_bch_dft() {
    for (n, m) in (1..=19).flat_map(|n| (2..=4).map(move |m| (n, m))).filter(|&(n, m)| n * m <= 57)
    {
        let worst = |code: Code| code.worst_amplification();
        let (mds, dft) = (worst(Code::mds(n, m).unwrap()), worst(Code::bch_dft(n, m).unwrap()));
        assert!(mds <= dft * (1.0 + 1e-9), "({n}, {m}): {mds} > {dft}");
    }
}

fn any_code() -> impl Strategy<Value = Code> {
    prop_oneof![
        (1usize..20).prop_map(Code::sum),
        (1usize..20, 1usize..5).prop_map(|(n, m)| Code::mds(n, m)),
        (1usize..12, 1usize..7).prop_map(|(n, m)| Code::bch_dft(n, m)),
        (1usize..12, 1usize..4).prop_map(|(n, m)| Code::groups(n, m.min(n))),
        (1usize..12, 1usize..4).prop_map(|(n, m)| Code::overlapping(n, m.min(n))),
        (1usize..12).prop_map(Code::hamming),
        (1usize..6, 1usize..3).prop_map(|(n, copies)| Code::replication(n, copies)),
    ]
    .prop_map(Result::unwrap)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn encoding_equals_the_naive_sum(code in any_code(), len in 0usize..3000, seed in 0usize..1000) {
        let lens: Vec<usize> = (0..code.data_shards()).map(|i| len * (i + seed) % (len + 1)).collect();
        let shards = encoded(&code, &lens, seed);
        for parity in 0..code.parity_shards() {
            for (row, value) in shards[code.data_shards() + parity].iter().enumerate() {
                let at = |i: usize| f64::from(*shards[i].get(row).unwrap_or(&0.0));
                let terms = code.generator_row(parity).iter().enumerate();
                let exact: f64 = terms.map(|(i, c)| c * at(i)).sum();
                prop_assert_eq!(*value, exact as f32);
            }
        }
    }

    #[test]
    fn decoding_undoes_encoding_for_any_pattern(
        code in any_code(), len in 0usize..300, seed in 0usize..1000, bits: u64, start in 0usize..300,
    ) {
        let lens: Vec<usize> = (0..code.data_shards()).map(|i| len * (i + 3) % (len + 1)).collect();
        let shards = encoded(&code, &lens, seed);
        let all = ShardSet::first(code.shards());
        let lost = ShardSet::from_bits(bits & bits.rotate_left(13)).intersection(all);
        let received = all.without(lost);
        let mut cache = DecoderCache::new(code.clone());
        let Ok(decoder) = cache.get(received) else {
            prop_assert!(!code.is_decodable(received));
            return Ok(());
        };
        prop_assert!(code.is_decodable(received) && decoder.missing().is_subset(lost));
        prop_assert_eq!(&cache.get(received).unwrap(), &decoder);
        prop_assert!(decoder.sources().is_subset(received));
        let mut whole: Vec<f32> = Vec::new();
        for missing in 0..code.data_shards() {
            if received.contains(missing) {
                whole.extend(&shards[missing]);
                continue;
            }
            let mut out = vec![0.0; lens[missing]];
            decoder.recover_f32(missing, |i| &shards[i], &mut out).unwrap();
            let most = bound(&code, received, missing);
            for (row, (a, b)) in out.iter().zip(&shards[missing]).enumerate() {
                prop_assert!(f64::from((a - b).abs()) <= most, "row {row}: {a} {b} {most}");
            }
            // Any part is the part of the whole, to the bit.
            let start = start.min(lens[missing]);
            let mut part = vec![0.0; lens[missing] - start];
            decoder.recover_rows_f32(missing, start, |i| &shards[i], &mut part).unwrap();
            prop_assert_eq!(&part[..], &out[start..]);
            whole.extend(out);
        }
        let mut merged: Vec<f32> = (0..code.data_shards())
            .flat_map(|i| if received.contains(i) { shards[i].clone() } else { vec![f32::NAN; lens[i]] })
            .collect();
        decoder.recover_merged_f32(&mut merged, &lens, |i| &shards[i]).unwrap();
        prop_assert_eq!(merged, whole);
    }
}
