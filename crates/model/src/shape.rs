//! Infers types and shapes of node outputs, by ONNX's definitions of the
//! operators.
//!
//! Invariant: all sizes come from attributes and shapes that were bounded
//! before, so no arithmetic here overflows.

mod conv;
mod elementwise;
pub(crate) mod layout;
mod matmul;
pub(crate) mod recurrent;
mod reduce;

use crate::graph::{Graph, Node, ValueType};
use crate::limits::Limits;
use crate::tensor::{DType, Tensor, TensorError};

pub use elementwise::broadcast;

/// Most elements of a constant that says how another value is shaped.
const CONSTANT_ELEMENTS: usize = 65_536;

/// Why a node cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// An input that the operator needs is left out.
    #[error("input {index} is missing")]
    MissingInput {
        /// Position of the input.
        index: usize,
    },
    /// An input's number of dimensions does not fit.
    #[error("input {index} has shape {got:?}, expected {expected}")]
    InputShape {
        /// Position of the input.
        index: usize,
        /// Its shape.
        got: Vec<usize>,
        /// What the operator needs.
        expected: String,
    },
    /// An input's element type does not fit.
    #[error("input {index} is {got}, expected {expected}")]
    InputType {
        /// Position of the input.
        index: usize,
        /// Its element type.
        got: DType,
        /// What the operator needs.
        expected: String,
    },
    /// Two shapes do not go together.
    #[error("shapes {left:?} and {right:?} do not fit together")]
    Mismatch {
        /// One shape.
        left: Vec<usize>,
        /// The other.
        right: Vec<usize>,
    },
    /// An attribute has a value that makes no sense.
    #[error("attribute {name} is {got}, expected {expected}")]
    Attribute {
        /// The attribute.
        name: String,
        /// Its value.
        got: String,
        /// What the operator needs.
        expected: &'static str,
    },
    /// A constant input has a value that makes no sense.
    #[error("input {index} holds {got}, expected {expected}")]
    Constant {
        /// Position of the input.
        index: usize,
        /// Its value.
        got: String,
        /// What the operator needs.
        expected: &'static str,
    },
    /// An input decides the output's shape, and so must be constant.
    #[error("input {index} decides the shape, but is no constant")]
    NotConstant {
        /// Position of the input.
        index: usize,
    },
    /// A window is larger than what it slides over.
    #[error("window of {window} does not fit in {length}")]
    Window {
        /// Extent of the dilated window.
        window: i64,
        /// Length with padding.
        length: i64,
    },
    /// A form of the operator that is not supported.
    #[error("{what} is not supported")]
    Unsupported {
        /// The form.
        what: String,
    },
    /// A constant's bytes do not fit.
    #[error(transparent)]
    Tensor {
        /// What is wrong.
        #[from]
        why: TensorError,
    },
}

/// A node with what is known of its inputs.
pub(crate) struct Op<'a> {
    pub node: &'a Node,
    pub inputs: Vec<Option<&'a ValueType>>,
    pub constants: Vec<Option<&'a Tensor>>,
    pub opset: i64,
    pub limits: &'a Limits,
}

impl<'a> Op<'a> {
    pub fn new(node: &'a Node, graph: &'a Graph, opset: i64, limits: &'a Limits) -> Op<'a> {
        let inputs = node.inputs.iter().map(|v| graph.types.get(v)).collect();
        let constants = node.inputs.iter().map(|v| graph.initializers.get(v)).collect();
        Op { node, inputs, constants, opset, limits }
    }

    /// The type of input `index`, which must be there.
    pub fn input(&self, index: usize) -> Result<&'a ValueType, NodeError> {
        self.optional(index).ok_or(NodeError::MissingInput { index })
    }

