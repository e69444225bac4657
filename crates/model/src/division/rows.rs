//! By rows of the weights: the methods *output* and *channel*. Each device has
//! some output rows (outputs of a matrix product, filters of a convolution),
//! reads the whole input and makes its rows of the value.

use std::ops::Range;
use std::sync::Arc;

use super::facts::{Facts, Family, ListWord};
use super::{
    Codable, Division, InputBox, Lengths, Merge, Misfit, Slice, consecutive, share, within,
};
use crate::layer::Layer;
use crate::region::{Region, even, whole};
use crate::value::Value;

const WORD: &str = "rows";

/// Rows of each data shard along the value's axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows(pub Vec<Range<usize>>);

/// Fully connected: each device makes some outputs, from the whole input.
pub(super) const OUTPUT: Facts = Facts {
    name: "output",
    family: Family::Fc,
    divides_input: false,
    divides_weight: true,
    divides_output: true,
    codable: Codable::Offline,
    overlaps: false,
    why: "the whole input meets divided weights, so a combination of weights gives the same \
          combination of outputs",
    list: Some(ListWord { key: WORD, meaning: "lengths along the value's axis" }),
    f32_only: false,
    commutes_with_pooling: true,
    shards_max: |layer| layer.rows,
    even: |layer, shards, _| Arc::new(Rows(ranges(layer.rows, shards))),
    parse: |value, lengths, _| Some(read(value, lengths?).map(|rows| Arc::new(rows) as _)),
};

/// Convolution: each device has some filters and makes their channels.
pub(super) const CHANNEL: Facts = Facts { name: "channel", family: Family::Dense, ..OUTPUT };

fn ranges(rows: usize, shards: usize) -> Vec<Range<usize>> {
    even(rows, shards.min(rows)).unwrap_or_default()
}

/// The rows that a plan file lists.
pub(super) fn read(value: &Value, lengths: &Lengths) -> Result<Rows, String> {
    let total = Some((value.rows(), format!("rows of {}", value.name)));
    consecutive(WORD, lengths, total).map(Rows)
}

impl Division for Rows {
    fn shards(&self) -> usize {
        self.0.len()
    }

    fn merge(&self) -> Merge {
        Merge::Lay
    }

    fn codable(&self) -> Codable {
        OUTPUT.codable
    }

    fn commutes_with_pooling(&self) -> bool {
        OUTPUT.commutes_with_pooling
    }

    fn noun(&self) -> &'static str {
        WORD
    }

    fn ranges(&self, shard: usize) -> Region {
        std::iter::once(self.0[shard].clone()).collect()
    }

    fn region(&self, shape: &[usize], axis: usize, shard: usize) -> Region {
        let mut region = whole(shape);
        region[axis] = self.0[shard].clone();
        region
    }

    fn place(&self, _: &[usize], _: usize, shard: Option<usize>) -> Range<usize> {
        let longest = || self.0.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        shard.map_or_else(|| 0..longest(), |shard| self.0[shard].clone())
    }

    fn fits(&self, layer: &Layer, shard: usize) -> Result<(), Misfit> {
        within(WORD, &self.0[shard], layer.rows)
    }

    fn weights(&self, _: &Layer, shard: usize) -> Slice {
        Slice::Rows(self.0[shard].clone())
    }

    fn bias(&self, _: &Layer, shard: usize) -> Option<Range<usize>> {
        Some(self.0[shard].clone())
    }

    fn input(&self, layer: &Layer, _: usize) -> Option<InputBox> {
        Some(InputBox { region: whole(&layer.input_shape), pads: None })
    }

    fn flops(&self, layer: &Layer, shard: usize) -> u64 {
        share(layer.flops, self.0[shard].len(), layer.rows)
    }

    fn lengths(&self) -> Option<(&'static str, Lengths)> {
        Some((WORD, Lengths::List(self.0.iter().map(ExactSizeIterator::len).collect())))
    }

    fn explain(&self, name: &str, layer: Option<&Layer>, shard: usize) -> String {
        let (rows, of) = (&self.0[shard], layer.map_or(0, |layer| layer.rows));
        format!("rows {}..{} of {of} of layer {name}", rows.start, rows.end)
    }

    fn identity(&self) -> String {
        format!("Rows({:?})", self.0)
    }

    fn extent(&self, shard: usize) -> String {
        format!("{:?}", self.0[shard])
    }
}
