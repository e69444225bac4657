use quorate_code::Code;

use super::*;
use crate::fixture::{A, B, H, devices, f32_bytes, ms, plans};
use crate::id::{DeviceId, PlanId, SeatId, StageId};
use crate::plan::Stage;
use quorate_model::method::Method;

const WAIT: Duration = Duration::from_millis(5);

fn fixture(suspects: &[DeviceId]) -> Gather {
    let plans = plans();
    let everybody = plans.everybody();
    Gather::new(plans.values.clone(), plans.main().clone(), H, everybody, devices(suspects))
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
    let value = Value { name: "v".to_owned(), dtype, shape: shape.to_vec(), axis };
    let mut start = 0;
    let rows = rows.iter().map(|n| {
        start += n;
        start - n..start
    });
    let rows: Vec<_> = rows.collect();
    let seats = (0..code.shards() as u8).map(SeatId).collect();
    let members = DeviceSet::first(code.shards());
    let sharding = Sharding::new(code, rows, seats, Some(StageId(0)));
    let stage = Stage {
        layer: "l".to_owned(),
        method: Method::Channel,
        reads: Vec::new(),
        value: ValueId(0),
    };
    let plan = Plan {
        id: PlanId(1),
        name: "p".to_owned(),
        seats: members.len(),
        stages: vec![stage],
        result: vec![ValueId(0)],
        shardings: vec![Some(sharding)],
        readers: vec![Vec::new()],
    };
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
    let data = |shard: usize, o: usize, row: usize, i: usize| {
        let rows = &sharding.rows[shard];
        if row < rows.len() { at(o, rows.start + row, i) } else { 0.0 }
    };
    (0..sharding.code.shards())
        .map(|shard| {
            let mut out = Vec::new();
            for o in 0..outer {
                for row in 0..sharding.shard_rows(shard).len() {
                    for i in 0..inner {
                        out.push(match shard.checked_sub(sharding.rows.len()) {
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
            let tensor = gathered.tensor().expect("merges");
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
        let tensor = gathered.tensor().expect("merges");
        assert_eq!((tensor.dtype(), tensor.data().to_vec()), (dtype, bytes(0..6 * size)));
    }
    let mut gather = sharded(DType::I32, &[2, 2], 0, &[1, 1], 1);
    gather.accept(ms(0), 0, f32_bytes(&[0.0; 2]));
    gather.accept(ms(0), 2, f32_bytes(&[0.0; 2]));
    let Decision::Gathered(gathered) = gather.decide(ms(9), WAIT) else { panic!("short") };
    let error = gathered.tensor().unwrap_err();
    assert_eq!(error.to_string(), "value v of i32 cannot be decoded, only f32 can");
}
