//! The whole model's values for one input, which shards are held against.

use anyhow::{Context, ensure};
use quorate_core::plan::Plans;
use quorate_engine::{Engine, Reference};
use quorate_model::tensor::Tensor;

use super::difference::{answer_difference, difference, largest_difference, not_finite};
use crate::bundle::ModelFile;

/// A model run whole on one input.
pub(super) struct Whole {
    /// By value of the plan; `None` for one that the model does not make.
    pub(super) values: Vec<Option<Tensor>>,
    /// The right answers.
    pub(super) outputs: Vec<Tensor>,
    /// Who gave them, and how far off the engine's own are, where another did.
    pub(super) judge: Judge,
    /// What of that is no fault: two engines compute functions to so many digits.
    pub(super) rounding: f64,
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

/// How far apart two engines may be on a whole model, as max|a - b| / max|b|.
const ENGINES_APART: f64 = 1e-3;
/// The same as max|a - b|, where values are small: an exponential less one has
/// no more digits.
const DIGITS_APART: f64 = 1e-6;

/// Is what two engines make of one output as near as can be asked for?
fn is_rounding(own: &Tensor, right: &Tensor) -> bool {
    difference(own, right).is_ok_and(|apart| apart <= ENGINES_APART)
        || largest_difference(own, right) <= DIGITS_APART
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
        let mut rounding = 0.0;
        let (outputs, judge) = match answered {
            None => (own, Judge::Itself),
            Some((name, Ok(outputs))) => {
                let apart = answer_difference(&own, &outputs)?;
                let mut pairs = own.iter().zip(&outputs);
                if apart.is_finite() && pairs.all(|(own, right)| is_rounding(own, right)) {
                    rounding = apart;
                }
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
        Ok(Whole { values, outputs, judge, rounding, notes })
    }
}
