//! What tract's optimisation of a whole graph must not change: nodes together
//! give what they give one by one.

use prost::Message;
use quorate_engine::{Engine, Tract};
use quorate_model::model::{Limits, Model, to_onnx};
use quorate_model::onnx::{GraphProto, NodeProto, inline_tensor, int_attribute, model, value_info};
use quorate_model::tensor::{DType, Tensor};

/// Numbers that are not 0.
fn numbers(shape: &[usize], step: usize) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| ((i * step) % 17) as f32 / 8.0 - 1.03).collect();
    Tensor::from_f32(shape.to_vec(), &values).unwrap()
}

fn node(op: &str, inputs: &[&str], output: &str, groups: usize) -> NodeProto {
    let attribute = if op == "Conv" { vec![int_attribute("group", groups as i64)] } else { vec![] };
    NodeProto {
        name: Some(format!("n_{output}")),
        op_type: Some(op.to_owned()),
        input: inputs.iter().map(|i| (*i).to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute,
        ..NodeProto::default()
    }
}

/// What `nodes` make of `inputs`; types of all f32 values are in the file.
fn run(
    nodes: &[NodeProto],
    inputs: &[(&str, Tensor)],
    constants: &[(&str, Tensor)],
    output: (&str, &[usize]),
    between: &[(&str, &[usize])],
) -> Vec<f32> {
    let info = |(name, shape): &(&str, &[usize])| value_info(name, DType::F32, shape);
    let graph = GraphProto {
        name: Some("passes".to_owned()),
        node: nodes.to_vec(),
        input: inputs.iter().map(|(name, t)| value_info(name, DType::F32, t.shape())).collect(),
        initializer: constants
            .iter()
            .map(|(name, t)| inline_tensor(name, t.dtype(), t.shape(), t.data().clone()))
            .collect(),
        output: vec![info(&output)],
        value_info: between.iter().map(info).collect(),
        ..GraphProto::default()
    };
    let bytes = model(graph, 17).encode_to_vec();
    let inputs: Vec<Tensor> = inputs.iter().map(|(_, tensor)| tensor.clone()).collect();
    let made = Tract::default().load_bytes("passes", &bytes).unwrap().run(&inputs).unwrap();
    made[0].to_f32().unwrap()
}

/// A number a channel, constant or computed, on either side of a convolution.
#[test]
fn what_is_done_to_a_convolution_by_channels() {
    const SHAPE: &[usize] = &[1, 4, 5, 5];
    let (x, w) = (numbers(&[1, 4, 7, 7], 5), |groups: usize| numbers(&[4, 4 / groups, 3, 3], 7));
    let (c, bias) = (numbers(&[1, 4, 1, 1], 3), numbers(&[4], 11));
    for groups in [1, 4] {
        let constants = [("w", w(groups)), ("b", bias.clone())];
        let conv = node("Conv", &["x", "w", "b"], "k", groups);
        let alone =
            run(std::slice::from_ref(&conv), &[("x", x.clone())], &constants, ("k", SHAPE), &[]);
        let channels = c.to_f32().unwrap();
        for op in ["Add", "Sub", "Mul", "Div"] {
            for conv_first in [true, false] {
                let sides = if conv_first { ["k", "c"] } else { ["c", "k"] };
                let both = [conv.clone(), node(op, &sides, "y", 1)];
                let wanted = alone.iter().enumerate().map(|(at, &k)| {
                    let c = channels[at / 25];
                    let (a, b) = if conv_first { (k, c) } else { (c, k) };
                    match op {
                        "Add" => a + b,
                        "Sub" => a - b,
                        "Mul" => a * b,
                        _ => a / b,
                    }
                });
                let wanted: Vec<f32> = wanted.collect();
                for constant in [true, false] {
                    let (mut inputs, mut known) = (vec![("x", x.clone())], constants.to_vec());
                    let list = if constant { &mut known } else { &mut inputs };
                    list.push(("c", c.clone()));
                    let got = run(&both, &inputs, &known, ("y", SHAPE), &[("k", SHAPE)]);
                    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-5 * b.abs().max(1.0);
                    let good = got.iter().zip(&wanted).all(near);
                    let case = format!("{groups} groups, {sides:?} by {op}, constant: {constant}");
                    assert!(good, "{case}: {:?} is not {:?}", &got[..3], &wanted[..3]);
                }
            }
        }
    }
}

/// Several strided slices of what one convolution makes.
#[test]
fn slices_of_one_convolution() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/slices.onnx"));
    let mut task = Tract::default().load_bytes("slices", &bytes.unwrap()).unwrap();
    let input = numbers(&task.inputs()[0].shape, 5);
    let made = task.run(&[input]).unwrap();
    assert!(made.iter().all(|tensor| tensor.to_numbers().iter().all(|v| v.is_finite())));
}

/// Outputs that need no computing: a constant, and an input.
#[test]
fn outputs_that_no_node_makes() {
    let constant = numbers(&[3], 2);
    let tensor = inline_tensor("k", constant.dtype(), constant.shape(), constant.data().clone());
    let graph = GraphProto {
        name: Some("passes".to_owned()),
        node: vec![node("Relu", &["x"], "y", 1)],
        input: vec![value_info("x", DType::F32, &[2])],
        initializer: vec![tensor],
        output: ["y", "k", "x"].map(|name| value_info(name, DType::F32, &[2])).to_vec(),
        ..GraphProto::default()
    };
    let read = Model::read(model(graph, 17).encode_to_vec().into(), &Limits::default()).unwrap();
    let bytes = to_onnx(&read, &[]).unwrap();
    let x = Tensor::from_f32(vec![2], &[-1.0, 2.0]).unwrap();
    let made = Tract::default()
        .load_bytes("passes", &bytes)
        .unwrap()
        .run(std::slice::from_ref(&x))
        .unwrap();
    assert_eq!(made, [Tensor::from_f32(vec![2], &[0.0, 2.0]).unwrap(), constant, x]);
}

/// A graph of so many nodes is loaded in pieces; a value of the first is read by
/// the last.
#[test]
fn a_long_chain_in_pieces() {
    const LENGTH: usize = 2500;
    const SHAPE: &[usize] = &[1, 6];
    let (x, w) = (numbers(SHAPE, 5), numbers(SHAPE, 3));
    let names: Vec<String> = (0..LENGTH).map(|at| format!("v{at}")).collect();
    let mut nodes = vec![node("Add", &["x", "w"], "v0", 1)];
    for at in 1..LENGTH {
        let before = names[at - 1].as_str();
        nodes.push(match at % 2 {
            1 => node("Relu", &[before], &names[at], 1),
            _ => node("Sub", &[before, "w"], &names[at], 1),
        });
    }
    nodes.push(node("Add", &[names[LENGTH - 1].as_str(), "v0"], "y", 1));
    let between: Vec<(&str, &[usize])> = names.iter().map(|name| (name.as_str(), SHAPE)).collect();
    let got = run(&nodes, &[("x", x.clone())], &[("w", w.clone())], ("y", SHAPE), &between);
    let pairs = x.to_f32().unwrap().into_iter().zip(w.to_f32().unwrap());
    let wanted = pairs.map(|(x, w)| {
        let first = x + w;
        let step = |v: f32, at: usize| if at % 2 == 1 { v.max(0.0) } else { v - w };
        (1..LENGTH).fold(first, step) + first
    });
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() <= 1e-4 * wanted.abs().max(1.0), "{got} {wanted}");
    }
}
