//! A layer that loses shards.

use anyhow::Context;
use quorate_code::ShardSet;
use quorate_core::id::StageId;
use quorate_core::planner::{self, PlanRequest};
use quorate_model::stage::Stage;
use quorate_model::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::answers::top;
use super::case::Case;
use super::damage::{Rows, Substitute};
use super::draw::patterns;
use super::walk::Walk;
use crate::lanes::in_lanes;

/// What the loss of shards of one layer did to the answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Layer {
    /// The layer's name.
    pub(crate) name: String,
    /// Its number in the model's order, from 1; 0 for all layers as one.
    pub(crate) number: usize,
    /// Shards that it was divided into.
    pub(crate) shards: usize,
    /// Images with a label.
    pub(crate) labelled: usize,
    /// Images in all.
    pub(crate) images: usize,
    /// How many answers are right while nothing is lost.
    pub(crate) right: usize,
    /// A point for each substitute and number of lost shards.
    pub(crate) points: Vec<Point>,
}

/// What the loss of so many shards did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Point {
    /// What stood in for them.
    pub(crate) substitute: Substitute,
    /// How many were lost.
    pub(crate) lost: usize,
    /// The share of the layer's values that they were, on average.
    pub(crate) share: f64,
    /// Right answers to images with a label, for each choice of shards.
    pub(crate) right: Vec<usize>,
    /// Answers as without a loss, to all images, for each choice of shards.
    pub(crate) same: Vec<usize>,
}

/// One choice of lost shards.
struct Trial {
    substitute: Substitute,
    lost: ShardSet,
}

/// Right answers, and those as without a loss.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) right: usize,
    pub(super) same: usize,
}

impl Tally {
    /// Counts the answer to an image.
    pub(super) fn add(&mut self, case: &Case<'_>, image: usize, answer: usize) {
        self.right += usize::from(case.is_right(image, answer));
        self.same += usize::from(case.is_same(image, answer));
    }

    /// Both together.
    pub(super) fn and(self, other: Tally) -> Tally {
        Tally { right: self.right + other.right, same: self.same + other.same }
    }
}

impl Walk {
    /// The images that go through damaged layers.
    pub(crate) fn of(case: &Case<'_>) -> anyhow::Result<Walk> {
        let images = case.images(case.spec.damaged);
        let inputs = images.iter().map(|&image| case.subject.images[image].input.clone());
        Walk::new(case.subject.file.staged.model.clone(), inputs)
    }
}

impl Layer {
    /// Walks on to the layer `index` and loses what the case says of it.
    pub(crate) fn damage(case: &Case<'_>, walk: &mut Walk, index: usize) -> anyhow::Result<Layer> {
        let staged = &case.subject.file.staged;
        let stage = staged.stages.get(index).with_context(|| format!("no layer {index}"))?;
        let value = &staged.values[stage.value].name;
        let rows = divisions(case)?.swap_remove(index);
        walk.to(value)?;
        let images = case.images(case.spec.damaged);
        let trials = trials(case, &rows, index);
        let tallies = run(case, walk, value, &rows, &trials)?;
        let (name, number) = (stage.name.as_str(), index + 1);
        let layer = Layer::undamaged(case, (name, number), rows.shards.len(), &images);
        Ok(layer.with(points(&rows, &trials, &tallies)))
    }

    /// A layer of so many shards that has lost nothing yet.
    pub(super) fn undamaged(
        case: &Case<'_>,
        (name, number): (&str, usize),
        shards: usize,
        images: &[usize],
    ) -> Layer {
        let is_right = |image: &&usize| case.is_right(**image, case.whole.answers[**image]);
        let (labelled, right) = (case.labelled(images), images.iter().filter(is_right).count());
        let (name, points) = (name.to_owned(), Vec::new());
        Layer { name, number, shards, labelled, images: images.len(), right, points }
    }

    /// The same with these points.
    pub(super) fn with(self, points: Vec<Point>) -> Layer {
        Layer { points, ..self }
    }
}

/// How each layer is divided, by the planner.
pub(super) fn divisions(case: &Case<'_>) -> anyhow::Result<Vec<Rows>> {
    let (file, staged) = (&case.subject.file, &case.subject.file.staged);
    let request = PlanRequest::local(&file.name, &file.sha256, case.devices, 0)?;
    let request = PlanRequest { fewest_devices: case.devices, ..request };
    let plans = planner::even(staged, &request)?;
    let rows = |(index, stage): (usize, &Stage)| {
        let division = &plans.main().stage_sharding(StageId(index as u16)).division;
        let value = &staged.values[stage.value];
        let region = |shard: usize| division.region(&value.shape, value.axis, shard);
        let shards = (0..division.shards()).map(|shard| region(shard)[value.axis].clone());
        Rows::new(&value.shape, value.axis, shards.collect())
    };
    Ok(staged.stages.iter().enumerate().map(rows).collect())
}

/// Every choice of shards that is tried. Substitutes are tried on the same
/// choices, as far as they have as many.
fn trials(case: &Case<'_>, rows: &Rows, index: usize) -> Vec<Trial> {
    let (shards, seed) = (rows.shards.len(), case.seed.wrapping_add(1000 * index as u64));
    let mut trials = Vec::new();
    for substitute in Substitute::ALL {
        let losses = case.spec.losses(substitute);
        let mut counts: Vec<usize> =
            losses.lost.iter().map(|lost| scaled(*lost, shards, case.devices)).collect();
        counts.dedup();
        for count in counts {
            let drawn = patterns(seed.wrapping_add(count as u64), shards, count, losses.draws);
            trials.extend(drawn.into_iter().map(|lost| Trial { substitute, lost }));
        }
    }
    trials
}

