//! The part of a model between some of its values and others.

use std::collections::BTreeSet;

use super::Model;
use crate::graph::GraphError;

impl Model {
    /// The model that makes the values `to` out of the values `from`: the nodes
    /// on the way, and the constants that they read. What is in both is handed
    /// through by no node and has to be left out of `to`.
    ///
    /// # Errors
    ///
    /// [`GraphError::Missing`] where a value is none of the model's, or where a
    /// node on the way depends on an input that `from` does not have.
    pub fn section(&self, from: &[String], to: &[String]) -> Result<Model, GraphError> {
        let mut graph = self.graph.clone();
        let producers = graph.producers();
        let given: BTreeSet<&str> = from.iter().map(String::as_str).collect();
        let missing = |reader: Option<usize>, value: &str| {
            let node = reader.map(|node| format!("node {}", graph.nodes[node].name));
            let reader = node.unwrap_or_else(|| "the section".to_owned());
            GraphError::Missing { reader, value: value.to_owned() }
        };
        if let Some(unknown) = from.iter().find(|name| !graph.types.contains_key(*name)) {
            return Err(missing(None, unknown));
        }
        let mut keep = vec![false; graph.nodes.len()];
        let mut open: Vec<(Option<usize>, &str)> =
            to.iter().map(|name| (None, name.as_str())).collect();
        while let Some((reader, name)) = open.pop() {
            if name.is_empty() || given.contains(name) || graph.constant(name).is_some() {
                continue;
            }
            let node = *producers.get(name).ok_or_else(|| missing(reader, name))?;
            if !std::mem::replace(&mut keep[node], true) {
                let inputs = graph.nodes[node].inputs.iter();
                open.extend(inputs.map(|input| (Some(node), input.as_str())));
            }
        }
        let mut made = graph.nodes.iter().zip(&keep).filter(|(_, keep)| **keep);
        let twice = made.find_map(|(node, _)| {
            node.outputs.iter().find(|output| given.contains(output.as_str())).cloned()
        });
        if let Some(value) = twice {
            return Err(GraphError::Duplicate { value });
        }
        let mut keep = keep.into_iter();
        graph.nodes.retain(|_| keep.next().unwrap_or(false));
        graph.inputs = from.to_vec();
        graph.outputs = to.to_vec();
        graph.prune();
        Ok(Model { graph, opsets: self.opsets.clone(), ..*self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    /// Two branches that join: a to b, and a to c, to d, with weights on the way to c.
    fn branched() -> Model {
        let sample = Sample::new(&[("x", &[1, 4])], &["y"])
            .counting("w", &[4, 4])
            .counting("unread", &[2])
            .node("Relu", &["x"], &["a"], &[])
            .node("Sigmoid", &["a"], &["b"], &[])
            .node("MatMul", &["a", "w"], &["c"], &[])
            .node("Relu", &["c"], &["d"], &[])
            .node("Add", &["b", "d"], &["y"], &[]);
        sample.read().unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_section_has_the_nodes_on_the_way_and_no_others() {
        let cases: [[&[&str]; 3]; 4] = [
            [&["x"], &["y"], &["a", "b", "c", "d", "y"]],
            [&["a", "c"], &["y"], &["b", "d", "y"]],
            [&["a"], &["c", "b"], &["b", "c"]],
            [&["b", "d"], &["y"], &["y"]],
        ];
        for [from, to, made] in cases {
            let section = branched().section(&names(from), &names(to)).unwrap().graph;
            let nodes: Vec<&String> = section.nodes.iter().flat_map(|n| &n.outputs).collect();
            assert_eq!(nodes, made, "{from:?} to {to:?}");
            assert_eq!((section.inputs, section.outputs), (names(from), names(to)));
            let weights = section.initializers.contains_key("w");
            assert_eq!(weights, made.contains(&"c"), "{from:?} to {to:?}");
            assert!(!section.types.contains_key("unread"));
        }
    }

    #[test]
    fn what_no_section_can_be_made_of_is_an_error() {
        let cases: [(&[&str], &[&str], &str); 4] = [
            (&["b"], &["y"], "node relu_0 reads value x, which nothing makes"),
            (&["x", "nowhere"], &["y"], "the section reads value nowhere, which nothing makes"),
            (&["x"], &["nowhere"], "the section reads value nowhere, which nothing makes"),
            (&[], &["x"], "the section reads value x, which nothing makes"),
        ];
        for (from, to, words) in cases {
            let error = branched().section(&names(from), &names(to)).unwrap_err();
            assert_eq!(error.to_string(), words);
        }
    }
}
