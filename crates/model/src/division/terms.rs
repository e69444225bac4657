//! By columns of the weights: the methods *input* and *filter*. Each device
//! reads some inputs (or input channels), has the weights that meet them, and
//! makes a partial sum of every output.

use std::ops::Range;
use std::sync::Arc;

use super::facts::{Facts, Family, ListWord};
use super::{
    Codable, Division, InputBox, Lengths, Merge, Misfit, Slice, consecutive, share, within,
};
use crate::layer::Layer;
use crate::region::{Region, even, whole};
use crate::value::Value;

const WORD: &str = "columns";

/// Columns of the layer's weights that each partial sum is made with. The
/// first term brings the bias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms(pub Vec<Range<usize>>);

/// Fully connected: each device reads some inputs; the results are added.
pub(super) const INPUT: Facts = Facts {
    name: "input",
    family: Family::Fc,
    divides_input: true,
    divides_weight: true,
    divides_output: false,
    codable: Codable::No,
    overlaps: false,
    why: "outputs are partial sums of different inputs; no combination of weights made before a \
          request stands for a lost one",
    list: Some(ListWord { key: WORD, meaning: "lengths along the layer's input" }),
    f32_only: true,
    commutes_with_pooling: true,
    shards_max,
    even: |layer, shards, _| {
        let shards = shards.min(shards_max(layer));
        Arc::new(Terms(even(layer.columns, shards).unwrap_or_default()))
    },
    parse,
};

/// Convolution: each device has some channels of every filter; the results
/// are added.
pub(super) const FILTER: Facts = Facts { name: "filter", family: Family::Dense, ..INPUT };

/// Columns of several matrices do not lie together.
fn shards_max(layer: &Layer) -> usize {
    if layer.is_stacked() { 1 } else { layer.columns }
}

/// How many columns there are only the model knows.
fn parse(
    _: &Value,
    lengths: Option<&Lengths>,
    _: bool,
) -> Option<Result<Arc<dyn Division>, String>> {
    Some(consecutive(WORD, lengths?, None).map(|ranges| Arc::new(Terms(ranges)) as _))
}

impl Division for Terms {
    fn shards(&self) -> usize {
        self.0.len()
    }

    fn merge(&self) -> Merge {
        Merge::Add
    }

    fn codable(&self) -> Codable {
        INPUT.codable
    }

    fn commutes_with_pooling(&self) -> bool {
        INPUT.commutes_with_pooling
    }

    fn noun(&self) -> &'static str {
        WORD
    }

    fn ranges(&self, shard: usize) -> Region {
        std::iter::once(self.0[shard].clone()).collect()
    }

    fn region(&self, shape: &[usize], _: usize, _: usize) -> Region {
        whole(shape)
    }

    fn place(&self, shape: &[usize], axis: usize, shard: Option<usize>) -> Range<usize> {
        shard.map_or(0..shape[axis], |shard| self.0[shard].clone())
    }

    fn fits(&self, layer: &Layer, shard: usize) -> Result<(), Misfit> {
        if layer.is_stacked() && self.0[shard].len() < layer.columns {
            return Err(Misfit::Other("a part of the inputs of several matrices".to_owned()));
        }
        within(WORD, &self.0[shard], layer.columns)
    }

    fn weights(&self, _: &Layer, shard: usize) -> Slice {
        Slice::Columns(self.0[shard].clone())
    }

    fn bias(&self, layer: &Layer, shard: usize) -> Option<Range<usize>> {
        (self.0[shard].start == 0).then_some(0..layer.rows)
    }

    fn input(&self, layer: &Layer, shard: usize) -> Option<InputBox> {
        let mut region = whole(&layer.input_shape);
        region[layer.input_axis()] = self.0[shard].clone();
        Some(InputBox { region, pads: None })
    }

    fn flops(&self, layer: &Layer, shard: usize) -> u64 {
        share(layer.flops, self.0[shard].len(), layer.columns)
    }

    fn lengths(&self) -> Option<(&'static str, Lengths)> {
        Some((WORD, Lengths::List(self.0.iter().map(ExactSizeIterator::len).collect())))
    }

    fn explain(&self, name: &str, _: Option<&Layer>, shard: usize) -> String {
        let columns = &self.0[shard];
        format!("what columns {}..{} add to layer {name}", columns.start, columns.end)
    }

    fn identity(&self) -> String {
        format!("Terms({:?})", self.0)
    }

    fn extent(&self, shard: usize) -> String {
        format!("{:?}", self.0[shard])
    }
}
