//! Makes a [`Model`] of a decoded ONNX message.

use std::collections::{BTreeMap, BTreeSet};

use super::declared::declared;
use super::infer::{PLAIN_OPSET, infer};
use super::initializer;
use super::inputs;
use super::node::{self, Read};
use super::widen;
use super::{Model, ModelError, OPSET_MAX, OPSET_MIN, ReadOptions, Resolver};
use crate::batch_norm;
use crate::even_rows;
use crate::graph::{self, Graph, GraphError, ValueType};
use crate::lower;
use crate::onnx::{ModelProto, ValueInfoProto};
use crate::tensor::Tensor;

pub(super) fn build(
    proto: ModelProto,
    options: &ReadOptions,
    mut resolver: Option<Resolver<'_>>,
) -> Result<Model, ModelError> {
    let limits = &options.limits;
    let opsets = opsets(&proto)?;
    let opset = opsets.get("").copied().unwrap_or(OPSET_MIN);
    if !proto.functions.is_empty() {
        return Err(ModelError::Unsupported { what: "model-local functions", at: String::new() });
    }
    let ir_version = proto.ir_version();
    let mut proto = proto.graph.ok_or(ModelError::Absent { what: "graph" })?;
    node::count(&proto, limits)?;
    let mut graph = Graph { name: proto.name().to_owned(), ..Graph::default() };
    for tensor in std::mem::take(&mut proto.initializer) {
        let name = tensor.name().to_owned();
        let tensor = initializer::read(&name, tensor, limits, &mut resolver)?;
        add_initializer(&mut graph, name, tensor)?;
    }
    let mut nodes = Vec::with_capacity(proto.node.len());
    let mut names = BTreeSet::new();
    for (index, node) in std::mem::take(&mut proto.node).into_iter().enumerate() {
        match node::read(node, index, &mut names, limits, &mut resolver)? {
            Read::Constant(name, tensor) => add_initializer(&mut graph, name, tensor)?,
            Read::Node(node) => nodes.push(node),
        }
    }
    inputs::read(&mut graph, &proto.input, &nodes, options)?;
    widen::widen(&mut graph, &mut nodes, &proto.output);
    let known = graph.types.keys().map(String::as_str).collect();
    graph.nodes = graph::sort(nodes, &known)?;
    read_outputs(&mut graph, &proto.output)?;
    graph.prune();
    let declared = declared(&proto)?;
    infer(&mut graph, opset, &declared, limits)?;
    graph.prune();
    batch_norm::fold(&mut graph);
    lower::lower(&mut graph, PLAIN_OPSET, limits);
    even_rows::even(&mut graph);
    graph.prune();
    graph.drop_unread();
    let opsets = plain_opsets(opsets, &graph);
    Ok(Model { graph, ir_version, opset: PLAIN_OPSET, opsets })
}

fn opsets(proto: &ModelProto) -> Result<BTreeMap<String, i64>, ModelError> {
    let mut opsets = BTreeMap::new();
    for import in &proto.opset_import {
        let domain = match import.domain() {
            "ai.onnx" => "",
            other => other,
        };
        opsets.insert(domain.to_owned(), import.version());
    }
    match opsets.get("") {
        None => Err(ModelError::Absent { what: "opset version" }),
        Some(&got) if !(OPSET_MIN..=OPSET_MAX).contains(&got) => {
            Err(ModelError::Opset { got, min: OPSET_MIN, max: OPSET_MAX })
        }
        Some(_) => Ok(opsets),
    }
}

/// Versions of the operator sets that are still used.
fn plain_opsets(mut opsets: BTreeMap<String, i64>, graph: &Graph) -> BTreeMap<String, i64> {
    opsets.retain(|domain, _| graph.nodes.iter().any(|node| node.domain == *domain));
    opsets.insert(String::new(), PLAIN_OPSET);
    opsets
}

fn add_initializer(graph: &mut Graph, name: String, tensor: Tensor) -> Result<(), ModelError> {
    let value = ValueType { dtype: tensor.dtype(), shape: tensor.shape().to_vec() };
    if name.is_empty() || graph.types.insert(name.clone(), value).is_some() {
        return Err(GraphError::Duplicate { value: name }.into());
    }
    graph.initializers.insert(name, tensor);
    Ok(())
}

fn read_outputs(graph: &mut Graph, outputs: &[ValueInfoProto]) -> Result<(), ModelError> {
    if outputs.is_empty() {
        return Err(ModelError::Absent { what: "output" });
    }
    let mut seen = BTreeSet::new();
    for output in outputs {
        let value = output.name().to_owned();
        if !seen.insert(value.clone()) {
            return Err(GraphError::Duplicate { value }.into());
        }
        graph.outputs.push(value);
    }
    let producers = graph.producers();
    for value in &graph.outputs {
        if !producers.contains_key(value.as_str()) && !graph.types.contains_key(value) {
            let reader = "the graph's output".to_owned();
            return Err(GraphError::Missing { reader, value: value.clone() }.into());
        }
    }
    Ok(())
}
