//! A graph of large layers is loaded in pieces, and computes what it says.

use std::path::{Path, PathBuf};

use prost::Message;
use quorate_engine::{Engine, Tract};
use quorate_model::tensor::Tensor;
use tract_onnx::pb::tensor_proto::DataLocation;
use tract_onnx::pb::tensor_shape_proto::Dimension;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::type_proto::{Tensor as TensorType, Value as Type};
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
};

/// Rows and columns of a layer's weights, 16 MiB of them.
const SIDE: usize = 2048;
const FEATURES: usize = 8;
/// The rows of the three layers' weights.
const ROWS: [usize; 3] = [FEATURES, SIDE, SIDE];

fn weight(at: usize) -> f32 {
    f32::from((at.wrapping_mul(2_654_435_761) >> 7) as u8) / 4096.0 - 0.031
}

/// Where the weights of a layer begin, in elements.
fn start(layer: usize) -> usize {
    ROWS[..layer].iter().map(|rows| rows * SIDE).sum()
}

fn tensor(layer: usize) -> TensorProto {
    let entry = |key: &str, value: String| StringStringEntryProto { key: key.into(), value };
    TensorProto {
        name: format!("w{layer}"),
        dims: vec![ROWS[layer] as i64, SIDE as i64],
        data_type: 1,
        data_location: Some(DataLocation::External as i32),
        external_data: vec![
            entry("location", "weights.bin".into()),
            entry("offset", (4 * start(layer)).to_string()),
            entry("length", (4 * ROWS[layer] * SIDE).to_string()),
        ],
        ..Default::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        name: output.into(),
        op_type: op.into(),
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        ..Default::default()
    }
}

fn info(name: &str, length: usize) -> ValueInfoProto {
    let dim = |n: usize| Dimension { value: Some(Dim::DimValue(n as i64)), ..Default::default() };
    let shape = Some(TensorShapeProto { dim: vec![dim(1), dim(length)] });
    let value = Some(Type::TensorType(TensorType { elem_type: 1, shape }));
    let of = TypeProto { value, ..Default::default() };
    ValueInfoProto { name: name.into(), r#type: Some(of), ..Default::default() }
}

/// Three layers, with a value that goes past two of them, and one that is an
/// output although the model goes on with it.
fn model(folder: &Path) -> PathBuf {
    let graph = GraphProto {
        name: "layers".into(),
        initializer: (0..3).map(tensor).collect(),
        node: vec![
            node("MatMul", &["x", "w0"], "a"),
            node("Relu", &["a"], "b"),
            node("MatMul", &["b", "w1"], "c"),
            node("Tanh", &["c"], "d"),
            node("MatMul", &["d", "w2"], "e"),
            node("Add", &["e", "b"], "y"),
        ],
        input: vec![info("x", FEATURES)],
        output: vec![info("y", SIDE), info("c", SIDE)],
        value_info: ["a", "b", "d", "e"].map(|name| info(name, SIDE)).into(),
        ..Default::default()
    };
    let opset_import = vec![OperatorSetIdProto { version: 17, ..Default::default() }];
    let model =
        ModelProto { ir_version: 8, graph: Some(graph), opset_import, ..Default::default() };
    let weights: Vec<u8> =
        (0..start(2) + SIDE * SIDE).flat_map(|at| weight(at).to_le_bytes()).collect();
    std::fs::write(folder.join("weights.bin"), weights).unwrap();
    let path = folder.join("layers.onnx");
    std::fs::write(&path, model.encode_to_vec()).unwrap();
    path
}

/// `x` through a layer, in f64.
fn through(layer: usize, x: &[f64]) -> Vec<f64> {
    let mut sums = vec![0.0; SIDE];
    for (row, x) in x.iter().enumerate() {
        let first = start(layer) + row * SIDE;
        sums.iter_mut().zip(first..).for_each(|(sum, at)| *sum += x * f64::from(weight(at)));
    }
    sums
}

#[test]
fn large_layers_compute_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let mut task = Tract::default().load(&model(folder.path())).unwrap();
    let x: Vec<f32> = (0..FEATURES).map(|i| i as f32 / 8.0 - 0.3).collect();
    let answer = task.run(&[Tensor::from_f32(vec![1, FEATURES], &x).unwrap()]).unwrap();

    let x: Vec<f64> = x.into_iter().map(f64::from).collect();
    let b: Vec<f64> = through(0, &x).into_iter().map(|v| v.max(0.0)).collect();
    let c = through(1, &b);
    let d: Vec<f64> = c.iter().map(|v| v.tanh()).collect();
    let y: Vec<f64> = through(2, &d).iter().zip(&b).map(|(e, b)| e + b).collect();
    assert_eq!(answer.len(), 2);
    for (got, expected) in answer.iter().zip([y, c]) {
        let largest = expected.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        for (got, expected) in got.to_f32().unwrap().iter().zip(expected) {
            assert!((f64::from(*got) - expected).abs() <= 1e-5 * largest, "{got} for {expected}");
        }
    }
}
