//! The whole model's values for one input, which shards are held against.

use anyhow::{Context, ensure};
use quorate_core::plan::Plans;
use quorate_engine::{Engine, Reference};
use quorate_model::tensor::{DType, Tensor};

use super::difference::{answer_difference, not_finite};
use super::finding::Finding;
use crate::bundle::ModelFile;
use crate::random::SplitMix;

/// A model run whole on one input.
pub(super) struct Whole {
    /// By value of the plan; `None` for one that the model does not make.
    pub(super) values: Vec<Option<Tensor>>,
    /// The right answers.
    pub(super) outputs: Vec<Tensor>,
    /// Who gave them, and how far off the engine's own are, where another did.
    pub(super) judge: Judge,
    /// What a person ought to know of these answers.
    pub(super) notes: Vec<String>,
}

/// Whose answers are taken as right.
#[derive(Clone, Debug, PartialEq)]
pub enum Judge {
    /// The engine that runs the tasks: its operators were proven before, but
    /// nothing else speaks for this very model.
    Itself,
    /// Another engine, which ran the file as it is.
    Other {
        /// Its name.
        name: String,
        /// max|a - b| / max|b| of the whole model by the engine that runs tasks.
        apart: f64,
    },
}

impl Whole {
    /// Has `reference` answer by the file itself, where there is one, and runs
    /// the model as it was read for every value of the plan: what was said
    /// plainly or unrolled is in no node of the file.
    pub(super) fn run(
        engine: &dyn Engine,
        reference: Option<&dyn Reference>,
        model: &ModelFile,
        plans: &Plans,
        inputs: &[Tensor],
    ) -> anyhow::Result<Whole> {
        let graph = &model.staged.model.graph;
        let wires = plans.wires();
        let mut task = model.task(engine, &wires)?;
        let mut names = graph.outputs.clone();
        names.extend(wires.into_iter().filter(|wire| !graph.outputs.contains(wire)));
        let made = task.run(inputs).context("the model as it was read")?;
        let own = made[..graph.outputs.len()].to_vec();
        let mut notes = Vec::new();
        let answered = reference.map(|other| (other.name(), model.answer(other, inputs)));
        let (outputs, judge) = match answered {
            None => (own, Judge::Itself),
            Some((name, Ok(outputs))) => {
                let apart = answer_difference(&own, &outputs)?;
                (outputs, Judge::Other { name: name.to_owned(), apart })
            }
            Some((name, Err(error))) => {
                notes.push(format!("{name} does not run the file ({error:#})"));
                (own, Judge::Itself)
            }
        };
        let mut values: Vec<Option<Tensor>> = vec![None; plans.values().len()];
        for (value, slot) in plans.values().iter().zip(&mut values) {
            let at = names.iter().position(|name| *name == value.name);
            *slot = at.map(|at| made[at].clone());
        }
        for (tensor, value) in inputs.iter().zip(plans.main().inputs()) {
            values[value.index()] = Some(tensor.clone());
        }
        for (value, tensor) in plans.values().iter().zip(&values) {
            let Some(tensor) = tensor else { continue };
            let (bad, all) = (not_finite(tensor), tensor.elements());
            ensure!(
                bad == 0,
                "{bad} of {all} numbers of value {} are infinite or no numbers on this input, \
                 which no code repairs: give a real input with --input",
                value.name
            );
        }
        for (name, tensor) in graph.outputs.iter().zip(&outputs) {
            let (bad, all) = (not_finite(tensor), tensor.elements());
            if bad > 0 {
                notes.push(format!(
                    "{bad} of {all} numbers of output {name} are infinite or no numbers (NaN) on \
                     this input: a real one, given with --input, says more"
                ));
            }
        }
        Ok(Whole { values, outputs, judge, notes })
    }
}

/// An answer that moves by this much when its input moves by 1e-6 is no ground
/// for a judgement.
const SHAKEN: f64 = 1e-4;

/// Why findings that are not good say nothing: where the model itself answers
/// quite otherwise to nearly the same input, answers can not be compared on it.
pub fn doubt(
    engine: &dyn Engine,
    model: &ModelFile,
    inputs: &[Tensor],
    findings: &[Finding],
) -> anyhow::Result<Option<String>> {
    if findings.iter().all(Finding::is_good) {
        return Ok(None);
    }
    let shaken = sensitivity(engine, model, inputs)?;
    let worst = findings.iter().map(|f| f.error).fold(0.0, f64::max);
    let words = format!(
        "the whole model's own answers move by {shaken:.1e} when this input moves by 1e-6, so \
         {worst:.1e} says nothing"
    );
    Ok((shaken >= SHAKEN && shaken >= worst / 10.0).then_some(words))
}

/// How far the model's answers move when its input moves by 1e-6 of itself:
/// max|a - b| / max|b|. Where that is much, answers say little of each other.
fn sensitivity(engine: &dyn Engine, model: &ModelFile, inputs: &[Tensor]) -> anyhow::Result<f64> {
    let mut random = SplitMix::new(1);
    let mut moved = Vec::with_capacity(inputs.len());
    for tensor in inputs {
        if tensor.dtype() != DType::F32 {
            moved.push(tensor.clone());
            continue;
        }
        let mut step = || if random.below(2) == 0 { 1e-6 } else { -1e-6 };
        let values: Vec<f64> = tensor.to_numbers().into_iter().map(|v| v + v * step()).collect();
        moved.push(Tensor::from_numbers(DType::F32, tensor.shape().to_vec(), &values)?);
    }
    let mut task = model.task(engine, &[])?;
    let (before, after) = (task.run(inputs)?, task.run(&moved)?);
    answer_difference(&after, &before)
}
