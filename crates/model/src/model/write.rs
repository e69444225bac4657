//! Writes a [`Model`] as an ONNX file.

use std::collections::BTreeSet;

use prost::Message;

use super::Model;
use crate::graph::{Graph, GraphError, ValueType};
use crate::onnx::{
    GraphProto, IR_MIN, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto, inline_tensor,
    value_info,
};

/// `model` as one ONNX file with the initializers inside. Other programs read
/// such files up to two gigabytes. `extra_outputs` are values that become graph
/// outputs too, after the model's own.
pub fn to_onnx(model: &Model, extra_outputs: &[String]) -> Result<Vec<u8>, GraphError> {
    let graph = &model.graph;
    let mut outputs: Vec<&str> = Vec::new();
    for name in graph.outputs.iter().chain(extra_outputs) {
        if !outputs.contains(&name.as_str()) {
            outputs.push(name);
        }
    }
    let mut proto = GraphProto { name: Some(graph.name.clone()), ..Default::default() };
    proto.input = infos(graph, graph.inputs.iter().map(String::as_str))?;
    proto.output = infos(graph, outputs.iter().copied())?;
    let outputs: BTreeSet<&str> = outputs.into_iter().collect();
    let plain = graph
        .initializers
        .iter()
        .map(|(name, tensor)| (name, (tensor.dtype(), tensor.shape(), tensor.data().clone())));
    let scaled = graph.scaled.iter().map(|(name, scaled)| {
        let mut data = Vec::new();
        scaled.read(0..scaled.elements(), &mut data);
        (name, (scaled.dtype(), scaled.shape(), data.into()))
    });
    for (name, (dtype, shape, data)) in plain.chain(scaled) {
        let mut stored = name.clone();
        // An output that is constant needs a node that makes it.
        if outputs.contains(name.as_str()) {
            while graph.types.contains_key(&stored) {
                stored.push_str("_constant");
            }
            // Engines take a constant for a node, too.
            let mut node = format!("{stored}_passed_on");
            while graph.nodes.iter().any(|other| other.name == node) {
                node.push('_');
            }
            proto.node.push(NodeProto {
                name: Some(node),
                op_type: Some("Identity".to_owned()),
                input: vec![stored.clone()],
                output: vec![name.clone()],
                ..Default::default()
            });
        }
        proto.initializer.push(inline_tensor(&stored, dtype, shape, data));
    }
    proto.node.extend(graph.nodes.iter().map(|n| n.to_proto()));
    let made = graph.nodes.iter().flat_map(|n| &n.outputs).map(String::as_str);
    let inner = made.filter(|name| !name.is_empty() && !outputs.contains(name));
    proto.value_info = infos(graph, inner)?;
    let opset_import = model
        .opsets
        .iter()
        .map(|(domain, &version)| OperatorSetIdProto {
            domain: Some(domain.clone()),
            version: Some(version),
        })
        .collect();
    let model = ModelProto {
        ir_version: Some(model.ir_version.max(IR_MIN)),
        opset_import,
        producer_name: Some("quorate".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        graph: Some(proto),
        ..Default::default()
    };
    Ok(model.encode_to_vec())
}

fn infos<'a>(
    graph: &Graph,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<ValueInfoProto>, GraphError> {
    let info = |name: &str| match graph.types.get(name) {
        Some(ValueType { dtype, shape }) => Ok(value_info(name, *dtype, shape)),
        None => {
            let reader = "the graph's output".to_owned();
            Err(GraphError::Missing { reader, value: name.to_owned() })
        }
    };
    names.map(info).collect()
}
