//! Not at all: one device computes the stage, be it one layer or many. There
//! is one shard, and replicas of it.

use std::ops::Range;
use std::sync::Arc;

use super::facts::{Facts, Family};
use super::{Codable, Division, InputBox, Lengths, Merge, Misfit, Slice};
use crate::layer::Layer;
use crate::region::{Region, whole};

/// One shard, which is all of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole;

/// One device computes the stage.
pub(super) const WHOLE: Facts = Facts {
    name: "whole",
    family: Family::Any,
    divides_input: false,
    divides_weight: false,
    divides_output: false,
    codable: Codable::No,
    overlaps: false,
    why: "nothing is divided, so a combination would be the whole again",
    list: None,
    f32_only: false,
    commutes_with_pooling: true,
    shards_max: |_| 1,
    even: |_, _, _| Arc::new(Whole),
    parse: |_, _, _| Some(Ok(Arc::new(Whole))),
};

impl Division for Whole {
    fn shards(&self) -> usize {
        1
    }

    fn merge(&self) -> Merge {
        Merge::Lay
    }

    fn codable(&self) -> Codable {
        WHOLE.codable
    }

    fn commutes_with_pooling(&self) -> bool {
        WHOLE.commutes_with_pooling
    }

    fn noun(&self) -> &'static str {
        WHOLE.name
    }

    fn ranges(&self, _: usize) -> Region {
        Region::new()
    }

    fn region(&self, shape: &[usize], _: usize, _: usize) -> Region {
        whole(shape)
    }

    fn place(&self, shape: &[usize], axis: usize, _: Option<usize>) -> Range<usize> {
        0..shape[axis]
    }

    fn fits(&self, _: &Layer, _: usize) -> Result<(), Misfit> {
        Ok(())
    }

    fn weights(&self, layer: &Layer, _: usize) -> Slice {
        Slice::Rows(0..layer.rows)
    }

    fn bias(&self, layer: &Layer, _: usize) -> Option<Range<usize>> {
        Some(0..layer.rows)
    }

    fn input(&self, layer: &Layer, _: usize) -> Option<InputBox> {
        Some(InputBox { region: whole(&layer.input_shape), pads: None })
    }

    fn flops(&self, layer: &Layer, _: usize) -> u64 {
        layer.flops
    }

    fn lengths(&self) -> Option<(&'static str, Lengths)> {
        None
    }

    fn explain(&self, name: &str, _: Option<&Layer>, _: usize) -> String {
        format!("all of {name}")
    }

    fn identity(&self) -> String {
        "Whole".to_owned()
    }
}
