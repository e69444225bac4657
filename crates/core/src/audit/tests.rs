use super::*;
use crate::fixture::{H, LENET, edited, f32_bytes, plans};
use crate::plan::Plans;
use crate::planner::{self, PlanRequest};
use quorate_model::model::{Limits, Model};
use quorate_model::stage::Staged;

/// The three shards of `h` in the fixture: two of data, and their sum.
fn shards(changed: Option<(usize, usize, f32)>) -> Vec<Option<Bytes>> {
    let mut shards = [vec![1.0f32, -2.0, 3.0], vec![0.25, 0.5, -4.0], vec![1.25, -1.5, -1.0]];
    if let Some((shard, row, value)) = changed {
        shards[shard][row] = value;
    }
    shards.map(|shard| Some(f32_bytes(&shard))).into()
}

fn audit(plans: &Plans, shards: Vec<Option<Bytes>>) -> Audit {
    Audit::new(plans.values().clone(), plans.main().clone(), H, shards)
}

#[test]
fn what_does_not_fit_together_is_found() {
    let plans = plans();
    let find = |changed| audit(&plans, shards(changed)).find(1e-6);
    assert_eq!(find(None), Finding::Clean);
    let apart = audit(&plans, shards(None)).discrepancy();
    assert!(apart.is_some_and(|apart| apart < 1e-15), "{apart:?}");
    let all = ShardSet::first(3);
    for shard in 0..3 {
        for (value, finding) in [
            (1e-5f32, Finding::Clean),
            (1e-2, Finding::Corrupt(all)),
            (1e30, Finding::Corrupt(all)),
            (f32::NAN, Finding::Corrupt([shard].into_iter().collect())),
        ] {
            let row = 1;
            let right = [-2.0, 0.5, -1.5][shard];
            assert_eq!(find(Some((shard, row, right + value))), finding, "{shard}, {value:e}");
        }
    }
    let mut two = shards(None);
    two[0] = None;
    assert_eq!(audit(&plans, two).find(1e-6), Finding::Unchecked);
    let mut nothing = shards(Some((0, 0, f32::INFINITY)));
    nothing[1] = Some(f32_bytes(&[f32::NAN; 3]));
    assert_eq!(audit(&plans, nothing).find(1e-6), Finding::Unchecked, "the model's own");
}

#[test]
fn what_travels_narrow_may_be_off_by_what_rounding_does() {
    let plans =
        Plans::parse(&edited("value = \"h\"\n", "value = \"h\"\nwire = \"f16\"\n")).unwrap();
    let half = |values: [u16; 3]| {
        Some(values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>().into())
    };
    // 1, -2, 3 and 0.25, 0.5, -4.
    let data = [half([0x3c00, 0xc000, 0x4200]), half([0x3400, 0x3800, 0xc400])];
    let all = ShardSet::first(3);
    // Their sum is 1.25, -1.5, -1; bits are 1/1024 of 1.
    for (sum, usual, finding) in [
        ([0x3d00, 0xbe00, 0xbc00], 1e-6, Finding::Clean),
        // Half a bit each is rounding of 1.25, 1 and 0.25 together.
        ([0x3d01, 0xbe00, 0xbc00], 1e-6, Finding::Clean),
        ([0x3d02, 0xbe00, 0xbc00], 1e-6, Finding::Corrupt(all)),
        // Of 3, -4 and -1 four bits of 1 are.
        ([0x3d00, 0xbe00, 0xbc04], 1e-6, Finding::Clean),
        ([0x3d00, 0xbe00, 0xbc05], 1e-6, Finding::Corrupt(all)),
        // Where readers decode from different shards, more is usual.
        ([0x3d02, 0xbe00, 0xbc05], 1e-4, Finding::Clean),
    ] {
        let shards = [data.to_vec(), vec![half(sum)]].concat();
        assert_eq!(audit(&plans, shards).find(usual), finding, "{sum:x?}");
    }
    let apart = |sum| audit(&plans, [data.to_vec(), vec![half(sum)]].concat()).discrepancy();
    assert_eq!(apart([0x3d01, 0xbe00, 0xbc04]), Some(0.0), "all of it is rounding");
    assert!(apart([0x3d02, 0xbe00, 0xbc00]).is_some_and(|apart| apart > 1e-5 && apart < 1e-3));
}

