//! Why files cannot be made.

use std::io;

use quorate_code::CodeError;

use crate::part::PartError;
use crate::tensor::TensorError;

/// Why files cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A name that cannot be a file's, or that two tasks have.
    #[error("{name:?} cannot name a file here: {what}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// There is no such stage.
    #[error("task {task} is for stage {got}, the model has {limit}")]
    Stage {
        /// The task.
        task: String,
        /// Stage asked for.
        got: usize,
        /// Number of stages.
        limit: usize,
    },
    /// There is no such task.
    #[error("task {got} of {limit}")]
    Task {
        /// Task asked for.
        got: usize,
        /// Number of tasks.
        limit: usize,
    },
    /// A part does not fit its layer.
    #[error(transparent)]
    Part {
        /// What is wrong.
        #[from]
        why: PartError,
    },
    /// A parity's code does not fit its shards.
    #[error(transparent)]
    Code {
        /// What is wrong.
        #[from]
        why: CodeError,
    },
    /// A constant is not what the layer said.
    #[error("initializer {name}: {why}")]
    Initializer {
        /// The initializer.
        name: String,
        /// What is wrong.
        why: TensorError,
    },
    /// The model's graph has lost a value.
    #[error("value {name} is not in the model")]
    Absent {
        /// The value.
        name: String,
    },
    /// The weights file could not be written.
    #[error("writing weights: {why}")]
    Write {
        /// What the writer says.
        why: io::Error,
    },
}
