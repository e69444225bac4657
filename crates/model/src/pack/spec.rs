//! The task files that are to be made.

use crate::part::Part;
use crate::tensor::DType;

/// A task file to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSpec {
    /// The task's name, and its file's name without extension.
    pub name: String,
    /// What it computes.
    pub work: Work,
}

/// What a task computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// A part of a stage.
    Stage {
        /// Index in [`Staged::stages`](crate::stage::Staged::stages).
        stage: usize,
        /// Which part of it.
        part: Part,
        /// Is the input only what the part reads of it ([`Staged::need`](crate::stage::Staged::need))?
        cut: bool,
    },
    /// The output stage.
    Output,
}

/// A value that a task reads or makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskValue {
    /// Its name in the task's graph.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Full shape.
    pub shape: Vec<usize>,
}
