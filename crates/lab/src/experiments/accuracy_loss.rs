//! Accuracy against the share of a layer's data that is lost: what a code is
//! needed for, and that with it nothing is lost.

mod charts;
mod findings;
#[cfg(test)]
mod sample;
mod tables;
mod verdicts;

use anyhow::ensure;
use serde::Deserialize;

use self::findings::Findings;
use crate::accuracy::{Case, Coded, Layer, Loaded, Subject, SubjectSpec, Walk};
use crate::experiment::{Context, Experiment, Outcome};

/// What becomes of the answers when a share of a layer's data is lost.
pub(super) struct AccuracyLoss;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    devices: usize,
    lenet5: SubjectSpec,
    cifar10: SubjectSpec,
    inception: SubjectSpec,
}

/// A model: its key, its title, what is done to it, and how it is loaded.
type Model<'a> =
    (&'static str, &'static str, &'a SubjectSpec, fn(&SubjectSpec) -> anyhow::Result<Loaded>);

impl Spec {
    fn models(&self) -> [Model<'_>; 3] {
        [
            ("lenet5", "LeNet-5", &self.lenet5, Subject::lenet5),
            ("cifar10", "CIFAR-10 CNN", &self.cifar10, Subject::cifar10),
            ("inception", "Inception v3", &self.inception, Subject::inception),
        ]
    }
}

impl Experiment for AccuracyLoss {
    fn name(&self) -> &'static str {
        "accuracy-loss"
    }

    fn title(&self) -> &'static str {
        "Accuracy when a share of a layer's data is lost"
    }

    fn paper(&self) -> &'static str {
        "Figure 2 and section 2: LeNet-5 (10 classes, five layers) and Inception v3 (1,000 \
         classes) when some part of the data within a layer is lost. Losses of more than 70 % a \
         layer are destructive, and the more general model is the more sensitive one. Which \
         layers were damaged, and over how many images, is not said."
    }

    fn spec(&self) -> &'static str {
        include_str!("../../specs/accuracy-loss.toml")
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let spec: Spec = context.spec()?;
        let (mut outcome, mut all) = (Outcome::default(), Vec::new());
        for (model, part) in spec.models().into_iter().zip(0..) {
            let (_, title, subject_spec, load) = model;
            match load(subject_spec)? {
                Loaded::Absent(what) => {
                    outcome.note(format!("{title} was skipped: {what} is not there."));
                }
                Loaded::Ready(subject) => {
                    if let Some(missing) = &subject.note {
                        outcome.note(format!("{title} was run without {missing}."));
                    }
                    all.push(examine(context, model, &subject, (spec.devices, part))?);
                }
            }
        }
        for findings in &all {
            tables::add(findings, &mut outcome);
            charts::add(findings, &mut outcome);
            verdicts::add(findings, &mut outcome);
        }
        charts::compare(&all, &mut outcome);
        verdicts::compare(&all, &mut outcome);
        notes(&spec, &mut outcome);
        Ok(outcome)
    }
}

/// Damages every layer of a model that the spec names, and asks its coded
/// plans.
fn examine(
    context: &mut Context,
    (key, title, spec, _): Model<'_>,
    subject: &Subject,
    (devices, part): (usize, usize),
) -> anyhow::Result<Findings> {
    let layers: Vec<usize> =
        (0..subject.file.staged.stages.len()).step_by(spec.layer_step.max(1)).collect();
    let total = layers.len() + 1 + spec.codes.len();
    let progress = |context: &Context, done: usize, what: &str| {
        context.progress(part * total + done, 3 * total, &format!("{title}: {what}"));
    };
    progress(context, 0, "undamaged");
    let whole = context.step(&format!("{key}-undamaged"), |_| subject.whole())?;
    ensure!(
        whole.is_of(subject),
        "{title}: other images than before: run it anew, without --resume"
    );
    let seed = context.seed();
    let go_on = &|| Ok(());
    let case = Case { subject, whole: &whole, spec, devices, seed, go_on };
    let (mut walk, mut damaged, mut coded) = (Walk::of(&case)?, Vec::new(), Vec::new());
    for (done, &layer) in layers.iter().enumerate() {
        let name = &subject.file.staged.stages[layer].name;
        progress(context, done, &format!("layer {name}"));
        let damage = |context: &mut Context| {
            Layer::damage(&case.while_ok(&|| context.go_on()), &mut walk, layer)
        };
        damaged.push(context.step(&format!("{key}-layer-{layer}"), damage)?);
    }
    drop(walk);
    progress(context, layers.len(), "every layer");
    let everywhere = context.step(&format!("{key}-everywhere"), |context| {
        Layer::everywhere(&case.while_ok(&|| context.go_on()))
    })?;
    for (done, &(data, parity)) in (layers.len() + 1..).zip(&spec.codes) {
        progress(context, done, &format!("{data} + {parity} devices"));
        let rehearse = |context: &mut Context| {
            Coded::rehearse(&case.while_ok(&|| context.go_on()), (data, parity))
        };
        coded.push(context.step(&format!("{key}-coded-{data}+{parity}"), rehearse)?);
    }
    Ok(Findings {
        key,
        title,
        known: (spec.images, spec.right),
        undamaged: (whole.labelled, whole.right),
        layers_in_all: subject.file.staged.stages.len(),
        layers: damaged,
        everywhere,
        coded,
    })
}

/// What a reader has to know of how it was done.
fn notes(spec: &Spec, outcome: &mut Outcome) {
    outcome.note(
        "The paper does not say whether it lost data of one layer at a time or of all. Both were \
         tried: one layer after the other, and devices that are dead from the first layer to the \
         last, so that every layer loses their shards.",
    );
    outcome.note(
        "The paper gives no number for a destructive loss. Here it is one that takes more than \
         half of the right answers, and of losses above 70 % the one of 80 % is looked at, with \
         which all models were tried.",
    );
    outcome.note(format!(
        "Each layer's value, before its activation, is divided by the planner over {} devices, by \
         rows of a fully-connected layer and by channels of a convolution; a layer with fewer \
         rows has fewer shards. The same shards are lost for all images of a draw, and the rest \
         of the model goes on with a substitute. Between the losses that were tried curves are \
         straight.",
        spec.devices
    ));
    outcome.note(
        "Substitutes: zeros; the mean of each row (a neuron's, or a channel's) over images \
         without a look at their labels, which are the first of the test images for LeNet-5 and \
         the CIFAR-10 CNN and parts of other photographs for Inception v3; the nearest shard that \
         did arrive, by number, zeros where none did.",
    );
    outcome.note(
        "With a code every layer loses: as many of the devices that hold data as there are parity \
         devices are dead from the first layer to the last, others for each image. Plans are made \
         by the planner and packed, tasks are run, values gathered and decoded by the code that \
         devices run.",
    );
    outcome.note(
        "Inception v3 is asked about 20 labelled photographs, so that one of them is 5 % of an \
         accuracy, and about parts of photographs without a label, whose answers can only be held \
         against those of the undamaged model.",
    );
}
