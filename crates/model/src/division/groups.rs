//! By groups: the method *group*, for convolutions whose channels are in groups
//! that know nothing of each other. Each device has some groups, reads their
//! channels of the input and makes their channels of the value.

use std::ops::Range;
use std::sync::Arc;

use super::facts::{Facts, Family};
use super::rows::{self, Rows};
use super::{Codable, Division, InputBox, Lengths, Merge, Misfit, Slice};
use crate::layer::Layer;
use crate::region::{Region, even, whole};

/// Rows of each data shard, which are all rows of some groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups(pub Rows);

/// Convolution in groups: each device has some of them.
pub(super) const GROUP: Facts = Facts {
    name: "group",
    family: Family::Grouped,
    divides_input: true,
    divides_weight: true,
    divides_output: true,
    codable: Codable::No,
    overlaps: false,
    why: "each group reads channels of its own, so one that stands for several reads the channels \
          of all, and computes as much as they do together",
    shards_max: |layer| layer.groups,
    even: |layer, shards, _| {
        let groups = even(layer.groups, shards.min(layer.groups)).unwrap_or_default();
        let each = rows_of_a_group(layer);
        let rows = groups.into_iter().map(|range| range.start * each..range.end * each);
        Arc::new(Groups(Rows(rows.collect())))
    },
    parse: |value, lengths, _| {
        Some(rows::read(value, lengths?).map(|rows| Arc::new(Groups(rows)) as _))
    },
    ..rows::CHANNEL
};

/// Rows that read the same channels.
fn rows_of_a_group(layer: &Layer) -> usize {
    (layer.rows / layer.groups.max(1)).max(1)
}

impl Groups {
    /// The groups of a shard.
    fn groups(&self, layer: &Layer, shard: usize) -> Range<usize> {
        let (rows, each) = (&self.0.0[shard], rows_of_a_group(layer));
        rows.start / each..rows.end.div_ceil(each)
    }
}

impl Division for Groups {
    fn shards(&self) -> usize {
        self.0.shards()
    }

    fn merge(&self) -> Merge {
        self.0.merge()
    }

    fn codable(&self) -> Codable {
        GROUP.codable
    }

    fn commutes_with_pooling(&self) -> bool {
        GROUP.commutes_with_pooling
    }

    fn noun(&self) -> &'static str {
        self.0.noun()
    }

    fn ranges(&self, shard: usize) -> Region {
        self.0.ranges(shard)
    }

    fn region(&self, shape: &[usize], axis: usize, shard: usize) -> Region {
        self.0.region(shape, axis, shard)
    }

    fn place(&self, shape: &[usize], axis: usize, shard: Option<usize>) -> Range<usize> {
        self.0.place(shape, axis, shard)
    }

    fn fits(&self, layer: &Layer, shard: usize) -> Result<(), Misfit> {
        self.0.fits(layer, shard)?;
        let (rows, each) = (&self.0.0[shard], rows_of_a_group(layer));
        if rows.start.is_multiple_of(each) && rows.end.is_multiple_of(each) {
            return Ok(());
        }
        Err(Misfit::Other(format!("a part of a group, which has {each} rows")))
    }

    fn weights(&self, layer: &Layer, shard: usize) -> Slice {
        self.0.weights(layer, shard)
    }

    fn bias(&self, layer: &Layer, shard: usize) -> Option<Range<usize>> {
        self.0.bias(layer, shard)
    }

    fn input(&self, layer: &Layer, shard: usize) -> Option<InputBox> {
        let (groups, each) = (self.groups(layer, shard), layer.columns);
        let mut region = whole(&layer.input_shape);
        region[layer.input_axis()] = groups.start * each..groups.end * each;
        Some(InputBox { region, pads: None })
    }

    fn flops(&self, layer: &Layer, shard: usize) -> u64 {
        self.0.flops(layer, shard)
    }

    fn lengths(&self) -> Option<(&'static str, Lengths)> {
        self.0.lengths()
    }

    fn explain(&self, name: &str, layer: Option<&Layer>, shard: usize) -> String {
        let rows = self.0.explain(name, layer, shard);
        let Some(layer) = layer else { return rows };
        let Range { start, end } = self.groups(layer, shard);
        format!("groups {start}..{end} of {}: {rows}", layer.groups)
    }

    fn identity(&self) -> String {
        format!("Groups({:?})", self.0.0)
    }

    fn extent(&self, shard: usize) -> String {
        self.0.extent(shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::int_attribute;
    use crate::sample::Sample;
    use crate::stage::Staged;

    #[test]
    fn whole_groups_and_their_channels() {
        let model = Sample::new(&[("x", &[1, 12, 5, 5])], &["y"]).counting("w", &[18, 4, 3, 3]);
        let model = model.node("Conv", &["x", "w"], &["y"], &[int_attribute("group", 3)]);
        let staged = Staged::new(model.read().unwrap()).unwrap();
        let layer = staged.stages[0].layer().unwrap();
        assert_eq!((layer.groups, layer.columns), (3, 4));
        let division = (GROUP.even)(layer, 2, false);
        let found: Vec<_> = (0..division.shards())
            .map(|shard| {
                let channels = division.input(layer, shard).unwrap().region[1].clone();
                (division.ranges(shard)[0].clone(), channels, division.fits(layer, shard))
            })
            .collect();
        assert_eq!(found, [(0..12, 0..8, Ok(())), (12..18, 8..12, Ok(()))]);
        assert_eq!((GROUP.even)(layer, 7, false).shards(), 3, "a group is not divided");
        let torn = Groups(Rows(vec![0..9, 9..18]));
        let Err(Misfit::Other(why)) = torn.fits(layer, 0) else { panic!("9 rows fit") };
        assert!(why.contains("6 rows"), "{why}");
    }
}
