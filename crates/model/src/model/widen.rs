//! Half floats are computed as f32: no device is faster at them, and codes need
//! the digits. Inputs and outputs keep their type.

use std::collections::BTreeSet;

use super::declared::read_type;
use crate::graph::{Graph, Node};
use crate::onnx::{ValueInfoProto, int_attribute};
use crate::tensor::DType;

/// Puts a Cast behind every f16 input of the graph and before every f16 output.
pub(super) fn widen(graph: &mut Graph, nodes: &mut Vec<Node>, outputs: &[ValueInfoProto]) {
    let half = |info: &&ValueInfoProto| {
        let declared = read_type(info.name(), info.r#type.as_ref());
        declared.is_ok_and(|(dtype, _)| dtype == DType::F16)
    };
    let inputs: Vec<String> = graph
        .inputs
        .iter()
        .filter(|name| graph.types.get(*name).is_some_and(|t| t.dtype == DType::F16))
        .cloned()
        .collect();
    let outputs: Vec<String> =
        outputs.iter().filter(half).map(|info| info.name().to_owned()).collect();
    let mut taken: BTreeSet<String> = graph.types.keys().cloned().collect();
    taken.extend(nodes.iter().flat_map(|node| &node.outputs).cloned());
    taken.extend(nodes.iter().map(|node| node.name.clone()));
    let mut fresh = |name: &str, word: &str| {
        let mut fresh = format!("{name}/{word}");
        while !taken.insert(fresh.clone()) {
            fresh.push('_');
        }
        fresh
    };
    let rename = |nodes: &mut Vec<Node>, from: &str, to: &str, made: bool| {
        for node in nodes {
            let outputs = node.outputs.iter_mut().filter(|_| made);
            let names = node.inputs.iter_mut().chain(outputs);
            names.filter(|name| *name == from).for_each(|name| to.clone_into(name));
        }
    };
    let cast = |name: String, from: &str, to: &str, dtype: DType| Node {
        name,
        op: "Cast".to_owned(),
        domain: String::new(),
        inputs: vec![from.to_owned()],
        outputs: vec![to.to_owned()],
        attributes: vec![int_attribute("to", dtype.onnx().into())],
    };
    for input in inputs {
        let wide = fresh(&input, "wide");
        rename(nodes, &input, &wide, false);
        nodes.insert(0, cast(fresh(&input, "widened"), &input, &wide, DType::F32));
    }
    for output in outputs.iter().filter(|name| !graph.types.contains_key(*name)) {
        let wide = fresh(output, "wide");
        rename(nodes, output, &wide, true);
        nodes.push(cast(fresh(output, "narrowed"), &wide, output, DType::F16));
    }
}
