//! `If` whose condition is constant: the nodes of the branch that is taken.

use std::collections::{BTreeMap, BTreeSet};

use super::node::{self, Read};
use super::{Limits, ModelError};
use crate::graph::{Graph, Node, NodeError};

/// The nodes of the branch that `node`, an `If`, takes; `None` for another node.
pub(super) fn taken(
    graph: &mut Graph,
    node: &Node,
    limits: &Limits,
    names: &mut BTreeSet<String>,
) -> Result<Option<Vec<Node>>, ModelError> {
    if node.op != "If" || !node.is_standard() {
        return Ok(None);
    }
    let refuse = |why| ModelError::Node { node: node.name.clone(), op: node.op.clone(), why };
    let condition = node.input(0).ok_or_else(|| refuse(NodeError::MissingInput { index: 0 }))?;
    let constant = graph.initializers.get(condition);
    let what = || {
        format!(
            "a branch that depends on value {condition} (where an input alone decides it, give that \
             with --fix INPUT=NUMBER)"
        )
    };
    let constant = constant.ok_or_else(|| refuse(NodeError::Unsupported { what: what() }))?;
    let branch = match constant.data().first() {
        Some(0) | None => "else_branch",
        Some(_) => "then_branch",
    };
    let inner = node.attribute(branch).and_then(|a| a.g.clone());
    let inner = inner.ok_or_else(|| {
        let (name, got) = (branch.to_owned(), "nothing".to_owned());
        refuse(NodeError::Attribute { name, got, expected: "a graph" })
    })?;
    node::count(&inner, limits)?;
    // By now, what is read from outside may have another name there.
    let outside = node.inputs.iter().skip(1).cloned();
    let mut renamed: BTreeMap<String, String> =
        node::captures(node).into_iter().zip(outside).collect();
    let own = |name: &str, names: &mut BTreeSet<String>| {
        let mut fresh = format!("{}/{name}", node.name);
        while !names.insert(fresh.clone()) {
            fresh.push('_');
        }
        fresh
    };
    let mut nodes = Vec::new();
    for tensor in inner.initializer {
        let name = tensor.name().to_owned();
        let tensor = super::initializer::read(&name, tensor, limits, &mut None)?;
        let fresh = own(&name, names);
        renamed.insert(name, fresh.clone());
        graph.add_constant(fresh, tensor);
    }
    for (index, proto) in inner.node.into_iter().enumerate() {
        let mut read = match node::read(proto, index, &mut BTreeSet::new(), limits, &mut None)? {
            Read::Constant(name, tensor) => {
                let fresh = own(&name, names);
                renamed.insert(name, fresh.clone());
                graph.add_constant(fresh, tensor);
                continue;
            }
            Read::Node(node) => node,
        };
        // A name that is not the branch's own is one from outside.
        for input in &mut read.inputs {
            if let Some(fresh) = renamed.get(input) {
                input.clone_from(fresh);
            }
        }
        for output in read.outputs.iter_mut().filter(|output| !output.is_empty()) {
            let fresh = own(output, names);
            renamed.insert(std::mem::replace(output, fresh.clone()), fresh);
        }
        read.name = own(&read.name.clone(), names);
        nodes.push(read);
    }
    if inner.output.len() != node.outputs.len() {
        let (got, index) = (inner.output.len(), node.outputs.len());
        let what = format!("a branch with {got} outputs for {index}");
        return Err(refuse(NodeError::Unsupported { what }));
    }
    for (made, output) in inner.output.iter().zip(&node.outputs).filter(|(_, o)| !o.is_empty()) {
        let from = renamed.get(made.name()).cloned().unwrap_or_else(|| made.name().to_owned());
        let name = own("out", names);
        let (op, domain) = ("Identity".to_owned(), String::new());
        let (inputs, outputs) = (vec![from], vec![output.clone()]);
        nodes.push(Node { name, op, domain, inputs, outputs, attributes: Vec::new() });
    }
    Ok(Some(nodes))
}
