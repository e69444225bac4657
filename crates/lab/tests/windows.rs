//! Convolutions of every stride, padding, dilation and number of dimensions,
//! divided by each method: with every tolerated loss the answer is that of the
//! whole model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use quorate::bundle;
use quorate_code::{Patterns, ShardSet};
use quorate_core::gather::{Decision, Gather, Gathered};
use quorate_core::id::{DeviceSet, StageId, ValueId};
use quorate_core::plan::Plans;
use quorate_core::planner::{self, MethodRequest, PlanRequest};
use quorate_core::time::Time;
use quorate_engine::{Engine, Tract};
use quorate_lab::sim::random::SplitMix;
use quorate_model::division::method::Method;
use quorate_model::model::{Limits, Model};
use quorate_model::onnx::{
    self, AttributeProto, GraphProto, NodeProto, attribute_proto::AttributeType, inline_tensor,
    int_attribute, ints_attribute, value_info,
};
use quorate_model::stage::Staged;
use quorate_model::tensor::{DType, Tensor};

/// A convolution: input shape, weights, and how it slides.
struct Case {
    input: &'static [usize],
    weight: &'static [usize],
    attributes: Vec<AttributeProto>,
    opset: i64,
}

fn case(
    input: &'static [usize],
    weight: &'static [usize],
    attributes: Vec<AttributeProto>,
    opset: i64,
) -> Case {
    Case { input, weight, attributes, opset }
}

fn cases() -> Vec<Case> {
    let (pads, strides, dilations) = (
        |v: &[i64]| ints_attribute("pads", v),
        |v: &[i64]| ints_attribute("strides", v),
        |v: &[i64]| ints_attribute("dilations", v),
    );
    let auto = |mode: &str| AttributeProto {
        name: Some("auto_pad".to_owned()),
        s: Some(Bytes::copy_from_slice(mode.as_bytes())),
        r#type: Some(AttributeType::String as i32),
        ..Default::default()
    };
    vec![
        case(&[1, 3, 11, 9], &[5, 3, 3, 3], vec![], 17),
        case(&[1, 3, 11, 9], &[5, 3, 3, 3], vec![pads(&[1, 1, 1, 1])], 17),
        case(&[2, 3, 11, 9], &[5, 3, 5, 3], vec![pads(&[3, 0, 1, 2]), strides(&[2, 1])], 17),
        case(&[1, 2, 14, 14], &[4, 2, 3, 3], vec![dilations(&[2, 3]), pads(&[2, 3, 2, 3])], 13),
        case(&[1, 2, 15, 8], &[4, 2, 2, 2], vec![strides(&[3, 2]), dilations(&[3, 1])], 11),
        case(&[1, 3, 10, 7], &[4, 3, 3, 2], vec![auto("SAME_UPPER"), strides(&[2, 2])], 17),
        case(&[1, 3, 10, 7], &[4, 3, 4, 2], vec![auto("SAME_LOWER")], 17),
        case(&[1, 3, 10, 7], &[4, 3, 4, 2], vec![auto("VALID"), strides(&[1, 3])], 9),
        case(&[1, 3, 8, 8], &[4, 3, 3, 3], vec![pads(&[1, 1, 1, 1]), int_attribute("group", 1)], 9),
        case(&[1, 4, 30], &[6, 4, 5], vec![pads(&[2, 2]), strides(&[2])], 17),
        case(&[1, 2, 6, 7, 8], &[4, 2, 3, 3, 3], vec![pads(&[1, 1, 1, 1, 1, 1])], 17),
        case(
            &[1, 2, 6, 7, 8],
            &[4, 2, 2, 3, 1],
            vec![strides(&[2, 1, 3]), pads(&[1, 0, 0, 0, 2, 0])],
            12,
        ),
    ]
}

fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut random = SplitMix::new(seed);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.weight()).collect();
    Tensor::from_f32(shape.to_vec(), &values).unwrap()
}

fn onnx(case: &Case) -> Bytes {
    let rows = case.weight[0];
    let tensor = |name: &str, shape: &[usize], seed| {
        inline_tensor(name, DType::F32, shape, random(shape, seed).data().clone())
    };
    let node = NodeProto {
        name: Some("conv".to_owned()),
        op_type: Some("Conv".to_owned()),
        input: ["x", "w", "b"].map(str::to_owned).to_vec(),
        output: vec!["y".to_owned()],
        attribute: case.attributes.clone(),
        ..Default::default()
    };
    let graph = GraphProto {
        name: Some("conv".to_owned()),
        node: vec![node],
        initializer: vec![tensor("w", case.weight, 1), tensor("b", &[rows], 2)],
        input: vec![value_info("x", DType::F32, case.input)],
        output: vec![quorate_model::onnx::ValueInfoProto {
            name: Some("y".to_owned()),
            ..Default::default()
        }],
        ..Default::default()
    };
    onnx::model(graph, case.opset).encode_to_vec().into()
}

