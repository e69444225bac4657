//! An engine that runs users' files as they are, to hold answers against.

use std::path::Path;

use quorate_model::tensor::Tensor;

use crate::EngineError;

/// A tensor and the name of the input or output that it is for.
pub type Named = (String, Tensor);

/// Runs a user's file once, as it is: nothing of the program's own reading of it
/// is in the answer.
pub trait Reference {
    /// A short name for reports.
    fn name(&self) -> &str;

    /// The file's outputs, in its order, for these inputs. Their shapes take the
    /// place of dimensions that the file leaves open.
    fn answer(&self, path: &Path, inputs: &[Named]) -> Result<Vec<Named>, EngineError>;
}
