//! Nodes that take the place of one node.

use std::collections::BTreeSet;

use crate::graph::{Node, NodeError};
use crate::onnx::{AttributeProto, int_attribute, ints_attribute};
use crate::operator::typed_node::TypedNode;
use crate::tensor::{DType, Tensor};

/// Most entries of a list that is made for a node.
pub(crate) const ENTRIES_MAX: usize = 1 << 24;

/// Refuses lists that are longer than a model needs.
pub(crate) fn bounded(entries: usize) -> Result<usize, NodeError> {
    match entries <= ENTRIES_MAX {
        true => Ok(entries),
        false => Err(NodeError::Unsupported { what: format!("a list of {entries} entries") }),
    }
}

/// Nodes that take the place of one node, and the constants they read.
pub(crate) struct Draft<'a> {
    node: &'a Node,
    taken: &'a mut BTreeSet<String>,
    /// Does the next node bear the name of the one that is replaced?
    main: bool,
    pub(crate) nodes: Vec<Node>,
    pub(crate) constants: Vec<(String, Tensor)>,
}

impl<'a> Draft<'a> {
    /// An empty draft in place of `node`. `taken` are the names of all nodes
    /// and values of the graph.
    pub(crate) fn new(node: &'a Node, taken: &'a mut BTreeSet<String>) -> Draft<'a> {
        Draft { node, taken, main: false, nodes: Vec::new(), constants: Vec::new() }
    }

    /// The next node is what the old one is known by.
    pub(crate) fn main(&mut self) -> &mut Draft<'a> {
        self.main = true;
        self
    }

    /// A node that makes a new value, whose name is given back.
    pub(crate) fn value(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) -> String {
        let name = self.fresh(&op.to_lowercase());
        self.push(op, inputs, &name, attributes);
        name
    }

    /// A node that makes output `index` of the old one.
    pub(crate) fn output(
        &mut self,
        index: usize,
        op: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) {
        if let Some(name) = self.node.outputs.get(index).filter(|name| !name.is_empty()) {
            self.push(op, inputs, &name.clone(), attributes);
        }
    }

    /// Makes `value` the old node's only output.
    pub(crate) fn done(&mut self, value: &str) {
        self.output(0, "Identity", &[value], Vec::new());
    }

    /// The old node with other inputs and attributes.
    pub(crate) fn again(&mut self, inputs: &[&str], attributes: Vec<AttributeProto>) {
        let outputs = self.node.outputs.clone();
        let inputs = inputs.iter().map(|&input| input.to_owned()).collect();
        let (op, domain) = (self.node.op.clone(), String::new());
        self.nodes.push(Node {
            name: self.node.name.clone(),
            op,
            domain,
            inputs,
            outputs,
            attributes,
        });
    }

    fn push(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) {
        let name = match std::mem::take(&mut self.main) {
            true => self.node.name.clone(),
            false => self.fresh(&op.to_lowercase()),
        };
        self.nodes.push(Node {
            name,
            op: op.to_owned(),
            domain: String::new(),
            inputs: inputs.iter().map(|&input| input.to_owned()).collect(),
            outputs: vec![output.to_owned()],
            attributes,
        });
    }

    fn fresh(&mut self, word: &str) -> String {
        let stem = format!("{}/{word}", self.node.name);
        let mut name = stem.clone();
        let mut number = 1;
        while !self.taken.insert(name.clone()) {
            number += 1;
            name = format!("{stem}_{number}");
        }
        name
    }

    /// A constant.
    pub(crate) fn constant(&mut self, word: &str, tensor: Tensor) -> String {
        let name = self.fresh(word);
        self.constants.push((name.clone(), tensor));
        name
    }

    /// A list of integers.
    pub(crate) fn list(&mut self, word: &str, values: &[i64]) -> Result<String, NodeError> {
        let tensor = Tensor::from_i64(vec![values.len()], values)?;
        Ok(self.constant(word, tensor))
    }

    /// One number of an element type, without dimensions.
    pub(crate) fn number(&mut self, dtype: DType, value: f64) -> Result<String, NodeError> {
        let tensor = Tensor::from_numbers(dtype, Vec::new(), &[value])?;
        Ok(self.constant("number", tensor))
    }

    /// Numbers of an element type.
    pub(crate) fn numbers(
        &mut self,
        dtype: DType,
        shape: &[usize],
        values: &[f64],
    ) -> Result<String, NodeError> {
        let tensor = Tensor::from_numbers(dtype, shape.to_vec(), values)?;
        Ok(self.constant("numbers", tensor))
    }

    /// An operator of one input.
    pub(crate) fn one(&mut self, op: &str, x: &str) -> String {
        self.value(op, &[x], Vec::new())
    }

    /// An operator of two inputs.
    pub(crate) fn two(&mut self, op: &str, x: &str, y: &str) -> String {
        self.value(op, &[x, y], Vec::new())
    }

    /// `x` in another shape.
    pub(crate) fn reshape(&mut self, x: &str, shape: &[usize]) -> Result<String, NodeError> {
        let shape = self.lengths("shape", shape)?;
        Ok(self.two("Reshape", x, &shape))
    }

    /// A list of lengths.
    pub(crate) fn lengths(&mut self, word: &str, lengths: &[usize]) -> Result<String, NodeError> {
        let lengths: Vec<i64> = lengths.iter().map(|&d| d as i64).collect();
        self.list(word, &lengths)
    }

    /// `x` with its dimensions in another order.
    pub(crate) fn transpose(&mut self, x: &str, perm: &[usize]) -> String {
        if perm.iter().enumerate().all(|(at, &p)| at == p) {
            return x.to_owned();
        }
        let perm: Vec<i64> = perm.iter().map(|&p| p as i64).collect();
        self.value("Transpose", &[x], vec![ints_attribute("perm", &perm)])
    }

    /// Entries `indices` of `x` along `axis`.
    pub(crate) fn pick(
        &mut self,
        x: &str,
        axis: usize,
        indices: &[i64],
    ) -> Result<String, NodeError> {
        let indices = self.list("indices", indices)?;
        Ok(self.value("Gather", &[x, &indices], vec![int_attribute("axis", axis as i64)]))
    }

    /// The range `start..end` of `x` along `axis`.
    pub(crate) fn cut(
        &mut self,
        x: &str,
        axis: usize,
        start: usize,
        end: usize,
    ) -> Result<String, NodeError> {
        let starts = self.lengths("starts", &[start])?;
        let ends = self.lengths("ends", &[end])?;
        let axes = self.lengths("axes", &[axis])?;
        Ok(self.value("Slice", &[x, &starts, &ends, &axes], Vec::new()))
    }

    /// `x` as another element type.
    pub(crate) fn cast(&mut self, x: &str, from: DType, to: DType) -> String {
        if from == to {
            return x.to_owned();
        }
        self.value("Cast", &[x], vec![int_attribute("to", i64::from(to.onnx()))])
    }

    /// The sum, mean or extreme over `axes`, which stay as lengths of 1.
    pub(crate) fn reduce(
        &mut self,
        op: &str,
        x: &str,
        axes: &[usize],
    ) -> Result<String, NodeError> {
        let keep = int_attribute("keepdims", 1);
        let list: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
        if op == "ReduceSum" {
            let axes = self.list("axes", &list)?;
            return Ok(self.value(op, &[x, &axes], vec![keep]));
        }
        Ok(self.value(op, &[x], vec![ints_attribute("axes", &list), keep]))
    }
}

/// Name of the input `index`, which must be there.
pub(crate) fn name<'a>(op: &TypedNode<'a>, index: usize) -> Result<&'a str, NodeError> {
    op.node.input(index).ok_or(NodeError::MissingInput { index })
}
