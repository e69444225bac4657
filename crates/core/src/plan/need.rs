//! What of a value a seat reads, and what of each shard is sent there for it.
//!
//! ```text
//! value       |----------------------------|
//! boxes            |==== read here ====|
//! made here            |----|
//! sent                 .    .
//! of others        |===|    |==========|     pieces, a shard each
//! ```

use quorate_code::ShardSet;
use quorate_model::region::{self, Region, hull, intersection, shape};
use quorate_model::value::Value;

use super::sharding::Sharding;

/// What of a value a seat reads, where that is not all.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Need {
    /// Boxes of the value that do not overlap.
    pub(crate) boxes: Vec<Region>,
    /// Of each shard what comes here of it: boxes that do not overlap.
    pub(crate) pieces: Vec<Vec<Region>>,
}

impl Need {
    /// One who reads `boxes` of a value, and makes the shards `own` of it.
    pub(crate) fn new(
        sharding: &Sharding,
        value: &Value,
        boxes: Vec<Region>,
        own: &[usize],
    ) -> Need {
        let place = |shard: usize| Some(sharding.region(value, sharding.data_of(shard)?));
        let own_places: Vec<Region> = own.iter().filter_map(|&shard| place(shard)).collect();
        let pieces = |shard: usize| {
            let Some(place) = place(shard) else { return Vec::new() };
            let parts = boxes.iter().filter_map(|part| intersection(&place, part)).collect();
            if own.contains(&shard) || !sharding.is_area() {
                return parts;
            }
            // What is made here need not come.
            own_places.iter().fold(parts, |parts: Vec<Region>, own| {
                parts.iter().flat_map(|part| region::difference(part, own)).collect()
            })
        };
        let pieces = (0..sharding.code.shards()).map(pieces).collect();
        Need { boxes, pieces }
    }

    /// Do the pieces of these shards hold all of its boxes?
    pub(crate) fn is_covered(&self, shards: ShardSet) -> bool {
        let pieces = || shards.iter().flat_map(|shard| &self.pieces[shard]);
        self.boxes.iter().all(|wanted| region::covers(pieces(), wanted))
    }

    /// The shape in which so many pieces travel: of one its own, else all elements
    /// one after the other. Of a shard that is not needed there is an empty part.
    pub(crate) fn shape_of(pieces: &[Region], value: &Value) -> Vec<usize> {
        match pieces {
            [] => vec![0; value.shape.len()],
            [piece] => shape(piece),
            pieces => {
                vec![pieces.iter().map(|piece| shape(piece).iter().product::<usize>()).sum()]
            }
        }
    }
}

/// Adds a box to others that do not overlap; those that do are one.
pub(super) fn add(boxes: &mut Vec<Region>, mut part: Region) {
    while let Some(at) = boxes.iter().position(|other| touches(other, &part)) {
        part = hull(&boxes.swap_remove(at), &part);
    }
    boxes.push(part);
    boxes.sort_by_key(|part| part.iter().map(|range| range.start).collect::<Vec<_>>());
}

/// Are there elements of one that are in the other, or beside it?
fn touches(a: &Region, b: &Region) -> bool {
    a.iter().zip(b).all(|(a, b)| a.start <= b.end && b.start <= a.end)
}
