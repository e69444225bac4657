//! Why a model did not load or run.

use std::path::PathBuf;

use quorate_model::tensor::DType;

/// Why a model did not load or run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine is a library that is not there, or cannot be used.
    #[error("{engine} cannot be used: {reason}")]
    Library {
        /// The engine.
        engine: &'static str,
        /// Why.
        reason: String,
    },
    /// The file could not be read.
    #[error("cannot read model {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The bytes are no model, or one that this engine cannot run.
    #[error("{engine} cannot load model {model}: {reason}")]
    Load {
        /// The engine.
        engine: &'static str,
        /// The model's path or name.
        model: String,
        /// What the engine said.
        reason: String,
    },
    /// An input or output has a type or a shape that cannot be a port's.
    #[error("{engine} cannot load model {model}: port {port} is {got}, expected {expected}")]
    Port {
        /// The engine.
        engine: &'static str,
        /// The model's path or name.
        model: String,
        /// Name of the input or output.
        port: String,
        /// What the model says of it.
        got: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Too few or too many inputs were given.
    #[error("task {model} got {got} inputs, expected {expected}")]
    InputCount {
        /// The model's path or name.
        model: String,
        /// Inputs given.
        got: usize,
        /// Inputs the model has.
        expected: usize,
    },
    /// An input's element type is not its port's.
    #[error("input {port} is {got}, expected {expected}")]
    InputType {
        /// Name of the input.
        port: String,
        /// Type given.
        got: DType,
        /// Type of the port.
        expected: DType,
    },
    /// An input's shape is not its port's.
    #[error("input {port} has shape {got:?}, expected {expected:?}")]
    InputShape {
        /// Name of the input.
        port: String,
        /// Shape given.
        got: Vec<usize>,
        /// Shape of the port.
        expected: Vec<usize>,
    },
    /// The engine failed while it ran the model.
    #[error("task {model} failed: {reason}")]
    Run {
        /// The model's path or name.
        model: String,
        /// What the engine said.
        reason: String,
    },
    /// An output came out unlike its port.
    #[error("output {port} is {got}, expected {expected}")]
    Output {
        /// Name of the output.
        port: String,
        /// Type and shape that came out.
        got: String,
        /// Type and shape of the port.
        expected: String,
    },
}
