//! What a simulation's tasks make.

use std::sync::Arc;

use quorate_core::gather::Gathered;
use quorate_core::plan::Plans;
use quorate_core::worker::TaskId;
use quorate_model::tensor::Tensor;

/// A planned model whose tasks can be run: really, or for their sizes alone.
pub trait Shards {
    /// The plans that are played.
    fn plans(&self) -> &Arc<Plans>;

    /// The plans of a version of the bundle: of the first, all.
    fn version(&self, version: usize) -> &Arc<Plans> {
        debug_assert_eq!(version, 0, "there is one");
        self.plans()
    }

    /// The inputs of the request `index`.
    fn inputs(&self, index: usize) -> Vec<Tensor>;

    /// What a task of this device makes; an error where it cannot be run.
    fn run(
        &mut self,
        device: usize,
        task: TaskId,
        inputs: &[Arc<Gathered>],
    ) -> Result<Vec<Tensor>, String>;

    /// What the gateway's last glue makes.
    fn glue(&mut self, inputs: &[Arc<Gathered>]) -> Result<Vec<Tensor>, String>;

    /// How far the outputs of the request `index` are from what is right:
    /// max|a - b| / max|b|, the worst of all outputs.
    fn error(&self, index: usize, outputs: &[Tensor]) -> f64;
}

impl<S: Shards> Shards for &mut S {
    fn plans(&self) -> &Arc<Plans> {
        (**self).plans()
    }

    fn version(&self, version: usize) -> &Arc<Plans> {
        (**self).version(version)
    }

    fn inputs(&self, index: usize) -> Vec<Tensor> {
        (**self).inputs(index)
    }

    fn run(
        &mut self,
        device: usize,
        task: TaskId,
        inputs: &[Arc<Gathered>],
    ) -> Result<Vec<Tensor>, String> {
        (**self).run(device, task, inputs)
    }

    fn glue(&mut self, inputs: &[Arc<Gathered>]) -> Result<Vec<Tensor>, String> {
        (**self).glue(inputs)
    }

    fn error(&self, index: usize, outputs: &[Tensor]) -> f64 {
        (**self).error(index, outputs)
    }
}
