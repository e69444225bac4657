//! Reads a node of a file.

use std::collections::BTreeSet;

use super::initializer;
use super::{Limits, ModelError, Resolver};
use crate::graph::Node;
use crate::onnx::{GraphProto, NodeProto, int_attribute};
use crate::operator::ROUNDED;
use crate::tensor::{DType, Tensor};

/// What a node of a file is.
pub(super) enum Read {
    Node(Node),
    /// Name and tensor of a `Constant`.
    Constant(String, Tensor),
}

/// Reads node number `index`, which is given a name that `names` do not have.
pub(super) fn read(
    proto: NodeProto,
    index: usize,
    names: &mut BTreeSet<String>,
    limits: &Limits,
    resolver: &mut Option<Resolver<'_>>,
) -> Result<Read, ModelError> {
    let op = proto.op_type().to_owned();
    let mut name = match proto.name() {
        "" => format!("{}_{index}", op.to_lowercase()),
        given => given.to_owned(),
    };
    while !names.insert(name.clone()) {
        name = format!("{name}_{index}");
    }
    let refuse = |what| Err(ModelError::Unsupported { what, at: format!(" (node {name})") });
    let mut seen = BTreeSet::new();
    for a in &proto.attribute {
        if (a.g.is_some() && op != "If") || !a.graphs.is_empty() {
            return refuse("loops");
        }
        if a.sparse_tensor.is_some() || !a.sparse_tensors.is_empty() {
            return refuse("sparse tensors");
        }
        if !a.ref_attr_name().is_empty() {
            return refuse("references to attributes");
        }
        if !seen.insert(a.name().to_owned()) {
            return refuse("attributes given twice");
        }
    }
    let domain = proto.domain().to_owned();
    let NodeProto { input: inputs, output: outputs, attribute: attributes, .. } = proto;
    let mut node = Node { name, op, domain, inputs, outputs, attributes };
    widen_casts(&mut node);
    // What is left out at the end need not be said.
    for names in [&mut node.inputs, &mut node.outputs] {
        let used = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        names.truncate(used);
    }
    // What a branch reads from outside is read by the node, too.
    let captured = captures(&node);
    node.inputs.extend(captured);
    Ok(match constant(&node, limits, resolver)? {
        Some((name, tensor)) => Read::Constant(name, tensor),
        None => Read::Node(node),
    })
}

/// Half floats are computed as f32, rounded where the file casts to them.
fn widen_casts(node: &mut Node) {
    let half = |number: i64| matches!(number, 10 | 16);
    let casts = node.attributes.iter_mut().filter(|a| matches!(a.name(), "to" | "dtype"));
    let mut rounded = false;
    for attribute in casts.filter(|a| half(a.i())) {
        rounded |= node.op == "Cast" && attribute.i() == i64::from(DType::F16.onnx());
        attribute.i = Some(DType::F32.onnx().into());
    }
    if rounded {
        node.attributes.push(int_attribute(ROUNDED, 1));
    }
}

/// Bounds how much a graph has of everything.
pub(super) fn count(graph: &GraphProto, limits: &Limits) -> Result<(), ModelError> {
    let counts = [
        ("nodes", graph.node.len()),
        ("initializers", graph.initializer.len()),
        ("inputs", graph.input.len()),
        ("outputs", graph.output.len()),
        ("value infos", graph.value_info.len()),
    ];
    for (what, got) in counts {
        if got > limits.nodes {
            return Err(ModelError::TooMany { what, got, limit: limits.nodes });
        }
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(ModelError::Unsupported { what: "sparse initializers", at: String::new() });
    }
    Ok(())
}

/// Values that the branches of `node` read from outside, in a fixed order.
pub(super) fn captures(node: &Node) -> Vec<String> {
    let graphs = node.attributes.iter().filter_map(|a| a.g.as_ref());
    let mut all = BTreeSet::new();
    graphs.for_each(|graph| free(graph, &mut all));
    all.into_iter().collect()
}

/// Adds the values that `graph` reads and does not make.
fn free(graph: &GraphProto, all: &mut BTreeSet<String>) {
    let mut inner = BTreeSet::new();
    for node in &graph.node {
        inner.extend(node.input.iter().filter(|name| !name.is_empty()).cloned());
        node.attribute.iter().filter_map(|a| a.g.as_ref()).for_each(|g| free(g, &mut inner));
    }
    inner.extend(graph.output.iter().map(|output| output.name().to_owned()));
    let made = graph.node.iter().flat_map(|node| &node.output).map(String::as_str);
    let given = graph.initializer.iter().map(|tensor| tensor.name());
    for name in made.chain(given).chain(graph.input.iter().map(|input| input.name())) {
        inner.remove(name);
    }
    all.append(&mut inner);
}

/// Name and tensor of a `Constant` node.
fn constant(
    node: &Node,
    limits: &Limits,
    resolver: &mut Option<Resolver<'_>>,
) -> Result<Option<(String, Tensor)>, ModelError> {
    if node.op != "Constant" || !node.is_standard() {
        return Ok(None);
    }
    let refuse = |what: String| ModelError::InitializerForm { name: node.name.clone(), what };
    let ([output], [attribute]) = (node.outputs.as_slice(), node.attributes.as_slice()) else {
        return Err(refuse("a constant has one output and one attribute".to_owned()));
    };
    let list = |n: usize| vec![n];
    let made = match attribute.name() {
        "value" => {
            let Some(tensor) = attribute.t.clone() else {
                return Err(refuse("the constant's tensor is missing".to_owned()));
            };
            return Ok(Some((
                output.clone(),
                initializer::read(output, tensor, limits, resolver)?,
            )));
        }
        "value_float" => Tensor::from_f32(Vec::new(), &[attribute.f()]),
        "value_floats" => Tensor::from_f32(list(attribute.floats.len()), &attribute.floats),
        "value_int" => Tensor::from_i64(Vec::new(), &[attribute.i()]),
        "value_ints" => Tensor::from_i64(list(attribute.ints.len()), &attribute.ints),
        other => return Err(refuse(format!("a constant with the attribute {other}"))),
    };
    let tensor = made.map_err(|why| ModelError::Initializer { name: output.clone(), why })?;
    Ok(Some((output.clone(), tensor)))
}
