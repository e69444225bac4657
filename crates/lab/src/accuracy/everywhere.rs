//! Devices that are dead from the first layer to the last, without a code:
//! every layer loses their shards.

use anyhow::Context;
use quorate_code::ShardSet;

use super::answers::top;
use super::case::Case;
use super::damage::{Rows, Substitute};
use super::draw::patterns;
use super::layer::{Layer, Point, Tally, divisions};
use super::walk::Walk;
use crate::lanes::in_lanes;

impl Layer {
    /// All layers as one, which lose the shards of the same devices; zeros
    /// stand in for them.
    pub(crate) fn everywhere(case: &Case<'_>) -> anyhow::Result<Layer> {
        let (rows, images) = (divisions(case)?, case.images(case.spec.damaged));
        let mut points = Vec::new();
        for &lost in &case.spec.everywhere.lost {
            let seed = case.seed.wrapping_sub(lost as u64);
            let drawn = patterns(seed, case.devices, lost, case.spec.everywhere.draws);
            let (mut right, mut same, mut share) = (Vec::new(), Vec::new(), 0.0);
            for dead in &drawn {
                let tally = run(case, &rows, &images, *dead)?;
                right.push(tally.right);
                same.push(tally.same);
                let shares = rows.iter().map(|rows| rows.share(there(rows, *dead)));
                share += shares.sum::<f64>() / (rows.len() * drawn.len()) as f64;
            }
            points.push(Point { substitute: Substitute::Zero, lost, share, right, same });
        }
        Ok(Layer::undamaged(case, ("every layer", 0), case.devices, &images).with(points))
    }
}

/// The shards of dead devices that a layer has: one with few rows has none for
/// some devices.
fn there(rows: &Rows, dead: ShardSet) -> ShardSet {
    dead.iter().filter(|device| *device < rows.shards.len()).collect()
}

/// Answers all images with these devices dead.
fn run(case: &Case<'_>, rows: &[Rows], images: &[usize], dead: ShardSet) -> anyhow::Result<Tally> {
    let staged = &case.subject.file.staged;
    let values: Vec<&str> =
        staged.stages.iter().map(|stage| staged.values[stage.value].name.as_str()).collect();
    let mut walk = Walk::of(case)?;
    for (value, rows) in values.iter().zip(rows) {
        let lost = there(rows, dead);
        walk.to(value)?;
        walk.change(value, |values| rows.damage(values, lost, Substitute::Zero, &[]))?;
    }
    let rest = walk.rest(values.last().context("a model without layers")?)?;
    let lanes = in_lanes(images.len(), |range| {
        let (mut task, mut tally) = (rest.load()?, Tally::default());
        for at in range {
            (case.go_on)()?;
            tally.add(case, images[at], top(&task.run(walk.values(at))?)?);
        }
        Ok(tally)
    })?;
    Ok(lanes.into_iter().fold(Tally::default(), Tally::and))
}

#[cfg(test)]
mod tests {
    use super::super::case::tests::with_lenet;
    use super::*;

    #[test]
    fn every_layer_loses_the_shards_of_dead_devices() {
        with_lenet(|case| {
            let layer = Layer::everywhere(case).unwrap();
            assert_eq!((layer.shards, layer.labelled, layer.right), (10, 20, 20));
            let [one, nine] = layer.points.as_slice() else { panic!("{:?}", layer.points) };
            assert_eq!((one.right.len(), nine.right.len()), (2, 2));
            assert!(one.share > 0.0 && one.share < 0.2 && nine.share > 0.8, "{one:?} {nine:?}");
            let sum = |point: &Point| point.right.iter().sum::<usize>();
            assert!(sum(one) > sum(nine), "{one:?} {nine:?}");
            let images: Vec<usize> = (0..20).collect();
            let none = run(case, &divisions(case).unwrap(), &images, ShardSet::new()).unwrap();
            assert_eq!((none.right, none.same), (20, 20));
        });
    }

    #[test]
    fn layers_without_a_shard_for_a_device_lose_none() {
        let rows = Rows::new(&[1, 6], 1, vec![0..2, 2..4, 4..6]);
        let dead: ShardSet = [1, 2, 7].into_iter().collect();
        assert_eq!(there(&rows, dead), [1, 2].into_iter().collect());
    }
}
