//! The whole model's values for one input, which shards are held against.

use anyhow::{Context, anyhow};
use quorate_core::plan::Plans;
use quorate_engine::Engine;
use quorate_model::model::to_onnx;
use quorate_model::tensor::Tensor;

use super::difference::answer_difference;
use crate::bundle::ModelFile;

/// A model run whole on one input.
pub(super) struct Whole {
    /// By value of the plan; `None` for one that the model does not make.
    pub(super) values: Vec<Option<Tensor>>,
    /// The right answers.
    pub(super) outputs: Vec<Tensor>,
    /// What a person ought to know of these answers.
    pub(super) note: Option<String>,
}

impl Whole {
    /// Runs the file itself for its answers, and the model as it was read for
    /// every value of the plan: with recurrent cells unrolled and normalisation
    /// folded, some of them are in no node of the file.
    pub(super) fn run(
        engine: &dyn Engine,
        model: &ModelFile,
        plans: &Plans,
        inputs: &[Tensor],
    ) -> anyhow::Result<Whole> {
        let read = &model.staged.model;
        let wires = plans.wires();
        let mut task = engine.load_bytes(&model.name, &to_onnx(read, &wires)?)?;
        let mut names = read.graph.outputs.clone();
        names.extend(wires.into_iter().filter(|wire| !read.graph.outputs.contains(wire)));
        let made = task.run(inputs).context("the model as it was read")?;
        let own = made[..read.graph.outputs.len()].to_vec();
        let file = model.task(engine).and_then(|mut task| Ok(task.run(inputs)?));
        let (outputs, note) = right(own, file, plans.tolerance(), !read.graph.cells.is_empty())?;
        let mut values: Vec<Option<Tensor>> = vec![None; plans.values().len()];
        for (value, slot) in plans.values().iter().zip(&mut values) {
            let at = names.iter().position(|name| *name == value.name);
            *slot = at.map(|at| made[at].clone());
        }
        for (tensor, value) in inputs.iter().zip(plans.main().inputs()) {
            values[value.index()] = Some(tensor.clone());
        }
        Ok(Whole { values, outputs, note })
    }
}

/// The right answers: those of the file, if the model as it was read agrees
/// with them. Where they differ and the model is `recurrent`, the model's
/// `own` answers, and a note that says so.
fn right(
    own: Vec<Tensor>,
    file: anyhow::Result<Vec<Tensor>>,
    tolerance: f64,
    recurrent: bool,
) -> anyhow::Result<(Vec<Tensor>, Option<String>)> {
    let unlike = match file.as_ref().map(|outputs| answer_difference(&own, outputs)) {
        Ok(Ok(apart)) if apart <= tolerance => None,
        Ok(Ok(apart)) => {
            Some(anyhow!("it answers {apart:.1e} apart from the model as it was read"))
        }
        Ok(Err(error)) => Some(error),
        Err(error) => Some(anyhow!("{error:#}")),
    };
    match (file, unlike) {
        (Ok(outputs), None) => Ok((outputs, None)),
        // The engine does not run every form of recurrent node, and some it
        // runs wrongly; unrolled they are held against ONNX Runtime by tests.
        (_, Some(why)) if recurrent => {
            let note = format!(
                "the engine cannot vouch for the file's own recurrent nodes ({why}); the model \
                 with them unrolled is taken as right"
            );
            Ok((own, Some(note)))
        }
        (_, Some(why)) => Err(why.context("the file, run whole")),
        (Err(why), None) => Err(why),
    }
}
