//! Convolutions that step over what their window does not cover.
//!
//! tract takes the steps of a window of length 1, or one whose weights are as far
//! apart as it steps, out of the convolution and moves them towards the input,
//! past nodes before it: past a Reshape it fails, and past some others what comes
//! out is wrong. So entries are picked before it gets there.

use std::collections::BTreeMap;

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::type_proto::Value as Type;
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto};

/// Picks the entries that such convolutions step on, where nodes before them
/// make their input and its length is known.
pub(super) fn pick_entries(graph: &mut GraphProto) {
    let made: Vec<String> = graph.node.iter().flat_map(|node| node.output.clone()).collect();
    let weights: BTreeMap<String, Vec<i64>> =
        graph.initializer.iter().map(|t| (t.name.clone(), t.dims.clone())).collect();
    let shapes: BTreeMap<String, Vec<i64>> = graph.value_info.iter().filter_map(shape).collect();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for mut node in std::mem::take(&mut graph.node) {
        let x = node.input.first().cloned().unwrap_or_default();
        if node.op_type == "Conv"
            && made.contains(&x)
            && let (Some(shape), Some(w)) =
                (shapes.get(&x), node.input.get(1).and_then(|w| weights.get(w)))
        {
            let picked = picks(&mut node, shape, w, &mut graph.initializer);
            nodes.extend(picked);
        }
        nodes.push(node);
    }
    graph.node = nodes;
}

/// Name and shape of a value whose dimensions are all known.
fn shape(info: &ValueInfoProto) -> Option<(String, Vec<i64>)> {
    let Some(Type::TensorType(tensor)) = info.r#type.as_ref()?.value.as_ref() else { return None };
    let length = |dim: &tract_onnx::pb::tensor_shape_proto::Dimension| match dim.value {
        Some(Dim::DimValue(length)) if length > 0 => Some(length),
        _ => None,
    };
    let shape = tensor.shape.as_ref()?.dim.iter().map(length).collect::<Option<_>>()?;
    Some((info.name.clone(), shape))
}

/// Nodes that pick what `conv` steps on, which no longer steps there.
fn picks(
    conv: &mut NodeProto,
    shape: &[i64],
    weights: &[i64],
    constants: &mut Vec<TensorProto>,
) -> Vec<NodeProto> {
    let list = |conv: &NodeProto, name: &str| {
        let found = conv.attribute.iter().find(|a| a.name == name);
        found.map(|a| a.ints.clone()).unwrap_or_default()
    };
    let (strides, pads) = (list(conv, "strides"), list(conv, "pads"));
    let dilations = list(conv, "dilations");
    let apart = |d: usize| dilations.get(d).copied().unwrap_or(1);
    let explicit = conv.attribute.iter().all(|a| a.name != "auto_pad" || a.s == b"NOTSET");
    let dims = weights.len().saturating_sub(2);
    if !explicit || strides.len() != dims || shape.len() != weights.len() {
        return Vec::new();
    }
    let padded = |d: usize| {
        pads.get(d).is_some_and(|&p| p != 0) || pads.get(d + dims).is_some_and(|&p| p != 0)
    };
    let over = |d: usize| weights[2 + d] == 1 || apart(d) % strides[d] == 0;
    let steps: Vec<usize> =
        (0..dims).filter(|&d| strides[d] > 1 && over(d) && !padded(d)).collect();
    let mut nodes = Vec::new();
    for &d in &steps {
        let indices: Vec<i64> = (0..shape[2 + d]).step_by(strides[d] as usize).collect();
        let name = format!("{}/stepped_{d}", conv.output[0]);
        let constant = format!("{name}_entries");
        constants.push(TensorProto {
            name: constant.clone(),
            data_type: DataType::Int64 as i32,
            dims: vec![indices.len() as i64],
            raw_data: indices.iter().flat_map(|i| i.to_le_bytes()).collect(),
            ..Default::default()
        });
        nodes.push(NodeProto {
            name: name.clone(),
            op_type: "Gather".to_owned(),
            input: vec![conv.input[0].clone(), constant],
            output: vec![name.clone()],
            attribute: vec![AttributeProto {
                name: "axis".to_owned(),
                r#type: AttributeType::Int as i32,
                i: 2 + d as i64,
                ..Default::default()
            }],
            ..Default::default()
        });
        conv.input[0] = name;
        let step = strides[d];
        for attribute in &mut conv.attribute {
            match (attribute.name.as_str(), attribute.ints.get_mut(d)) {
                ("strides", Some(stride)) => *stride = 1,
                ("dilations", Some(dilation)) if weights[2 + d] > 1 => *dilation /= step,
                _ => {}
            }
        }
    }
    nodes
}
