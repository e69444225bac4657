//! Runs a task file on this machine.
//!
//! A task file is an ordinary ONNX file; its weights may lie beside it as
//! external data. Everything that runs one does so behind two traits:
//!
//! ```text
//! Engine --load(path)--> Task --run(inputs)--> outputs
//! ```
//!
//! [`Tract`] is the engine that is always there, `OnnxRuntime` one that is used
//! where its library is installed. A [`Reference`] runs users' files as they are.
//!
//! Invariants: a task never sees an input whose type or shape differs from its
//! port's; a file or an input that an engine cannot handle ends in an
//! [`EngineError`], never in a panic.

mod error;
#[cfg(feature = "onnxruntime")]
mod onnx_runtime;
mod port;
mod reference;
mod tract;
mod unwind;

use std::path::Path;

use quorate_model::tensor::Tensor;

pub use error::EngineError;
#[cfg(feature = "onnxruntime")]
pub use onnx_runtime::OnnxRuntime;
pub use port::Port;
pub use reference::{Named, Reference};
pub use tract::Tract;

/// Something that can load model files and run them.
pub trait Engine: Send + Sync {
    /// A short name for logs and reports.
    fn name(&self) -> &str;

    /// Is a node of this form ([`quorate_model::form`]) known to come out right?
    fn is_proven(&self, form: &str) -> bool;

    /// Loads the model at `path`. External data is looked up in its folder.
    fn load(&self, path: &Path) -> Result<Box<dyn Task>, EngineError>;

    /// Loads a model that carries all its weights itself. `name` stands in
    /// error messages where a path would.
    fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Box<dyn Task>, EngineError>;
}

/// A loaded model, ready to run as often as asked.
pub trait Task: Send {
    /// What [`Task::run`] takes, in this order.
    fn inputs(&self) -> &[Port];

    /// What [`Task::run`] gives, in this order.
    fn outputs(&self) -> &[Port];

    /// Runs the model once. A failed run leaves the task as it was.
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError>;
}
