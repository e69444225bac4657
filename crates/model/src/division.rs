//! How a stage is divided into data shards. A file a way:
//!
//! ```text
//! rows    |--0--|--1--|--2--|     one after the other along the value's axis
//! tiles   0 | 1                   boxes of the dimensions behind the axis
//!         --+--
//!         2 | 3
//! bands   the same, over several layers; they may overlap
//! groups  |--0--|--1--|--2--|     rows that read channels of their own
//! terms   0 + 1 + 2               partial sums, each as large as the value
//! whole   0                       there is one
//! ```
//!
//! A [`Division`] says of each data shard what it reads, where it lies in the
//! value, which weights it has and what it costs, and it knows its words in
//! plan files. Combinations of shards (parity) are no division of their own:
//! [`crate::part`] makes them from these facts. [`method`] lists the ways by
//! name; nothing outside this folder asks which way a division is.

pub mod bands;
pub mod facts;
pub mod groups;
pub mod method;
pub mod rows;
pub mod terms;
pub mod tiles;
pub mod whole;

use std::fmt;
use std::ops::Range;

use crate::layer::Layer;
use crate::region::{Region, whole};

/// When the parity of a division can be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codable {
    /// Parity weights are made once, before any request.
    Offline,
    /// Weights are whole on each device; a parity device adds up inputs.
    AtRunTime,
    /// No parity device can stand in; only replicas can.
    No,
}

/// How data shards make up the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Each is laid at its place.
    Lay,
    /// They are added up.
    Add,
}

/// The weights that a data shard computes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slice {
    /// Some output rows of the layer.
    Rows(Range<usize>),
    /// Some columns of every row.
    Columns(Range<usize>),
}

/// What a data shard reads of its layer's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputBox {
    /// The box of the input.
    pub region: Region,
    /// Padding before and after each spatial dimension of that box; `None`
    /// where the layer's own paddings stay.
    pub pads: Option<Vec<(usize, usize)>>,
}

/// Why a shard is none of a layer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// A range is empty or beyond what the layer has.
    Range {
        /// What it is a range of.
        noun: &'static str,
        /// The range.
        range: Range<usize>,
        /// How many the layer has.
        limit: usize,
    },
    /// Another reason, in words.
    Other(String),
}

/// The numbers that a plan file gives for a division.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lengths {
    /// One list.
    List(Vec<usize>),
    /// A list for each dimension.
    Lists(Vec<Vec<usize>>),
}

/// What the data shards of a stage are.
///
/// Shard numbers are below [`Division::shards`], else implementations may
/// panic. `shape` and `axis` are those of the value that the stage makes.
pub trait Division: fmt::Debug + Send + Sync {
    /// Number of data shards.
    fn shards(&self) -> usize;

    /// How they make up the value.
    fn merge(&self) -> Merge;

    /// When a combination of shards can be computed.
    fn codable(&self) -> Codable;

    /// Does linear pooling of a shard give the shard of the pooled value?
    fn commutes_with_pooling(&self) -> bool;

    /// What a shard's ranges are ranges of: `rows`.
    fn noun(&self) -> &'static str;

    /// The ranges that tell a shard from the others.
    fn ranges(&self, shard: usize) -> Region;

    /// The box of the value that a shard is; a term is everywhere.
    fn region(&self, shape: &[usize], axis: usize, shard: usize) -> Region;

    /// The range that a frame names beside the shard's number, so that a wrong
    /// number is found. Parity, whose number is `None`, has the size of the
    /// largest data shard.
    fn place(&self, shape: &[usize], axis: usize, shard: Option<usize>) -> Range<usize>;

    /// The box of the area behind batch and channels that a shard makes through all
    /// nodes of its stage; `None` where only the layer at its end is divided.
    fn area(&self, _shard: usize) -> Option<&Region> {
        None
    }

    /// Is this a shard of `layer`?
    fn fits(&self, layer: &Layer, shard: usize) -> Result<(), Misfit>;

    /// The weights that a shard computes with.
    fn weights(&self, layer: &Layer, shard: usize) -> Slice;

    /// The rows of the layer's bias that a shard adds, as many as its weights
    /// have; `None` for a term that comes without.
    fn bias(&self, layer: &Layer, shard: usize) -> Option<Range<usize>>;

    /// What a shard reads; `None` where it would read padding alone.
    fn input(&self, layer: &Layer, shard: usize) -> Option<InputBox>;

    /// Floating-point operations of a shard.
    fn flops(&self, layer: &Layer, shard: usize) -> u64;

