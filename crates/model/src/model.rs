//! Reads an ONNX file into a [`Model`]: a graph whose every value has a type
//! and a full shape.
//!
//! The bytes are not trusted: sizes are bounded by [`Limits`], shapes are
//! inferred again and compared with those declared, and whatever is not
//! understood is an error that names node and operator.

mod branch;
mod build;
mod declared;
mod infer;
mod initializer;
mod inputs;
mod node;
mod section;
mod widen;
mod write;

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use prost::Message;

use crate::graph::{Graph, GraphError, NodeError};
pub use crate::limits::Limits;
use crate::onnx::ModelProto;
use crate::tensor::{DType, TensorError};
pub use write::to_onnx;

/// Oldest version of ONNX's own operators that is read.
pub(crate) const OPSET_MIN: i64 = 6;
/// Newest version of ONNX's own operators that is known.
pub(crate) const OPSET_MAX: i64 = 28;

/// A model, validated and with concrete shapes.
#[derive(Clone, Debug)]
pub struct Model {
    /// The graph: nodes in topological order, constant ones computed.
    pub graph: Graph,
    /// The file's version of the ONNX format.
    pub ir_version: i64,
    /// Version of ONNX's own operators.
    pub opset: i64,
    /// Versions of operator sets by domain, ONNX's own under the empty name.
    pub opsets: BTreeMap<String, i64>,
}

/// What a reader may be told beyond the file itself.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Bounds on the file.
    pub limits: Limits,
    /// Shapes of graph inputs that the file leaves open. They must agree with
    /// the dimensions that it does give.
    pub input_shapes: BTreeMap<String, Vec<usize>>,
    /// Lengths of the dimensions that the file gives names to.
    pub dims: BTreeMap<String, usize>,
    /// Inputs that are one and the same number in every request.
    pub fixed: BTreeMap<String, f64>,
}

/// Gives `length` bytes from `offset` of the file `location`, a relative path
/// without parent folders, for tensors stored beside the model.
pub(crate) type Resolver<'a> = &'a mut dyn FnMut(&str, u64, u64) -> io::Result<Bytes>;

