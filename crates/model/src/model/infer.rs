//! Gives every value a type, says nodes plainly, and computes those whose
//! inputs are constant.

use std::collections::{BTreeMap, BTreeSet};

use super::branch;
use super::declared::{Declared, check, declared_types};
use super::{Limits, ModelError};
use crate::fold::{self, Folded};
use crate::graph::{Graph, Node, NodeError};
use crate::operator::{self, Draft, TypedNode};

/// The version of ONNX's own operators that every model is in once it was read.
pub(crate) const PLAIN_OPSET: i64 = 17;

/// Most rules that are followed one after the other for one node.
const DEPTH_MAX: usize = 8;

/// A node that has no types yet.
struct Open {
    node: Node,
    /// The version that it is written in.
    opset: i64,
    /// Rules that led to it.
    depth: usize,
}

/// Gives every value of `graph` a type. The nodes come out in version
/// [`PLAIN_OPSET`], in topological order.
pub(super) fn infer(
    graph: &mut Graph,
    opset: i64,
    declared: &BTreeMap<String, Declared>,
    limits: &Limits,
) -> Result<(), ModelError> {
    let mut taken: BTreeSet<String> = graph.types.keys().cloned().collect();
    for node in &graph.nodes {
        taken.insert(node.name.clone());
        taken.extend(node.outputs.iter().cloned());
    }
    let nodes = std::mem::take(&mut graph.nodes).into_iter().rev();
    let mut open: Vec<Open> = nodes.map(|node| Open { node, opset, depth: 0 }).collect();
    let mut budget = fold::BUDGET;
    while let Some(next) = open.pop() {
        if graph.nodes.len() > limits.nodes {
            let (what, got) = ("nodes", graph.nodes.len() + open.len());
            return Err(ModelError::TooMany { what, got, limit: limits.nodes });
        }
        if let Some(nodes) = plainer(graph, &next, limits, &mut taken)? {
            let (opset, depth) = (PLAIN_OPSET, next.depth + 1);
            open.extend(nodes.into_iter().rev().map(|node| Open { node, opset, depth }));
            continue;
        }
        if let Some(nodes) = branch::taken(graph, &next.node, limits, &mut taken)? {
            let (opset, depth) = (next.opset, next.depth);
            open.extend(nodes.into_iter().rev().map(|node| Open { node, opset, depth }));
            continue;
        }
        typed(graph, next, declared, limits, &mut budget)?;
    }
    Ok(())
}

fn at(node: &Node, why: NodeError) -> ModelError {
    ModelError::Node { node: node.name.clone(), op: node.op.clone(), why }
}

/// The nodes that say what `next` says; `None` where it stays as it is.
fn plainer(
    graph: &mut Graph,
    next: &Open,
    limits: &Limits,
    taken: &mut BTreeSet<String>,
) -> Result<Option<Vec<Node>>, ModelError> {
    let op = TypedNode::new(&next.node, graph, next.opset, limits);
    let mut draft = Draft::new(&next.node, taken);
    operator::plain(&op, &mut draft).map_err(|why| at(&next.node, why))?;
    let Draft { nodes, constants, .. } = draft;
    if nodes.is_empty() {
        return Ok(None);
    }
    if next.depth >= DEPTH_MAX {
        let what = format!("saying it plainly in {DEPTH_MAX} steps");
        return Err(at(&next.node, NodeError::Unsupported { what }));
    }
    for (name, tensor) in constants {
        graph.add_constant(name, tensor);
    }
    Ok(Some(nodes))
}

/// Types of what a node makes, and its value where that is constant.
fn typed(
    graph: &mut Graph,
    next: Open,
    declared: &BTreeMap<String, Declared>,
    limits: &Limits,
    budget: &mut u64,
) -> Result<(), ModelError> {
    let node = next.node;
    let op = TypedNode::new(&node, graph, next.opset, limits);
    let types = match operator::infer(&op).map_err(|why| at(&node, why))? {
        Some(types) => types,
        None => declared_types(&node, declared)?,
    };
    for (i, output) in node.outputs.iter().enumerate().filter(|(_, o)| !o.is_empty()) {
        let Some(value) = types.get(i) else {
            return Err(at(&node, NodeError::Unsupported { what: format!("output {i}") }));
        };
        check(output, value, declared, limits)?;
    }
    let folded = match types.as_slice() {
        [only] => {
            let first = node.input(0).and_then(|v| graph.scaled.get(v));
            fold::fold(&op, first, only, budget).map_err(|why| at(&node, why))?
        }
        _ => None,
    };
    for (output, value) in node.outputs.iter().zip(types).filter(|(o, _)| !o.is_empty()) {
        if folded.is_none() && value.shape.contains(&0) {
            return Err(ModelError::Shape { value: output.clone(), shape: value.shape });
        }
        graph.types.insert(output.clone(), value);
    }
    match (folded, node.outputs.first()) {
        (Some(Folded::Plain(tensor)), Some(output)) => {
            graph.initializers.insert(output.clone(), tensor);
        }
        (Some(Folded::Scaled(scaled)), Some(output)) => {
            graph.scaled.insert(output.clone(), scaled);
        }
        _ => graph.nodes.push(node),
    }
    Ok(())
}
