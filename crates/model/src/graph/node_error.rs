//! Why a node cannot be understood.

use crate::tensor::{DType, TensorError};

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
