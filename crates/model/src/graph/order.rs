//! The order of nodes: each after those whose values it reads.

use std::collections::{BTreeMap, BTreeSet};

use super::Node;

/// Why nodes make no acyclic graph over known values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Two nodes, inputs or initializers have one name.
    #[error("value {value} is defined more than once")]
    Duplicate {
        /// The value's name.
        value: String,
    },
    /// A node or the graph's output reads a value that nothing makes.
    #[error("{reader} reads value {value}, which nothing makes")]
    Missing {
        /// Node name, or "the graph's output".
        reader: String,
        /// The value's name.
        value: String,
    },
    /// Nodes depend on each other in a ring.
    #[error("nodes depend on each other in a ring, which node {node} is in or reads")]
    Cycle {
        /// A node of the ring, or one that reads from it.
        node: String,
    },
}

/// Sorts `nodes` so that each comes after those it reads; nodes in order
/// already keep their order. `known` are the graph's inputs and initializers.
pub(crate) fn sort(nodes: Vec<Node>, known: &BTreeSet<&str>) -> Result<Vec<Node>, GraphError> {
    let mut producers: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|o| !o.is_empty()) {
            if known.contains(output.as_str()) || producers.insert(output, i).is_some() {
                return Err(GraphError::Duplicate { value: output.clone() });
            }
        }
    }
    let mut waits = vec![0usize; nodes.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        for input in node.inputs.iter().filter(|v| !v.is_empty()) {
            if let Some(&p) = producers.get(input.as_str()) {
                waits[i] += 1;
                readers[p].push(i);
            } else if !known.contains(input.as_str()) {
                let reader = format!("node {}", node.name);
                return Err(GraphError::Missing { reader, value: input.clone() });
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|&i| waits[i] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(i) = ready.pop_first() {
        order.push(i);
        for &r in &readers[i] {
            waits[r] -= 1;
            if waits[r] == 0 {
                ready.insert(r);
            }
        }
    }
    if let Some(i) = waits.iter().position(|&w| w > 0) {
        return Err(GraphError::Cycle { node: nodes[i].name.clone() });
    }
    let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|i| nodes[i].take()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, inputs: &[&str], outputs: &[&str]) -> Node {
        let owned = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        Node {
            name: name.into(),
            op: "Add".into(),
            domain: String::new(),
            inputs: owned(inputs),
            outputs: owned(outputs),
            attributes: Vec::new(),
        }
    }

    #[test]
    fn sorts_and_refuses() {
        let known = BTreeSet::from(["x"]);
        let sorted =
            sort(vec![node("b", &["y", "x"], &["z"]), node("a", &["x", ""], &["y"])], &known)
                .unwrap();
        assert_eq!(sorted.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let cases = [
            (vec![node("a", &["z"], &["y"]), node("b", &["y"], &["z"])], "in a ring"),
            (vec![node("a", &["x"], &["x"])], "more than once"),
            (vec![node("a", &["x"], &["y"]), node("b", &["x"], &["y"])], "more than once"),
            (vec![node("a", &["q"], &["y"])], "node a reads value q"),
        ];
        for (nodes, message) in cases {
            let error = sort(nodes, &known).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