/// As large a part of `shards` as `lost` is of `devices`, and at least one: a
/// layer with few rows has fewer shards than there are devices.
fn scaled(lost: usize, shards: usize, devices: usize) -> usize {
    ((2 * lost * shards + devices) / (2 * devices)).clamp(1, shards)
}

/// Each row's mean over the images that means are taken over: those without a
/// label where there are any.
fn means(
    walk: &Walk,
    at: usize,
    from: usize,
    count: usize,
    rows: &Rows,
) -> anyhow::Result<Vec<f32>> {
    let images = from..walk.images().min(from + count);
    let lanes = in_lanes(images.len(), |range| {
        let mut sums = vec![0.0; rows.count];
        for image in range {
            rows.add_up(&walk.values(from + image)[at].to_f32()?, &mut sums);
        }
        Ok(sums)
    })?;
    let values = (images.len() * rows.outer * rows.inner).max(1) as f64;
    let sum = |row: usize| lanes.iter().map(|sums| sums[row]).sum::<f64>();
    Ok((0..rows.count).map(|row| (sum(row) / values) as f32).collect())
}

/// Answers all images with the loss of each trial.
fn run(
    case: &Case<'_>,
    walk: &Walk,
    value: &str,
    rows: &Rows,
    trials: &[Trial],
) -> anyhow::Result<Vec<Tally>> {
    let (rest, images) = (walk.rest(value)?, case.images(case.spec.damaged));
    let labelled = case.labelled(&images);
    let unlabelled = if labelled == images.len() { 0 } else { labelled };
    let means = means(walk, rest.at, unlabelled, case.spec.calibration, rows)?;
    let lanes = in_lanes(images.len(), |range| {
        let mut task = rest.load()?;
        let mut tallies = vec![Tally::default(); trials.len()];
        for at in range {
            (case.go_on)()?;
            let mut values = walk.values(at).to_vec();
            let (shape, intact) = (values[rest.at].shape().to_vec(), values[rest.at].to_f32()?);
            let mut damaged = intact.clone();
            for (trial, tally) in trials.iter().zip(&mut tallies) {
                damaged.copy_from_slice(&intact);
                rows.damage(&mut damaged, trial.lost, trial.substitute, &means);
                values[rest.at] = Tensor::from_f32(shape.clone(), &damaged)?;
                let answer = top(&task.run(&values)?)?;
                tally.add(case, images[at], answer);
            }
        }
        Ok(tallies)
    })?;
    let sum = |trial| lanes.iter().map(|lane| lane[trial]).fold(Tally::default(), Tally::and);
    Ok((0..trials.len()).map(sum).collect())
}

/// The trials of one substitute and number of lost shards together.
fn points(rows: &Rows, trials: &[Trial], tallies: &[Tally]) -> Vec<Point> {
    let same = |a: &(&Trial, &Tally), b: &(&Trial, &Tally)| {
        a.0.substitute == b.0.substitute && a.0.lost.len() == b.0.lost.len()
    };
    let all: Vec<(&Trial, &Tally)> = trials.iter().zip(tallies).collect();
    let point = |group: &[(&Trial, &Tally)]| {
        let shares = group.iter().map(|(trial, _)| rows.share(trial.lost));
        Point {
            substitute: group[0].0.substitute,
            lost: group[0].0.lost.len(),
            share: shares.sum::<f64>() / group.len() as f64,
            right: group.iter().map(|(_, tally)| tally.right).collect(),
            same: group.iter().map(|(_, tally)| tally.same).collect(),
        }
    };
    all.chunk_by(same).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::super::case::tests::with_lenet;
    use super::*;

    #[test]
    fn a_layer_of_lenet_that_is_all_lost_tells_nothing() {
        with_lenet(|case| {
            let mut walk = Walk::of(case).unwrap();
            let last = case.subject.file.staged.stages.len() - 1;
            // Zeros for all outputs: the first class, which no other answer is.
            let first = (0..20).filter(|&image| case.is_right(image, 0)).count();
            for (index, shards) in [(0, 6), (last, 10)] {
                let layer = Layer::damage(case, &mut walk, index).unwrap();
                assert_eq!((layer.shards, layer.labelled, layer.right), (shards, 20, 20));
                let find = |substitute, lost| {
                    let mut points = layer.points.iter();
                    points.find(|p| p.substitute == substitute && p.lost == lost).unwrap()
                };
                let (one, all) = (find(Substitute::Zero, 1), find(Substitute::Zero, shards));
                assert_eq!((one.right.len(), all.right.len(), all.share), (2, 1, 1.0));
                assert!(one.right.iter().all(|right| *right > all.right[0]), "{one:?} {all:?}");
                assert_eq!(all.right, all.same);
                assert!(index != last || all.right == [first], "{all:?}");
                find(Substitute::Mean, shards);
                find(Substitute::Nearest, shards.div_ceil(2));
            }
        });
    }

    #[test]
    fn layers_with_few_shards_lose_as_large_a_part() {
        let counts = |shards| (1..=10).map(|lost| scaled(lost, shards, 10)).collect::<Vec<_>>();
        assert_eq!(counts(10), (1..=10).collect::<Vec<_>>());
        assert_eq!(counts(6), [1, 1, 2, 2, 3, 4, 4, 5, 5, 6]);
        assert_eq!(counts(1), [1; 10]);
    }
}
