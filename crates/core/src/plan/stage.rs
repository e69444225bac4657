//! A stage of a plan.

use quorate_model::division::method::Method;
use quorate_model::region::Region;

use crate::id::ValueId;

/// A stage of a plan: a layer, divided, or a part of the graph that one
/// device computes.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The layer's name, or the value's where there are several layers.
    pub name: String,
    /// How it is divided.
    pub method: Method,
    /// Values its tasks read.
    pub reads: Vec<ValueId>,
    /// The value it makes.
    pub value: ValueId,
    /// What each data shard reads of each value read: all of the first shard, then
    /// those of the next. Empty where tasks read whole values.
    pub parts: Vec<Region>,
}