    pub fn optional(&self, index: usize) -> Option<&'a ValueType> {
        self.inputs.get(index).copied().flatten()
    }

    /// All inputs must have the element type of the first.
    pub fn same_types(&self) -> Result<(), NodeError> {
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
    pub fn list(&self, index: usize) -> Result<Option<Vec<i64>>, NodeError> {
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
    pub fn attribute_or_list(
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
    pub fn axis(&self, name: &str, default: i64, rank: usize) -> Result<usize, NodeError> {
        let axis = self.node.int(name, default)?;
        resolve_axis(axis, rank).ok_or_else(|| self.bad(name, axis, "an axis of the input"))
    }

    pub fn bad(
        &self,
        name: &str,
        got: impl std::fmt::Display,
        expected: &'static str,
    ) -> NodeError {
        NodeError::Attribute { name: name.to_owned(), got: got.to_string(), expected }
    }

    pub fn bad_shape(&self, index: usize, expected: impl Into<String>) -> NodeError {
        let got = self.optional(index).map(|v| v.shape.clone()).unwrap_or_default();
        NodeError::InputShape { index, got, expected: expected.into() }
    }

    /// The output has the type of input 0 and this shape.
    pub fn like_input(&self, shape: Vec<usize>) -> Result<Vec<ValueType>, NodeError> {
        Ok(vec![ValueType { dtype: self.input(0)?.dtype, shape }])
    }
}

/// An axis counted from the end where negative; `None` when out of range.
pub(crate) fn resolve_axis(axis: i64, rank: usize) -> Option<usize> {
    let rank = rank as i64;
    let resolved = if axis < 0 { axis.checked_add(rank)? } else { axis };
    (0..rank).contains(&resolved).then_some(resolved as usize)
}

/// Types of the outputs; `None` where the operator is not known.
pub(crate) fn infer(op: &Op<'_>) -> Result<Option<Vec<ValueType>>, NodeError> {
    if !op.node.is_standard() {
        return Ok(None);
    }
    let types = match op.node.op.as_str() {
        "Conv" => conv::conv(op)?,
        "MaxPool" | "AveragePool" | "LpPool" => conv::pool(op)?,
        "GlobalAveragePool" | "GlobalMaxPool" => conv::global_pool(op)?,
        "Gemm" => matmul::gemm(op)?,
        "MatMul" => matmul::matmul(op)?,
        "LSTM" | "GRU" | "RNN" => recurrent::infer(op)?,
        "BatchNormalization" => elementwise::batch_norm(op)?,
        "InstanceNormalization" | "LayerNormalization" | "LRN" | "GroupNormalization" => {
            elementwise::normalization(op)?
        }
        "Dropout" => elementwise::dropout(op)?,
        "Cast" => elementwise::cast(op)?,
        "DequantizeLinear" | "QuantizeLinear" => elementwise::quantize(op)?,
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Max" | "Min" | "Sum" | "Mean"
        | "PRelu" => elementwise::variadic(op, None)?,
        "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or" | "Xor" => {
            elementwise::variadic(op, Some(DType::Bool))?
        }
        "Where" => elementwise::select(op)?,
        "Shape" => layout::shape(op)?,
        "Reshape" => layout::reshape(op)?,
        "Flatten" => layout::flatten(op)?,
        "Transpose" => layout::transpose(op)?,
        "Squeeze" => layout::squeeze(op)?,
        "Unsqueeze" => layout::unsqueeze(op)?,
        "Concat" => layout::concat(op)?,
        "Split" => layout::split(op)?,
        "Slice" => layout::slice(op)?,
        "Gather" => layout::gather(op)?,
        "Pad" => layout::pad(op)?,
        "Expand" => layout::expand(op)?,
        "ConstantOfShape" => layout::constant_of_shape(op)?,
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1"
        | "ReduceL2" | "ReduceSumSquare" | "ReduceLogSumExp" => reduce::reduce(op)?,
        "ArgMax" | "ArgMin" => reduce::arg(op)?,
        name if elementwise::is_unary(name) => op.like_input(op.input(0)?.shape.clone())?,
        _ => return Ok(None),
    };
    Ok(Some(types))
}

#[cfg(test)]
pub(crate) mod tests;
