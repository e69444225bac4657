//! How the shards of a value make it up.
//!
//! ```text
//! rows    |--0--|--1--|--2--|     one after the other along the value's axis
//! tiles   0 | 1                   boxes of the dimensions behind the axis
//!         --+--
//!         2 | 3
//! terms   0 + 1 + 2               partial sums, each as large as the value
//! whole   0                       there is one
//! ```

use std::ops::Range;

use quorate_model::need::Region;
use quorate_model::window::{Tile, tiles};

use super::Value;
use crate::region::{shape, whole};

/// What the data shards of a value are.
#[derive(Clone, Debug, PartialEq)]
pub enum Division {
    /// One shard.
    Whole,
    /// Rows of each shard along the value's axis: the methods output and
    /// channel.
    Rows(Vec<Range<usize>>),
    /// A grid over the spatial dimensions: the method spatial.
    Tiles(Tiles),
    /// Columns of the layer's input that each partial sum is made of: the
    /// methods input and filter.
    Terms(Vec<Range<usize>>),
}

/// A grid of tiles.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiles {
    /// Lengths of the parts of each spatial dimension.
    pub lengths: Vec<Vec<usize>>,
    /// The box of each data shard. Where there is parity all are of one size,
    /// and so some overlap.
    pub boxes: Vec<Tile>,
}

impl Tiles {
    /// The grid of these lengths; `equal` boxes are what a code needs.
    pub fn new(lengths: Vec<Vec<usize>>, equal: bool) -> Tiles {
        let boxes = tiles(&lengths, equal);
        Tiles { lengths, boxes }
    }
}

impl Division {
    /// Number of data shards.
    pub fn shards(&self) -> usize {
        match self {
            Division::Whole => 1,
            Division::Rows(ranges) | Division::Terms(ranges) => ranges.len(),
            Division::Tiles(tiles) => tiles.boxes.len(),
        }
    }

    /// Shape of a parity shard of `value`: that of its largest data shard.
    pub fn parity_shape(&self, value: &Value) -> Vec<usize> {
        match self {
            Division::Rows(rows) => {
                let mut shape = value.shape.clone();
                shape[value.axis] = longest(rows);
                shape
            }
            // With parity all boxes are of one size.
            Division::Tiles(_) => shape(&self.region(value, 0)),
            Division::Whole | Division::Terms(_) => value.shape.clone(),
        }
    }

    /// Where data shard `shard` lies in the value; a term is everywhere.
    pub fn region(&self, value: &Value, shard: usize) -> Region {
        let mut region = whole(&value.shape);
        match self {
            Division::Rows(rows) => region[value.axis] = rows[shard].clone(),
            Division::Tiles(tiles) => {
                let spatial = region[value.axis + 1..].iter_mut();
                spatial.zip(&tiles.boxes[shard]).for_each(|(slot, range)| *slot = range.clone());
            }
            Division::Whole | Division::Terms(_) => {}
        }
        region
    }

    /// The range that a frame names beside the shard's number, so that a wrong
    /// number is found: rows, columns, or the first and last element of a tile.
    /// `data` is the data shard; parity has `None`.
    pub fn place(&self, value: &Value, data: Option<usize>) -> Range<usize> {
        match (self, data) {
            (Division::Rows(ranges) | Division::Terms(ranges), Some(data)) => ranges[data].clone(),
            (Division::Rows(rows), None) => 0..longest(rows),
            (Division::Tiles(tiles), Some(data)) => {
                let spatial = &value.shape[value.axis + 1..];
                let at = |pick: fn(&Range<usize>) -> usize| {
                    let places = tiles.boxes[data].iter().map(pick).zip(spatial);
                    places.fold(0, |at, (place, length)| at * length + place)
                };
                at(|r| r.start)..at(|r| r.end - 1) + 1
            }
            (Division::Tiles(tiles), None) => {
                0..tiles.boxes[0].iter().map(ExactSizeIterator::len).product()
            }
            (Division::Whole, _) | (Division::Terms(_), None) => 0..value.rows(),
        }
    }
}

fn longest(ranges: &[Range<usize>]) -> usize {
    ranges.iter().map(ExactSizeIterator::len).max().unwrap_or(0)
}
