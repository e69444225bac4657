//! Adds nodes, f32 values and initializers to a graph, under names that nothing
//! else has.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Graph, Node, ValueType};
use crate::onnx::{AttributeProto, int_attribute};
use crate::tensor::{DType, Tensor};

pub(super) struct Emitter<'g> {
    pub graph: &'g mut Graph,
    /// Names of nodes and of values: a node is named after what it makes.
    taken: BTreeSet<String>,
    /// Names of the initializers that hold these lengths, to use them again.
    lists: BTreeMap<Vec<i64>, String>,
}

impl<'g> Emitter<'g> {
    /// An emitter for `graph`, which `nodes` belong to.
    pub(crate) fn new(graph: &'g mut Graph, nodes: &[Node]) -> Emitter<'g> {
        let mut taken: BTreeSet<String> = nodes.iter().map(|n| n.name.clone()).collect();
        taken.extend(graph.types.keys().cloned());
        Emitter { graph, taken, lists: BTreeMap::new() }
    }

    /// `name`, with as many underscores appended as make it unique.
    fn fresh(&mut self, name: &str) -> String {
        let mut fresh = name.to_owned();
        while !self.taken.insert(fresh.clone()) {
            fresh.push('_');
        }
        fresh
    }

    pub(crate) fn initializer(&mut self, name: &str, tensor: Tensor) -> String {
        let name = self.fresh(name);
        let value = ValueType { dtype: tensor.dtype(), shape: tensor.shape().to_vec() };
        self.graph.types.insert(name.clone(), value);
        self.graph.initializers.insert(name.clone(), tensor);
        name
    }

    pub(crate) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let tensor = Tensor::from_f32(shape.to_vec(), values);
        self.initializer(name, tensor.expect("one value for each element"))
    }

    /// An initializer that holds `lengths`, made once for equal ones.
    fn list(&mut self, name: &str, lengths: &[usize]) -> String {
        let values = signed(lengths);
        if let Some(list) = self.lists.get(&values) {
            return list.clone();
        }
        let tensor = Tensor::from_i64(vec![values.len()], &values);
        let list = self.initializer(name, tensor.expect("one value for each element"));
        self.lists.insert(values, list.clone());
        list
    }

    /// Adds a node with one output of each of `shapes`; returns the outputs'
    /// names.
    fn push(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        shapes: &[Vec<usize>],
        attributes: Vec<AttributeProto>,
    ) -> Vec<String> {
        let name = self.fresh(name);
        let outputs: Vec<String> = match shapes {
            [_] => vec![name.clone()],
            _ => (0..shapes.len()).map(|i| self.fresh(&format!("{name}_{i}"))).collect(),
        };
        for (output, shape) in outputs.iter().zip(shapes) {
            let value = ValueType { dtype: DType::F32, shape: shape.clone() };
            self.graph.types.insert(output.clone(), value);
        }
        self.graph.nodes.push(Node {
            name,
            op: op.to_owned(),
            domain: String::new(),
            inputs: inputs.iter().map(|&i| i.to_owned()).collect(),
            outputs: outputs.clone(),
            attributes,
        });
        outputs
    }

    /// Adds a node with one output; returns the name that both bear.
    pub(crate) fn node(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        shape: &[usize],
        attributes: Vec<AttributeProto>,
    ) -> String {
        self.push(name, op, inputs, &[shape.to_vec()], attributes).remove(0)
    }

    pub(crate) fn reshape(&mut self, name: &str, value: &str, shape: &[usize]) -> String {
        let list = self.list(&format!("{name}/shape"), shape);
        self.node(name, "Reshape", &[value, &list], shape, Vec::new())
    }

    /// Cuts the matrix `value` into pieces of these lengths along `axis`.
    pub(crate) fn split(
        &mut self,
        name: &str,
        value: &str,
        axis: usize,
        lengths: &[usize],
    ) -> Vec<String> {
        let whole = self.graph.types[value].shape.clone();
        let shape = |&length: &usize| {
            let mut shape = whole.clone();
            shape[axis] = length;
            shape
        };
        let shapes: Vec<Vec<usize>> = lengths.iter().map(shape).collect();
        let axis = int_attribute("axis", axis as i64);
        let list = self.list(&format!("{name}/lengths"), lengths);
        self.push(name, "Split", &[value, &list], &shapes, vec![axis])
    }

    /// Renames the output of the node that was added last to `name`.
    pub(crate) fn make(&mut self, name: &str) {
        if let Some(output) = self.graph.nodes.last_mut().and_then(|n| n.outputs.first_mut()) {
            self.graph.types.remove(output);
            *output = name.to_owned();
        }
    }
}

fn signed(lengths: &[usize]) -> Vec<i64> {
    lengths.iter().map(|&l| l as i64).collect()
}
