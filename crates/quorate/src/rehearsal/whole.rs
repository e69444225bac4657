//! The whole model's values for one input, which shards are held against.

use anyhow::{Context, ensure};
use prost::Message;
use quorate_core::plan::Plans;
use quorate_engine::{Engine, Reference};
use quorate_model::model::to_onnx;
use quorate_model::onnx::ModelProto;
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

/// What inputs and weights are moved by, to see what becomes of answers.
const STEP: f64 = 1e-6;
/// Ways in which they are moved.
const WAYS: usize = 5;

/// An answer that moves by this much then is no ground for a judgement.
const SHAKEN: f64 = 1e-4;

/// Why findings that are not good say nothing: where the model itself answers
/// quite otherwise to nearly the same input with nearly the same weights, answers
/// can not be compared on it.
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
        "the whole model's own answers move by {shaken:.1e} when this input and the weights move \
         by {STEP:.0e}, so {worst:.1e} says nothing"
    );
    Ok((shaken >= SHAKEN && shaken >= worst / 10.0).then_some(words))
}

/// How far the model's answers move when its input and its weights move by 1e-6
/// of themselves, at most of several ways: max|a - b| / max|b|. Where that is
/// much, answers that were computed in another order say little of each other.
fn sensitivity(engine: &dyn Engine, model: &ModelFile, inputs: &[Tensor]) -> anyhow::Result<f64> {
    let whole = to_onnx(&model.staged.model, &[])?;
    let before = engine.load_bytes(&model.name, &whole)?.run(inputs)?;
    let (mut random, mut worst) = (SplitMix::new(1), 0.0f64);
    for _ in 0..WAYS {
        let mut step = || if random.below(2) == 0 { 1.0 + STEP } else { 1.0 - STEP };
        let moved: Vec<Tensor> =
            inputs.iter().map(|input| moved(input, &mut step)).collect::<anyhow::Result<_>>()?;
        let file = with_moved_weights(&whole, &mut step)?;
        let after = engine.load_bytes(&model.name, &file)?.run(&moved)?;
        worst = worst.max(answer_difference(&after, &before)?);
    }
    Ok(worst)
}

/// A tensor of floats, each times a factor; any other as it is.
fn moved(tensor: &Tensor, factor: &mut dyn FnMut() -> f64) -> anyhow::Result<Tensor> {
    if tensor.dtype() != DType::F32 {
        return Ok(tensor.clone());
    }
    let values: Vec<f64> = tensor.to_numbers().into_iter().map(|v| v * factor()).collect();
    Ok(Tensor::from_numbers(DType::F32, tensor.shape().to_vec(), &values)?)
}

/// A model whose f32 constants are each times a factor.
fn with_moved_weights(model: &[u8], factor: &mut dyn FnMut() -> f64) -> anyhow::Result<Vec<u8>> {
    let mut file = ModelProto::decode(model)?;
    let constants = file.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
    for tensor in constants.filter(|t| t.data_type == Some(DType::F32.onnx())) {
        let Some(data) = &tensor.raw_data else { continue };
        let number = |b: &[u8]| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let values = data.chunks_exact(4).map(|bytes| (number(bytes) * factor()) as f32);
        tensor.raw_data = Some(values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>().into());
    }
    Ok(file.encode_to_vec())
}
