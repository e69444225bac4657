//! The engine that is always there: tract, pure Rust.

mod axes;
mod convert;
mod erf;
mod extreme;
mod load;
mod pieces;
mod proven;
mod reversed;
mod stride;
mod weights;

use std::path::Path;

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
        let loaded = loaded.map_err(failed)??;
        let states = spawned(&loaded).map_err(|e| failed(format!("{e:#}")))?;
        let executor = self.executor.clone();
        Ok(Box::new(TractTask { model, loaded, states, executor }))
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

/// What operators keep from one run to the next, by piece.
fn spawned(loaded: &load::Loaded) -> TractResult<Vec<TypedSimpleState>> {
    loaded.pieces.iter().map(|piece| piece.plan.spawn()).collect()
}

/// A model in tract's optimised form.
struct TractTask {
    model: String,
    loaded: load::Loaded,
    states: Vec<TypedSimpleState>,
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
        let (loaded, states) = (&self.loaded, &mut self.states);
        let executor = self.executor.clone();
        let run = || multithread_tract_scope(executor, || run_pieces(loaded, states, values));
        let outputs = unwind(run)
            .map_err(|reason| self.failed(reason))?
            .map_err(|e| self.failed(format!("{e:#}")))?;
        let ports = self.loaded.outputs.iter();
        if outputs.len() != ports.len() {
            let (got, expected) = (outputs.len(), ports.len());
            return Err(self.failed(format!("{got} outputs, expected {expected}")));
        }
        ports.zip(outputs).map(|(port, v)| convert::from_tract(port, v)).collect()
    }
}

/// Runs one piece after the other; the model's outputs.
fn run_pieces(
    loaded: &load::Loaded,
    states: &mut [TypedSimpleState],
    inputs: TVec<TValue>,
) -> TractResult<TVec<TValue>> {
    let mut values: Vec<Option<TValue>> = inputs.into_iter().map(Some).collect();
    values.resize(loaded.values, None);
    for (piece, state) in loaded.pieces.iter().zip(states) {
        let take = |(value, is_last): &(usize, bool)| {
            let value = &mut values[*value];
            let taken = if *is_last { value.take() } else { value.clone() };
            taken.ok_or_else(|| TractError::msg("a value that no piece has made"))
        };
        let taken = piece.takes.iter().map(take).collect::<TractResult<TVec<TValue>>>()?;
        for (value, made) in piece.gives.iter().zip(state.run(taken)?) {
            values[*value] = Some(convert::plain(made)?);
        }
    }
    let missing = || TractError::msg("an output that no piece has made");
    let end = |value: &usize| values[*value].clone().ok_or_else(missing);
    loaded.ends.iter().map(end).collect()
}

impl Task for TractTask {
    fn inputs(&self) -> &[Port] {
        &self.loaded.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.loaded.outputs
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        check_inputs(&self.model, &self.loaded.inputs, inputs)?;
        let result = self.run_state(inputs);
        if result.is_err() {
            // The failed run may have left half of its values behind.
            self.states = spawned(&self.loaded).map_err(|e| self.failed(format!("{e:#}")))?;
        }
        result
    }
}
