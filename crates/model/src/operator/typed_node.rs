//! A node with what is known of its inputs.

use crate::graph::{Graph, Node, NodeError, ValueType};
use crate::limits::Limits;
use crate::tensor::Tensor;

/// Most elements of a constant that says how another value is shaped.
const CONSTANT_ELEMENTS: usize = 65_536;

/// A node with what is known of its inputs.
pub(crate) struct TypedNode<'a> {
    pub node: &'a Node,
    pub inputs: Vec<Option<&'a ValueType>>,
    pub constants: Vec<Option<&'a Tensor>>,
    pub opset: i64,
    pub limits: &'a Limits,
}

impl<'a> TypedNode<'a> {
    pub(crate) fn new(
        node: &'a Node,
        graph: &'a Graph,
        opset: i64,
        limits: &'a Limits,
    ) -> TypedNode<'a> {
        let inputs = node.inputs.iter().map(|v| graph.types.get(v)).collect();
        let constants = node.inputs.iter().map(|v| graph.initializers.get(v)).collect();
        TypedNode { node, inputs, constants, opset, limits }
    }

    /// The type of input `index`, which must be there.
    pub(crate) fn input(&self, index: usize) -> Result<&'a ValueType, NodeError> {
        self.optional(index).ok_or(NodeError::MissingInput { index })
    }

    pub(crate) fn optional(&self, index: usize) -> Option<&'a ValueType> {
        self.inputs.get(index).copied().flatten()
    }

    /// All inputs must have the element type of the first.
    pub(crate) fn same_types(&self) -> Result<(), NodeError> {
        let first = self.input(0)?.dtype;
        for (index, input) in self.inputs.iter().enumerate() {
            if let Some(got) = input.map(|v| v.dtype).filter(|&d| d != first) {
                return Err(NodeError::InputType { index, got, expected: first.to_string() });
            }
        }
        Ok(())
    }

    /// The constant input `index`, an integer list or scalar; `None` where it
    /// is left out.
    pub(crate) fn list(&self, index: usize) -> Result<Option<Vec<i64>>, NodeError> {
        let Some(value) = self.optional(index) else { return Ok(None) };
        let Some(tensor) = self.constants.get(index).copied().flatten() else {
            return Err(NodeError::NotConstant { index });
        };
        if tensor.elements() > CONSTANT_ELEMENTS || value.shape.len() > 1 {
            let expected = "a list".to_owned();
            return Err(NodeError::InputShape { index, got: value.shape.clone(), expected });
        }
        Ok(Some(tensor.to_i64()?))
    }

    /// An integer list, an attribute in old versions and a constant input in
    /// newer ones.
    pub(crate) fn attribute_or_list(
        &self,
        name: &str,
        index: usize,
    ) -> Result<Option<Vec<i64>>, NodeError> {
        match self.node.ints(name)? {
            Some(values) => Ok(Some(values.to_vec())),
            None => self.list(index),
        }
    }

    /// The attribute `name` as an axis of something of `rank` dimensions.
    pub(crate) fn axis(&self, name: &str, default: i64, rank: usize) -> Result<usize, NodeError> {
        let axis = self.node.int(name, default)?;
        resolve_axis(axis, rank).ok_or_else(|| self.bad(name, axis, "an axis of the input"))
    }

    pub(crate) fn bad(
        &self,
        name: &str,
        got: impl std::fmt::Display,
        expected: &'static str,
    ) -> NodeError {
        NodeError::Attribute { name: name.to_owned(), got: got.to_string(), expected }
    }

    pub(crate) fn bad_shape(&self, index: usize, expected: impl Into<String>) -> NodeError {
        let got = self.optional(index).map(|v| v.shape.clone()).unwrap_or_default();
        NodeError::InputShape { index, got, expected: expected.into() }
    }

    /// The output has the type of input 0 and this shape.
    pub(crate) fn like_input(&self, shape: Vec<usize>) -> Result<Vec<ValueType>, NodeError> {
        Ok(vec![ValueType { dtype: self.input(0)?.dtype, shape }])
    }
}

/// An axis counted from the end where negative; `None` when out of range.
pub(crate) fn resolve_axis(axis: i64, rank: usize) -> Option<usize> {
    let rank = rank as i64;
    let resolved = if axis < 0 { axis.checked_add(rank)? } else { axis };
    (0..rank).contains(&resolved).then_some(resolved as usize)
}