#[test]
fn two_spares_name_the_device_however_little_is_wrong() {
    let model = Model::read(LENET.into(), &Limits::default()).expect("a model");
    let staged = Staged::new(model).expect("stages");
    let request = PlanRequest::local("lenet5.onnx", &"ab".repeat(32), 4, 2).expect("devices");
    let plans = planner::even(&staged, &request).expect("planned");
    let value = plans.main().stages()[0].value;
    let sharding = plans.main().sharding(value).expect("a stage's");
    let number = |at: usize| ((at * 37 % 101) as f32 - 50.0) / 50.0;
    let elements = |shard| sharding.shard_shape(&plans.values()[value.index()], shard);
    let mut shards: Vec<Vec<f32>> =
        (0..6).map(|shard| vec![0.0; elements(shard).iter().product()]).collect();
    for (shard, values) in shards[..4].iter_mut().enumerate() {
        values.iter_mut().enumerate().for_each(|(at, value)| *value = number(at * 4 + shard));
    }
    let (data, parity) = shards.split_at_mut(4);
    let data: Vec<&[f32]> = data.iter().map(Vec::as_slice).collect();
    let mut parity: Vec<&mut [f32]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
    sharding.code.encode_f32(&data, &mut parity, 1).expect("as long");
    let find = |shards: &[Vec<f32>]| {
        let shards = shards.iter().map(|shard| Some(f32_bytes(shard))).collect();
        Audit::new(plans.values().clone(), plans.main().clone(), value, shards).find(1e-6)
    };
    assert_eq!(find(&shards), Finding::Clean);
    let mut found = [0; 6];
    for step in 0..60 {
        let wrong = 1e-6 * 1.25f32.powi(step);
        for (shard, found) in found.iter_mut().enumerate() {
            let mut shards = shards.clone();
            shards[shard][7] += wrong;
            match find(&shards) {
                Finding::Corrupt(suspects) => {
                    *found += 1;
                    assert_eq!(suspects, [shard].into_iter().collect(), "{shard}, {wrong:e}");
                }
                finding => assert_eq!((finding, *found), (Finding::Clean, 0), "{shard}, {wrong:e}"),
            }
        }
    }
    assert!(found.iter().all(|found| *found > 30), "{found:?}");
}

/// Three devices, each with a shard of `h` and the copy of another's.
fn copies() -> Plans {
    let text = edited(
        "rows = [3, 3]\ncode = \"sum\"\ndata = [\"a\", \"b\"]\nparity = [\"c\"]",
        "rows = [2, 2, 2]\ncode = \"replication\"\ndata = [\"a\", \"b\", \"c\"]\nreplicas = [\"b\", \"c\", \"a\"]",
    );
    Plans::parse(&text).expect("reads")
}

#[test]
fn of_copies_only_those_are_checked_that_there_are_two_of() {
    let plans = copies();
    let set = |shards: &[usize]| shards.iter().copied().collect::<ShardSet>();
    // Shards that are here, those that are wrong, and what is found.
    let cases: [(&[usize], &[usize], Finding); 8] = [
        (&[0, 1, 2, 3, 4, 5], &[], Finding::Clean),
        (&[0, 1, 3, 5], &[], Finding::Unchecked),
        (&[0, 1, 3, 5], &[1], Finding::Unchecked),
        // Either of the two that make it, whatever else they make; or the one
        // without whom nothing can be told.
        (&[0, 1, 2, 3, 4, 5], &[0], Finding::Corrupt(set(&[0, 5, 1, 3]))),
        (&[0, 1, 2, 3, 4], &[0], Finding::Corrupt(set(&[0, 1, 2, 3, 4]))),
        (&[0, 1, 2, 3, 4, 5], &[4], Finding::Corrupt(set(&[1, 3, 2, 4]))),
        // Both that one device makes.
        (&[0, 1, 2, 3, 4, 5], &[1, 3], Finding::Corrupt(set(&[1, 3]))),
        (&[0, 1, 3], &[0], Finding::Unchecked),
    ];
    for (here, wrong, finding) in cases {
        let shard = |i: usize| {
            let value = (i % 3) as f32 + if wrong.contains(&i) { 0.5 } else { 0.0 };
            here.contains(&i).then(|| f32_bytes(&[value, 1.0]))
        };
        let audit = audit(&plans, (0..6).map(shard).collect());
        assert_eq!(audit.find(1e-6), finding, "{here:?}, {wrong:?} wrong");
    }
}
