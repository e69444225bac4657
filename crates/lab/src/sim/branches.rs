//! A small model whose graph branches and joins, with three outputs, one of
//! them glue on a value that layers read too.
//!
//! ```text
//! x -> conv a -> relu --+-> add -> conv c -> relu -> concat -> gemm p -> softmax -> y
//!   -> conv b ----------+   relu(a) ----------------^
//!                           b -> flatten -> gemm q -> z
//!                           b -> relu -> w
//! ```

use bytes::Bytes;
use prost::Message;
use quorate_model::onnx::{
    self, AttributeProto, GraphProto, NodeProto, TensorProto, inline_tensor, int_attribute,
    ints_attribute, value_info,
};
use quorate_model::tensor::{DType, Tensor};

use super::random::SplitMix;

/// The model's file.
pub fn onnx() -> Bytes {
    let mut random = SplitMix::new(7);
    let pads = || ints_attribute("pads", &[1, 1, 1, 1]);
    let rows_first = || int_attribute("transB", 1);
    let node = vec![
        op("Conv", "a", &["x", "wa", "ba"], &[pads()]),
        op("Relu", "ra", &["a"], &[]),
        op("Conv", "b", &["x", "wb", "bb"], &[]),
        op("Add", "joined", &["ra", "b"], &[]),
        op("Conv", "c", &["joined", "wc", "bc"], &[pads()]),
        op("Relu", "rc", &["c"], &[]),
        op("Concat", "both", &["rc", "ra"], &[int_attribute("axis", 1)]),
        op("Flatten", "flat", &["both"], &[int_attribute("axis", 1)]),
        op("Gemm", "p", &["flat", "wp", "bp"], &[rows_first()]),
        op("Softmax", "y", &["p"], &[int_attribute("axis", 1)]),
        op("Flatten", "flat_b", &["b"], &[int_attribute("axis", 1)]),
        op("Relu", "w", &["b"], &[]),
        op("Gemm", "z", &["flat_b", "wq", "bq"], &[rows_first()]),
    ];
    let shapes: [(&str, &[usize]); 10] = [
        ("wa", &[8, 3, 3, 3]),
        ("ba", &[8]),
        ("wb", &[8, 3, 1, 1]),
        ("bb", &[8]),
        ("wc", &[12, 8, 3, 3]),
        ("bc", &[12]),
        ("wp", &[10, 20 * 36]),
        ("bp", &[10]),
        ("wq", &[7, 8 * 36]),
        ("bq", &[7]),
    ];
    let initializer = shapes.iter().map(|(name, shape)| weights(name, shape, &mut random));
    let graph = GraphProto {
        name: Some("branches".to_owned()),
        node,
        initializer: initializer.collect(),
        input: vec![value_info("x", DType::F32, &[1, 3, 6, 6])],
        output: vec![
            value_info("y", DType::F32, &[1, 10]),
            value_info("z", DType::F32, &[1, 7]),
            value_info("w", DType::F32, &[1, 8, 6, 6]),
        ],
        ..Default::default()
    };
    onnx::model(graph, 17).encode_to_vec().into()
}

fn op(kind: &str, output: &str, inputs: &[&str], attributes: &[AttributeProto]) -> NodeProto {
    NodeProto {
        name: Some(format!("{}-{output}", kind.to_lowercase())),
        op_type: Some(kind.to_owned()),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute: attributes.to_vec(),
        ..Default::default()
    }
}

/// Weights that keep values near 1 from layer to layer.
fn weights(name: &str, shape: &[usize], random: &mut SplitMix) -> TensorProto {
    let inner: usize = shape[1..].iter().product();
    let scale = (3.0 / inner as f32).sqrt();
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| random.weight() * scale).collect();
    let tensor = Tensor::from_f32(shape.to_vec(), &values).expect("as many as the shape says");
    inline_tensor(name, DType::F32, shape, tensor.data().clone())
}
