//! The engine that is always there: tract, pure Rust.

mod convert;
mod erf;
mod extreme;
mod load;
mod proven;
mod reversed;
mod stride;

use std::path::Path;
use std::sync::Arc;

use quorate_model::tensor::Tensor;
use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::prelude::*;

use crate::port::check_inputs;
use crate::unwind::unwind;
use crate::{Engine, EngineError, Port, Task};

const NAME: &str = "tract";

/// The tract engine.
///
/// A symbolic leading dimension of an input is taken as a batch of one. Any
/// other symbolic dimension is an error.
#[derive(Clone, Debug, Default)]
pub struct Tract {
    executor: Executor,
}

impl Tract {
    /// The engine with so many threads for a task; by default it has one. What
    /// comes out is the same to the bit.
    pub fn on_threads(count: usize) -> Tract {
        let executor = match count {
            0 | 1 => Executor::SingleThread,
            count => Executor::multithread(count),
        };
        Tract { executor }
    }

    fn task(
        &self,
        model: String,
        bytes: &[u8],
        folder: Option<&Path>,
    ) -> Result<Box<dyn Task>, EngineError> {
        let loaded = unwind(|| load::load(&model, bytes, folder));
        let failed = |reason| EngineError::Load { engine: NAME, model: model.clone(), reason };
        let load::Loaded { inputs, outputs, plan } = loaded.map_err(failed)??;
        let state = plan.spawn().map_err(|e| failed(format!("{e:#}")))?;
        let executor = self.executor.clone();
        Ok(Box::new(TractTask { model, inputs, outputs, plan, state, executor }))
    }
}

impl Engine for Tract {
    fn name(&self) -> &str {
        NAME
    }

    fn is_proven(&self, form: &str) -> bool {
        proven::is_proven(form)
    }

    fn load(&self, path: &Path) -> Result<Box<dyn Task>, EngineError> {
        let bytes = std::fs::read(path)
            .map_err(|source| EngineError::Read { path: path.to_owned(), source })?;
        self.task(path.display().to_string(), &bytes, path.parent())
    }

    fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Box<dyn Task>, EngineError> {
        self.task(name.to_owned(), bytes, None)
    }
}

/// A model in tract's optimised form.
struct TractTask {
    model: String,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    plan: Arc<TypedSimplePlan>,
    /// What operators keep from one run to the next.
    state: TypedSimpleState,
    executor: Executor,
}

impl TractTask {
    fn failed(&self, reason: String) -> EngineError {
        EngineError::Run { model: self.model.clone(), reason }
    }

    fn run_state(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        let values = inputs
            .iter()
            .map(|t| convert::to_tract(t).map(TValue::from))
            .collect::<TractResult<TVec<TValue>>>()
            .map_err(|e| self.failed(format!("{e:#}")))?;
        let run = || multithread_tract_scope(self.executor.clone(), || self.state.run(values));
        let outputs = unwind(run)
            .map_err(|reason| self.failed(reason))?
            .map_err(|e| self.failed(format!("{e:#}")))?;
        if outputs.len() != self.outputs.len() {
            let (got, expected) = (outputs.len(), self.outputs.len());
            return Err(self.failed(format!("{got} outputs, expected {expected}")));
        }
        self.outputs.iter().zip(outputs).map(|(port, v)| convert::from_tract(port, v)).collect()
    }
}

impl Task for TractTask {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        check_inputs(&self.model, &self.inputs, inputs)?;
        let result = self.run_state(inputs);
        if result.is_err() {
            // The failed run may have left half of its values behind.
            self.state = self.plan.spawn().map_err(|e| self.failed(format!("{e:#}")))?;
        }
        result
    }
}
