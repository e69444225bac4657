use quorate_code::Code;

use super::*;
use crate::fixture::{A, B, H, devices, f32_bytes, ms, plans};
use crate::id::{DeviceId, SeatId, StageId};
use quorate_model::division::Division;
use quorate_model::division::rows::Rows;
use quorate_model::division::terms::Terms;
use quorate_model::division::tiles::Tiles;
use quorate_model::division::whole::Whole;
use quorate_model::region::Region;
use quorate_model::tensor::DType;

const WAIT: Duration = Duration::from_millis(5);

fn fixture(suspects: &[DeviceId]) -> Gather {
    let plans = plans();
    let everybody = plans.everybody();
    Gather::new(plans.values().clone(), plans.main().clone(), H, everybody, devices(suspects))
}

/// Where a gather stands: `-`, `w` and the time, or the shards used.
fn stand(gather: &mut Gather, now: Time) -> String {
    match gather.decide(now, WAIT) {
        Decision::Short => "-".to_owned(),
        Decision::WaitUntil(at) => format!("w{}", at.0 / 1000),
        Decision::Gathered(gathered) => gathered.used().to_string(),
    }
}

#[test]
fn orders_of_arrival() {
    use Accepted::{Duplicate, Late, Taken};
    // Shards with their times, what becomes of each, and the stand after it.
    type Case = (&'static [DeviceId], &'static [(u64, usize, Accepted, &'static str)]);
    let cases: [Case; 8] = [
        (&[], &[(0, 0, Taken, "-"), (1, 1, Taken, "{0, 1}"), (2, 2, Late, "{0, 1}")]),
        (&[], &[(0, 1, Taken, "-"), (1, 2, Taken, "w6"), (3, 0, Taken, "{0, 1}")]),
        (&[], &[(0, 0, Taken, "-"), (1, 2, Taken, "w6"), (6, 2, Duplicate, "{0, 2}")]),
        (&[], &[(0, 0, Taken, "-"), (9, 0, Duplicate, "-"), (9, 1, Taken, "{0, 1}")]),
        // The wait runs from the first sufficient set, not from the last shard.
        (&[], &[(0, 2, Taken, "-"), (4, 0, Taken, "w9"), (9, 1, Taken, "{0, 1}")]),
        (&[A], &[(0, 1, Taken, "-"), (1, 2, Taken, "{1, 2}"), (2, 0, Late, "{1, 2}")]),
        (&[A], &[(0, 0, Taken, "-"), (1, 1, Taken, "w6"), (2, 2, Taken, "{1, 2}")]),
        (&[A, B], &[(0, 2, Taken, "-"), (1, 1, Taken, "w6"), (6, 1, Duplicate, "{1, 2}")]),
    ];
    for (suspects, arrivals) in cases {
        let mut gather = fixture(suspects);
        for (at, shard, accepted, after) in arrivals {
            let payload = f32_bytes(&[1.0, 2.0, 3.0]);
            assert_eq!(gather.accept(ms(*at), *shard, payload), *accepted, "{arrivals:?}");
            assert_eq!(stand(&mut gather, ms(*at)), *after, "{arrivals:?}");
        }
    }
}

#[test]
fn gaps_are_seen_after_the_decision_too() {
    let mut gather = fixture(&[]);
    for (at, shard) in [(0, 0), (1, 2)] {
        gather.accept(ms(at), shard, f32_bytes(&[0.0; 3]));
    }
    assert_eq!(stand(&mut gather, ms(6)), "{0, 2}");
    assert_eq!(gather.roster_gap(), None);
    gather.accept(ms(11), 1, f32_bytes(&[0.0; 3]));
    assert_eq!(gather.roster_gap(), Some(Duration::from_millis(10)));
}

/// A value of one stage over `rows`, with `parity` parity shards.
fn sharded(dtype: DType, shape: &[usize], axis: usize, rows: &[usize], parity: usize) -> Gather {
    let name = if parity == 0 { "none" } else { "mds" };
    let code = Code::by_name(name, rows.len(), parity).expect("a code");
    let mut start = 0;
    let rows = rows.iter().map(|n| {
        start += n;
        start - n..start
    });
    let division = Arc::new(Rows(rows.collect()));
    let value = Value { name: "v".to_owned(), dtype, shape: shape.to_vec(), axis };
    divided(value, division, code, dtype)
}

/// A gather of a value of one stage.
fn divided(value: Value, division: Arc<dyn Division>, code: Code, wire: DType) -> Gather {
    let seats = (0..code.shards() as u8).map(SeatId).collect();
    let members = DeviceSet::first(code.shards());
    let sharding = Sharding::new(code, division, seats, Some(StageId(0)), wire);
    let plan = Plan::of_one_stage(sharding, members.len());
    Gather::new(Arc::new(vec![value]), Arc::new(plan), ValueId(0), members, DeviceSet::default())
}

/// The element of the whole value at a place, exact in every type.
fn element(at: usize) -> f32 {
    (at * 7 % 31) as f32
}

/// The payload of every shard, computed element by element.
fn payloads(gather: &Gather) -> Vec<Vec<f32>> {
    let value = &gather.values[0];
    let sharding = gather.sharding();
    let outer: usize = value.shape[..value.axis].iter().product();
    let inner: usize = value.shape[value.axis + 1..].iter().product();
    let at = |o: usize, row: usize, i: usize| element((o * value.rows() + row) * inner + i);
    let ranges: Vec<_> = (0..sharding.division.shards())
        .map(|shard| sharding.division.ranges(shard)[0].clone())
        .collect();
    let data = |shard: usize, o: usize, row: usize, i: usize| {
        let rows = &ranges[shard];
        if row < rows.len() { at(o, rows.start + row, i) } else { 0.0 }
    };
    (0..sharding.code.shards())
        .map(|shard| {
            let mut out = Vec::new();
            for o in 0..outer {
                for row in 0..sharding.place(value, shard).len() {
                    for i in 0..inner {
                        out.push(match shard.checked_sub(ranges.len()) {
                            None => data(shard, o, row, i),
                            Some(parity) => {
                                let line = sharding.code.generator_row(parity).iter().enumerate();
                                let terms = line.map(|(s, c)| c * f64::from(data(s, o, row, i)));
                                terms.sum::<f64>() as f32
                            }
                        });
                    }
                }
            }
            out
        })
        .collect()
}

fn subsets(shards: usize, lost: usize) -> impl Iterator<Item = ShardSet> {
    let all = (0..1u64 << shards).map(ShardSet::from_bits);
    all.filter(move |set| set.len() == lost)
}

#[test]
fn every_loss_decodes_to_the_original() {
    // Shape, axis, rows of the data shards, parities.
    let cases: [(&[usize], usize, &[usize], usize); 7] = [
        (&[1, 6], 1, &[3, 3], 1),
        (&[1, 7], 1, &[4, 3], 1),
        (&[2, 5, 3], 1, &[1, 4], 1),
        (&[3, 4, 9, 2, 2], 2, &[2, 3, 4], 1),
        (&[5, 2], 0, &[2, 2, 1], 2),
        (&[2, 8, 3, 3], 1, &[1, 3, 2, 2], 2),
        (&[2, 3], 1, &[3], 2),
    ];
    for (shape, axis, rows, parity) in cases {
        let count = shape.iter().product();
        let whole: Vec<f32> = (0..count).map(element).collect();
        for lost in (0..=parity).flat_map(|lost| subsets(rows.len() + parity, lost)) {
            let mut gather = sharded(DType::F32, shape, axis, rows, parity);
            for (shard, payload) in payloads(&gather).iter().enumerate() {
                if !lost.contains(shard) {
                    gather.accept(ms(0), shard, f32_bytes(payload));
                }
            }
            let Decision::Gathered(gathered) = gather.decide(ms(9), WAIT) else {
                panic!("{shape:?} without {lost} is short");
            };
            let tensor = gathered.assemble().expect("merges");
            assert_eq!(tensor.shape(), shape);
            for (got, right) in tensor.to_f32().expect("f32").iter().zip(&whole) {
                assert!((got - right).abs() < 1e-4, "{shape:?} {rows:?} without {lost}");
            }
            let first = ShardSet::first(rows.len());
            assert_eq!(gathered.is_decoded(), !lost.intersection(first).is_empty());
        }
    }
}

#[test]
fn other_types_merge_but_do_not_decode() {
    for dtype in [DType::I8, DType::U8, DType::F16, DType::I32, DType::I64, DType::F64] {
        let size = dtype.size();
        let bytes = |range: std::ops::Range<usize>| range.map(|b| b as u8).collect::<Vec<u8>>();
        let mut gather = sharded(dtype, &[3, 2], 0, &[2, 1], 0);
        gather.accept(ms(0), 1, bytes(4 * size..6 * size).into());
        gather.accept(ms(0), 0, bytes(0..4 * size).into());
        let Decision::Gathered(gathered) = gather.decide(ms(0), WAIT) else { panic!("short") };
        let tensor = gathered.assemble().expect("merges");
        assert_eq!((tensor.dtype(), tensor.data().to_vec()), (dtype, bytes(0..6 * size)));
    }
    let mut gather = sharded(DType::I32, &[2, 2], 0, &[1, 1], 1);
    gather.accept(ms(0), 0, f32_bytes(&[0.0; 2]));
    gather.accept(ms(0), 2, f32_bytes(&[0.0; 2]));
    let Decision::Gathered(gathered) = gather.decide(ms(9), WAIT) else { panic!("short") };
    let error = gathered.assemble().unwrap_err();
    assert_eq!(error.to_string(), "value v of i32 cannot be decoded, only f32 can");
}

/// Takes in all payloads but the lost ones and makes the value whole.
fn whole(mut gather: Gather, payloads: &[Bytes], lost: ShardSet) -> Option<Vec<f32>> {
    for (shard, payload) in payloads.iter().enumerate().filter(|(shard, _)| !lost.contains(*shard))
    {
        gather.accept(ms(0), shard, payload.clone());
    }
    match gather.decide(ms(9), WAIT) {
        Decision::Gathered(gathered) => {
            Some(gathered.assemble().expect("merges").to_f32().unwrap())
        }
        _ => None,
    }
}

#[test]
fn tiles_are_laid_in_their_places() {
    let lengths: [&[&[usize]]; 4] =
        [&[&[2, 2, 1], &[4]], &[&[3, 2], &[2, 2]], &[&[5], &[1, 3]], &[&[1, 4], &[3, 1]]];
    let value = Value { name: "v".into(), dtype: DType::F32, shape: vec![2, 3, 5, 4], axis: 1 };
    let all: Vec<f32> = (0..120).map(element).collect();
    for (lengths, parity) in lengths.iter().flat_map(|l| [0, 1, 2].map(|m| (l, m))) {
        let lengths: Vec<Vec<usize>> = lengths.iter().map(|parts| parts.to_vec()).collect();
        let grid = Tiles::new(lengths.clone(), parity > 0);
        let name = if parity == 0 { "none" } else { "mds" };
        let code = Code::by_name(name, grid.shards(), parity).expect("a code");
        let cut = |tile: &[std::ops::Range<usize>]| -> Vec<f32> {
            let mut out = Vec::new();
            for channel in 0..6 {
                for row in tile[0].clone() {
                    out.extend(tile[1].clone().map(|col| all[(channel * 5 + row) * 4 + col]));
                }
            }
            out
        };
        let boxes = (0..grid.shards()).map(|shard| grid.ranges(shard));
        let data: Vec<Vec<f32>> = boxes.map(|tile| cut(&tile)).collect();
        let parities = (0..parity).map(|p| {
            let row = code.generator_row(p);
            let sum =
                |i| row.iter().zip(&data).map(|(c, d)| c * f64::from(d[i])).sum::<f64>() as f32;
            (0..data[0].len()).map(sum).collect()
        });
        let parities: Vec<Vec<f32>> = parities.collect();
        let payloads: Vec<Bytes> = data.iter().chain(&parities).map(|p| f32_bytes(p)).collect();
        for lost in (0..=parity).flat_map(|lost| subsets(payloads.len(), lost)) {
            let division = Arc::new(grid.clone());
            let gather = divided(value.clone(), division, code.clone(), DType::F32);
            let got = whole(gather, &payloads, lost).expect("quorate");
            let apart = got.iter().zip(&all).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-4, "{lengths:?} with {parity}, lost {lost}: {apart} apart");
        }
    }
}

#[test]
fn terms_are_added_up_from_any_copy() {
    let value = Value { name: "v".into(), dtype: DType::F32, shape: vec![1, 4], axis: 1 };
    let terms = [[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0], [0.5, 0.0, 0.0, -1.0]];
    let sum = vec![11.5, 22.0, 33.0, 43.0];
    for copies in 0..=2 {
        let name = if copies == 0 { "none" } else { "replication" };
        let code = Code::by_name(name, 3, 3 * copies).expect("a code");
        let payloads: Vec<Bytes> = (0..code.shards()).map(|s| f32_bytes(&terms[s % 3])).collect();
        for lost in (0..=copies + 1).flat_map(|lost| subsets(payloads.len(), lost)) {
            let division = Arc::new(Terms(vec![0..1, 1..2, 2..3]));
            let gather = divided(value.clone(), division, code.clone(), DType::F32);
            let gone = (0..3).any(|t| (0..=copies).all(|copy| lost.contains(t + 3 * copy)));
            let wanted = (!gone).then(|| sum.clone());
            assert_eq!(whole(gather, &payloads, lost), wanted, "{copies} copies, lost {lost}");
        }
    }
}

/// Of copies the first to arrive is taken at once, whatever the roster says,
/// and in every type: nothing is computed with it.
#[test]
fn the_first_copy_wins() {
    let value = Value { name: "v".into(), dtype: DType::I64, shape: vec![2], axis: 0 };
    let code = Code::by_name("replication", 1, 2).expect("a code");
    let mut gather = divided(value, Arc::new(Whole), code, DType::I64);
    let payload = Bytes::from(vec![7; 16]);
    assert_eq!(gather.accept(ms(0), 2, payload.clone()), Accepted::Taken);
    let Decision::Gathered(gathered) = gather.decide(ms(0), WAIT) else { panic!("short") };
    assert!(!gathered.is_decoded());
    assert_eq!(gathered.assemble().expect("merges").data(), &payload);
}

#[test]
fn f16_is_widened_before_decoding() {
    let value = Value { name: "v".into(), dtype: DType::F32, shape: vec![1, 4], axis: 1 };
    let half = |values: [f32; 2]| {
        let tensor = Tensor::from_f32(vec![1, 2], &values).expect("fits");
        crate::half::narrow(&tensor).expect("fits").data().clone()
    };
    let payloads = [half([1.0, 2.5]), half([-3.0, 0.25]), half([-2.0, 2.75])];
    for lost in 0..3 {
        let code = Code::by_name("sum", 2, 1).expect("a code");
        let gather = divided(value.clone(), Arc::new(Rows(vec![0..2, 2..4])), code, DType::F16);
        let got = whole(gather, &payloads, [lost].into_iter().collect());
        assert_eq!(got, Some(vec![1.0, 2.5, -3.0, 0.25]), "without {lost}");
    }
}

#[test]
fn rosters_hold_no_copy_twice() {
    let code = Code::by_name("replication", 2, 2).expect("a code");
    let value = Value { name: "v".into(), dtype: DType::F32, shape: vec![1, 2], axis: 1 };
    let gather = divided(value, Arc::new(Terms(vec![0..1, 1..2])), code, DType::F32);
    let everybody = DeviceSet::first(4);
    let cases: [(&[u8], &[usize]); 4] =
        [(&[], &[0, 1]), (&[0], &[1, 2]), (&[1], &[0, 3]), (&[0, 1], &[2, 3])];
    for (suspects, wanted) in cases {
        let suspects: DeviceSet = suspects.iter().map(|d| DeviceId(*d)).collect();
        let roster = gather.sharding().roster(everybody, suspects);
        assert_eq!(roster.iter().collect::<Vec<_>>(), wanted, "{suspects:?}");
    }
}

/// A part of a value that is not coded needs the shards that it lies in.
#[test]
fn parts_of_values() {
    let value = Value { name: "v".into(), dtype: DType::F32, shape: vec![2, 6], axis: 1 };
    let all: Vec<f32> = (0..12).map(element).collect();
    let code = Code::by_name("replication", 3, 3).expect("a code");
    let rows = vec![0..2, 2..4, 4..6];
    // The part, and the data shards that it lies in.
    let cases: [(Region, &[usize]); 4] = [
        (vec![0..2, 1..4], &[0, 1]),
        (vec![1..2, 2..4], &[1]),
        (vec![0..1, 3..6], &[1, 2]),
        (vec![0..2, 0..6], &[0, 1, 2]),
    ];
    for (part, needed) in cases {
        for lost in (0..=2).flat_map(|lost| subsets(6, lost)) {
            let whole =
                divided(value.clone(), Arc::new(Rows(rows.clone())), code.clone(), DType::F32);
            let (values, plan) = (whole.values.clone(), whole.plan.clone());
            let (members, none) = (DeviceSet::first(6), DeviceSet::default());
            let need = Need::new(whole.sharding(), &value, vec![part.clone()], &[]);
            let (need, none_asked) = (Arc::new(need), Checks::default());
            let wanted = Some(need.clone());
            let mut gather =
                Gather::of_part(values, plan, ValueId(0), wanted, (members, none), none_asked);
            for shard in (0..6).filter(|shard| !lost.contains(*shard)) {
                let [sent] = need.pieces[shard].as_slice() else { continue };
                let mut payload = Vec::new();
                for row in sent[0].clone() {
                    payload.extend(sent[1].clone().map(|column| all[row * 6 + column]));
                }
                gather.accept(ms(0), shard, f32_bytes(&payload));
            }
            let gone = needed.iter().any(|data| lost.contains(*data) && lost.contains(data + 3));
            let Decision::Gathered(gathered) = gather.decide(ms(0), WAIT) else {
                assert!(gone, "{part:?} is short without {lost}");
                continue;
            };
            assert!(!gone && !gathered.is_decoded(), "{part:?} without {lost}");
            let tensor = gathered.assemble().expect("merges");
            let at = |row: usize| part[1].clone().map(move |column| row * 6 + column);
            let right: Vec<f32> = part[0].clone().flat_map(at).map(|at| all[at]).collect();
            assert_eq!(tensor.to_f32().expect("f32"), right, "{part:?} without {lost}");
            let corner = vec![part[0].start..part[0].start + 1, part[1].end - 1..part[1].end];
            let corner = gathered.part(&corner).assemble().expect("a part of the part");
            assert_eq!(corner.to_f32().expect("f32"), [right[part[1].len() - 1]]);
        }
    }
}

/// A copy has the shape and the place of what it is a copy of, also where
/// shards are unlike in size; parity has those of the largest.
#[test]
fn copies_are_as_large_as_their_originals() {
    let value = Value { name: "v".into(), dtype: DType::F32, shape: vec![1, 6, 5], axis: 1 };
    let rows = || -> Arc<dyn Division> { Arc::new(Rows(vec![0..2, 2..6])) };
    let tiles = |equal| -> Arc<dyn Division> { Arc::new(Tiles::new(vec![vec![2, 3]], equal)) };
    // Code, shards beyond the data, then columns of each shard and its place.
    type Shards = [(&'static [usize], std::ops::Range<usize>)];
    let cases: [(&str, usize, Arc<dyn Division>, &Shards); 4] = [
        ("replication", 2, rows(), &[(&[1, 2, 5], 0..2), (&[1, 4, 5], 2..6)]),
        ("sum", 1, rows(), &[(&[1, 2, 5], 0..2), (&[1, 4, 5], 2..6), (&[1, 4, 5], 0..4)]),
        ("replication", 2, tiles(false), &[(&[1, 6, 2], 0..2), (&[1, 6, 3], 2..5)]),
        ("sum", 1, tiles(true), &[(&[1, 6, 3], 0..3), (&[1, 6, 3], 2..5), (&[1, 6, 3], 0..3)]),
    ];
    for (name, more, division, shards) in cases {
        let code = Code::by_name(name, 2, more).expect("a code");
        let gather = divided(value.clone(), division, code, DType::F32);
        for shard in 0..2 + more {
            let (shape, place) = &shards[shard % shards.len()];
            assert_eq!(gather.sharding().shard_shape(&value, shard), *shape, "{name} {shard}");
            assert_eq!(gather.sharding().place(&value, shard), *place, "{name} {shard}");
        }
    }
}
