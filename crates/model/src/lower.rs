//! Rewrites recurrent nodes into plain ones, so that their weights are split
//! like those of any other layer.
//!
//! ```text
//! X --> Gemm W --> Split --+-----> Add --> gates --+--> hidden 0
//!                          |                       v
//!                          |                     Gemm R
//!                          |                       v
//!                          +--------------------> Add --> gates --> hidden 1 ...
//! ```
//!
//! The sequence is multiplied by W at once. R is multiplied once a step, by
//! nodes that share one initializer. Weights are slices of those in the file,
//! never copies.
//!
//! Invariant: the values that the node made keep names and types. Where a node
//! cannot be rewritten nothing changes, and the graph says why.

mod activation;
mod emit;
mod outputs;
mod recurrent;
mod unroll;

use std::collections::BTreeSet;

use crate::graph::{Graph, Node};
use crate::limits::Limits;
use crate::operator::{self, Role, TypedNode};
use emit::Emitter;

/// Most steps that a model's recurrent nodes are unrolled into, each direction
/// counted: a limit on how large the graph grows.
const STEPS_MAX: usize = 4096;

/// Rewrites each LSTM, GRU and RNN of `graph`. All values must have types by
/// then.
pub(crate) fn lower(graph: &mut Graph, opset: i64, limits: &Limits) {
    if !graph.nodes.iter().any(is_recurrent) {
        return;
    }
    let mut varying: BTreeSet<String> = graph.inputs.iter().cloned().collect();
    let mut left = STEPS_MAX;
    let nodes = std::mem::take(&mut graph.nodes);
    let mut emit = Emitter::new(graph, &nodes);
    for node in nodes {
        if node.inputs.iter().any(|v| varying.contains(v)) {
            varying.extend(node.outputs.iter().filter(|v| !v.is_empty()).cloned());
        }
        if !is_recurrent(&node) {
            emit.graph.nodes.push(node);
            continue;
        }
        let op = TypedNode::new(&node, emit.graph, opset, limits);
        match recurrent::read(&op, &varying, left) {
            Ok(read) => {
                left -= read.unrolled();
                let cell = unroll::unroll(&read, &node, &mut emit);
                emit.graph.cells.push(cell);
            }
            Err(why) => {
                emit.graph.unlowered.insert(node.name.clone(), why);
                emit.graph.nodes.push(node);
            }
        }
    }
}

fn is_recurrent(node: &Node) -> bool {
    operator::role(node) == Role::Recurrent
}

#[cfg(test)]
mod tests;