    /// Its word and numbers in a plan file; `None` where the method says all.
    fn lengths(&self) -> Option<(&'static str, Lengths)>;

    /// A shard of the stage `name`, whose layer is `layer`, for people who open
    /// its task's file.
    fn explain(&self, name: &str, _layer: Option<&Layer>, shard: usize) -> String {
        format!("{} of layer {name}", words_of(self.noun(), &self.ranges(shard), WORDS))
    }

    /// The text that a plan's identity is made from. It never changes, or
    /// bundles of before would not be known again.
    fn identity(&self) -> String;

    /// A shard's ranges in such a text, and in the names of parity tasks.
    fn extent(&self, shard: usize) -> String {
        format!("{:?}", self.ranges(shard))
    }

    /// What the file names of its parity tasks begin with.
    fn parity_prefix(&self) -> &'static str {
        ""
    }
}

impl PartialEq for dyn Division {
    fn eq(&self, other: &dyn Division) -> bool {
        self.identity() == other.identity()
    }
}

/// Shape of a parity shard: as large in each dimension as the largest data
/// shard.
pub(crate) fn parity_shape(division: &dyn Division, shape: &[usize], axis: usize) -> Vec<usize> {
    let mut largest = vec![0; shape.len()];
    for shard in 0..division.shards() {
        for (most, range) in largest.iter_mut().zip(division.region(shape, axis, shard)) {
            *most = range.len().max(*most);
        }
    }
    largest
}

/// The box `area` of the last dimensions of a tensor of this shape, and all of those
/// before.
fn region_of(shape: &[usize], area: &Region) -> Region {
    let mut region = whole(shape);
    let last = region.len().saturating_sub(area.len());
    region[last..].iter_mut().zip(area).for_each(|(slot, range)| *slot = range.clone());
    region
}

/// The first and the last element of the box `area` of the last dimensions of a tensor
/// of this shape.
fn extent_of(shape: &[usize], area: &Region) -> Range<usize> {
    let last = &shape[shape.len().saturating_sub(area.len())..];
    let at = |pick: fn(&Range<usize>) -> usize| {
        area.iter().map(pick).zip(last).fold(0, |at, (place, length)| at * length + place)
    };
    at(|r| r.start)..at(|r| r.end - 1) + 1
}

/// A shard in a sentence: `rows 0..4`, `tile 0..4 x 0..28`.
pub(crate) fn words(division: &dyn Division, shard: usize) -> String {
    words_of(division.noun(), &division.ranges(shard), WORDS)
}

/// A shard in a file name: `rows-0-4`, `tile-0-4x0-28`.
pub fn stem(division: &dyn Division, shard: usize) -> String {
    words_of(division.noun(), &division.ranges(shard), ["-", "-", "x"])
}

const WORDS: [&str; 3] = [" ", "..", " x "];

/// A noun and ranges, with these marks behind the noun, within a range, and
/// between ranges.
fn words_of(noun: &str, ranges: &[Range<usize>], [behind, within, between]: [&str; 3]) -> String {
    let range = |r: &Range<usize>| format!("{}{within}{}", r.start, r.end);
    let ranges: Vec<String> = ranges.iter().map(range).collect();
    match ranges.as_slice() {
        [] => noun.to_owned(),
        ranges => format!("{noun}{behind}{}", ranges.join(between)),
    }
}

/// `part` of `of` parts of `flops`.
fn share(flops: u64, part: usize, of: usize) -> u64 {
    (u128::from(flops) * part as u128 / of.max(1) as u128) as u64
}

/// Refuses a range of `noun` that is empty or beyond `limit`.
fn within(noun: &'static str, range: &Range<usize>, limit: usize) -> Result<(), Misfit> {
    if range.start < range.end && range.end <= limit {
        return Ok(());
    }
    Err(Misfit::Range { noun, range: range.clone(), limit })
}

/// The ranges of consecutive `lengths` as a plan file lists them: at least one,
/// none of them empty, and where `total` is known they sum to it.
fn consecutive(
    word: &str,
    lengths: &Lengths,
    total: Option<(usize, String)>,
) -> Result<Vec<Range<usize>>, String> {
    let Lengths::List(counts) = lengths else {
        return Err(format!("{word} is one list of lengths"));
    };
    let sum = counts.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
    let fits = sum.is_some_and(|sum| total.as_ref().is_none_or(|(total, _)| sum == *total));
    if counts.is_empty() || counts.contains(&0) || !fits {
        let target = total.map_or_else(String::new, |(n, of)| format!(" and sum to {n}, the {of}"));
        return Err(format!("{word} {counts:?} must be at least 1 each{target}"));
    }
    Ok(crate::region::consecutive(counts))
}