/// Why a file cannot be used as a model.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file is larger than the limit.
    #[error("model has {got} bytes, limit {limit}")]
    TooLarge {
        /// Bytes given.
        got: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The bytes are no ONNX message.
    #[error("not an ONNX model: {why}")]
    Decode {
        /// What protobuf says.
        why: prost::DecodeError,
    },
    /// A part that must be there is missing.
    #[error("model has no {what}")]
    Absent {
        /// The missing part.
        what: &'static str,
    },
    /// More of something than allowed.
    #[error("model has {got} {what}, limit {limit}")]
    TooMany {
        /// What is counted.
        what: &'static str,
        /// Number found.
        got: usize,
        /// Number allowed.
        limit: usize,
    },
    /// The operators' version is not supported.
    #[error("model uses opset {got}, supported are {min} to {max}")]
    Opset {
        /// Version found.
        got: i64,
        /// Oldest supported.
        min: i64,
        /// Newest supported.
        max: i64,
    },
    /// A feature of ONNX that is not supported.
    #[error("{what} are not supported{at}")]
    Unsupported {
        /// The feature, in plural.
        what: &'static str,
        /// Where: empty, or " (node ...)".
        at: String,
    },
    /// The graph is not well formed.
    #[error(transparent)]
    Graph {
        /// What is wrong.
        #[from]
        why: GraphError,
    },
    /// A value's type is missing, or no tensor of a supported element type.
    #[error("value {value} has element type {got}, which is not supported")]
    Type {
        /// The value.
        value: String,
        /// What the file says.
        got: String,
    },
    /// A graph input has dimensions that only the user can know.
    #[error(
        "input {input} has the open shape [{shape}]{why}: give it with --shape {input}={example}"
    )]
    OpenShape {
        /// The input.
        input: String,
        /// Its shape in the file: names, or "?", for what it leaves open.
        shape: String,
        /// Why a first dimension is not taken as a batch of 1; may be empty.
        why: &'static str,
        /// A shape that would do, with a word for what only the user knows.
        example: String,
    },
    /// A length is given for a dimension that no input has.
    #[error("no input has a dimension {name} (they have {known})")]
    NoDim {
        /// The name given.
        name: String,
        /// Names that there are.
        known: String,
    },
    /// A given shape is for no input, or contradicts the file.
    #[error("shape {given:?} given for input {input} does not fit [{shape}]")]
    GivenShape {
        /// The input.
        input: String,
        /// The shape given.
        given: Vec<usize>,
        /// The input's shape in the file, or "no such input".
        shape: String,
    },
    /// A shape is beyond the limits or has an empty dimension.
    #[error("value {value} has shape {shape:?}, which is empty or beyond the limits")]
    Shape {
        /// The value.
        value: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// The file declares another type than follows from the operators.
    #[error("value {value} is declared {declared}, but is {inferred}")]
    Contradiction {
        /// The value.
        value: String,
        /// Type and shape in the file.
        declared: String,
        /// Type and shape that follow.
        inferred: String,
    },
    /// A node cannot be understood.
    #[error("node {node} ({op}): {why}")]
    Node {
        /// The node's name.
        node: String,
        /// Its operator.
        op: String,
        /// What is wrong.
        why: NodeError,
    },
    /// An operator is unknown and the file does not declare its outputs.
    #[error(
        "node {node}: operator {op} is not known, and the file gives no full shape for {value}"
    )]
    UnknownOp {
        /// The node's name.
        node: String,
        /// Its operator, with domain.
        op: String,
        /// The output without a shape.
        value: String,
    },
    /// An initializer's bytes and shape do not fit together.
    #[error("initializer {name}: {why}")]
    Initializer {
        /// The initializer.
        name: String,
        /// What is wrong.
        why: TensorError,
    },
    /// An initializer is malformed in another way.
    #[error("initializer {name}: {what}")]
    InitializerForm {
        /// The initializer.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// An initializer lies in another file, and nothing can read it.
    #[error("initializer {name} lies in the file {location}, which was not given")]
    External {
        /// The initializer.
        name: String,
        /// The other file.
        location: String,
    },
    /// An initializer's other file could not be read.
    #[error("initializer {name}: reading {location}: {why}")]
    ExternalRead {
        /// The initializer.
        name: String,
        /// The other file.
        location: String,
        /// What the resolver says.
        why: io::Error,
    },
}

impl Model {
    /// Reads a model that is complete in `bytes`. Weights are not copied: the
    /// model's tensors share the buffer.
    ///
    /// The first dimension of an input, where open, is the batch and becomes 1,
    /// but where its name or a recurrent node says that it is the time.
    pub fn read(bytes: Bytes, limits: &Limits) -> Result<Model, ModelError> {
        let options = ReadOptions { limits: limits.clone(), ..ReadOptions::default() };
        Model::read_with(bytes, &options)
    }

    /// Reads a model that is complete in `bytes`, with shapes for its inputs.
    pub fn read_with(bytes: Bytes, options: &ReadOptions) -> Result<Model, ModelError> {
        Model::read_from(bytes, options, None)
    }

    /// Reads a model whose tensors may lie in other files, which `resolver`
    /// reads.
    pub fn read_external(
        bytes: Bytes,
        options: &ReadOptions,
        resolver: Resolver<'_>,
    ) -> Result<Model, ModelError> {
        Model::read_from(bytes, options, Some(resolver))
    }

    fn read_from(
        bytes: Bytes,
        options: &ReadOptions,
        resolver: Option<Resolver<'_>>,
    ) -> Result<Model, ModelError> {
        let limit = options.limits.model_bytes;
        if bytes.len() > limit {
            return Err(ModelError::TooLarge { got: bytes.len(), limit });
        }
        let proto = ModelProto::decode(bytes).map_err(|why| ModelError::Decode { why })?;
        build::build(proto, options, resolver)
    }
}

/// `f32 [1, 3]`, for messages.
fn describe(dtype: DType, shape: &[usize]) -> String {
    format!("{dtype} {shape:?}")
}

#[cfg(test)]
mod tests;
