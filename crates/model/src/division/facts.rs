//! What is to be known of a way to divide before anything is divided.

use std::sync::Arc;

use super::{Codable, Division, Lengths};
use crate::layer::{Layer, LayerKind};
use crate::value::Value;

/// The layers that a way to divide is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Fully connected ones.
    Fc,
    /// Convolutions.
    Conv,
    /// Those in which every output reads all channels.
    Dense,
    /// Those in several groups.
    Grouped,
    /// Convolutions, and stages that do not end in one layer but make an area.
    Area,
    /// All, and stages that do not end in one layer.
    Any,
}

impl Family {
    /// Is it for stages that do not end in one layer?
    pub fn has_stages(self) -> bool {
        matches!(self, Family::Area | Family::Any)
    }

    /// Is it for this layer?
    pub fn contains(self, layer: &Layer) -> bool {
        let conv = layer.kind != LayerKind::Fc;
        match self {
            Family::Fc => !conv,
            Family::Conv | Family::Area => conv,
            Family::Dense => conv && layer.groups == 1,
            Family::Grouped => conv && layer.groups > 1,
            Family::Any => true,
        }
    }

    /// What it is of, in words.
    pub fn words(self) -> &'static str {
        match self {
            Family::Fc => "fully-connected layers",
            Family::Conv => "convolutions",
            Family::Dense => "convolutions of one group",
            Family::Grouped => "convolutions in groups",
            Family::Area => "convolutions and stages of several layers that make an area",
            Family::Any => "layers",
        }
    }
}

/// A plan file's numbers for a division.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListWord {
    /// The key in the file.
    pub key: &'static str,
    /// What the numbers are.
    pub meaning: &'static str,
}

/// The division of a value that a plan file's numbers say; the flag is true
/// where its shards are coded. `None` where numbers are needed and there are
/// none; an error is a sentence about the numbers.
pub(crate) type Parse =
    fn(&Value, Option<&Lengths>, bool) -> Option<Result<Arc<dyn Division>, String>>;

/// What is to be known of a way to divide before anything is divided.
#[derive(Debug)]
pub struct Facts {
    /// Its name.
    pub name: &'static str,
    /// The layers that it is for.
    pub family: Family,
    /// Each device needs only a part of the layer's input.
    pub divides_input: bool,
    /// Each device holds only a part of the weights.
    pub divides_weight: bool,
    /// Each device makes only a part of the output, not a term of a sum.
    pub divides_output: bool,
    /// When its code can be computed.
    pub codable: Codable,
    /// May shards overlap, so that others hold what one would have made?
    pub overlaps: bool,
    /// Why it can, or cannot, be coded so: a sentence.
    pub why: &'static str,
    /// The numbers that it takes in a plan file.
    pub list: Option<ListWord>,
    /// Does it need f32 values?
    pub f32_only: bool,
    /// Does linear pooling of a shard give the shard of the pooled value?
    pub commutes_with_pooling: bool,
    /// Most shards of a layer that are not empty.
    pub shards_max: fn(&Layer) -> usize,
    /// A layer divided evenly into at most so many shards; the flag is true
    /// where they are to be coded.
    pub even: fn(&Layer, usize, bool) -> Arc<dyn Division>,
    /// Reads it from a plan file.
    pub parse: Parse,
}