fn plans(staged: &Staged, method: Method, data: usize, spares: usize) -> Plans {
    let mut request = PlanRequest::local("conv.onnx", &"0".repeat(64), data, spares).unwrap();
    request.fewest_devices = data + spares;
    request.methods = vec![MethodRequest { layer: None, method }];
    let plans = planner::even(staged, &request).expect("planned");
    Plans::parse(&plans.to_toml()).expect("reads back")
}

/// The payload of every shard, each by its packed task.
fn shards(staged: &Staged, plans: &Plans, x: &Tensor) -> Vec<Bytes> {
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("bundle");
    bundle::write(staged, &"0".repeat(64), plans, &packed, &mut |_| ()).unwrap();
    let plan = plans.main();
    let seats = plan.stage_sharding(StageId(0)).seats.iter().enumerate();
    let run = |(shard, seat): (usize, &quorate_core::id::SeatId)| {
        let path = packed.join(&plans.cluster().devices()[seat.index()].name);
        let path = path.join(plan.task_stem(StageId(0), shard) + ".onnx");
        let mut task = Tract::default().load(&path).unwrap();
        let whole =
            Gathered::of_tensor(plans.values().clone(), plan.clone(), ValueId(0), x.clone());
        let x = match plan.part_read(StageId(0), shard, ValueId(0)) {
            Some(part) => Arc::new(whole).part(part).assemble().unwrap(),
            None => x.clone(),
        };
        task.run(&[x]).unwrap()[0].data().clone()
    };
    seats.map(run).collect()
}

fn gathered(plans: &Plans, shards: &[Bytes], lost: ShardSet) -> Arc<Gathered> {
    let (everybody, none) = (plans.everybody(), DeviceSet::default());
    let (values, plan) = (plans.values().clone(), plans.main().clone());
    let mut gather = Gather::new(values, plan, ValueId(1), everybody, none);
    for (shard, payload) in shards.iter().enumerate().filter(|(s, _)| !lost.contains(*s)) {
        gather.accept(Time(0), shard, payload.clone());
    }
    match gather.decide(Time(0), Duration::ZERO) {
        Decision::Gathered(gathered) => gathered,
        other => panic!("without {lost}: {other:?}"),
    }
}

#[test]
fn every_window_by_every_method() {
    let mut worst: BTreeMap<String, f32> = BTreeMap::new();
    for (number, case) in cases().iter().enumerate() {
        let bytes = onnx(case);
        let x = random(case.input, 3);
        let whole = Tract::default()
            .load_bytes("conv", &bytes)
            .unwrap()
            .run(std::slice::from_ref(&x))
            .unwrap();
        let whole = whole[0].to_f32().unwrap();
        let largest = whole.iter().fold(0f32, |m, v| m.max(v.abs()));
        let staged = Staged::new(Model::read(bytes, &Limits::default()).unwrap()).unwrap();
        for method in [Method::Channel, Method::Spatial, Method::Filter, Method::Whole] {
            for (data, spares) in [(1, 0), (3, 0), (2, 1), (4, 1), (6, 1), (4, 2)] {
                let plans = plans(&staged, method, data, spares);
                let shards = shards(&staged, &plans, &x);
                let code = &plans.main().stage_sharding(StageId(0)).code;
                let patterns = (0..=code.tolerance()).flat_map(|n| Patterns::new(shards.len(), n));
                for lost in patterns {
                    let got = gathered(&plans, &shards, lost).assemble().expect("merges");
                    let got = got.to_f32().unwrap();
                    assert_eq!(got.len(), whole.len());
                    let apart = got.iter().zip(&whole).map(|(a, b)| (a - b).abs());
                    let apart = apart.fold(0f32, f32::max) / largest;
                    assert!(
                        apart < 2e-5,
                        "case {number} by {method} {data}+{spares} without {lost}: {apart:e}"
                    );
                    let entry = worst.entry(format!("{method} {data}+{spares}")).or_default();
                    *entry = entry.max(apart);
                }
            }
        }
    }
    println!("{worst:?}");
}
