//! By area: the method *spatial*. Each device has all weights of a convolution
//! and makes a box of every channel's area; it reads the windows of that box.
//!
//! A parity device adds up the windows of several boxes of one size, for each
//! request, and convolves once.

use std::ops::Range;
use std::sync::Arc;

use super::facts::{Facts, Family, ListWord};
use super::{
    Codable, Division, InputBox, Lengths, Merge, Misfit, Slice, extent_of, region_of, share,
};
use crate::layer::Layer;
use crate::region::{Region, consecutive, even, shape, whole};
use crate::value::Value;

const WORD: &str = "tiles";

/// A grid over the spatial dimensions of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiles {
    /// Lengths of the parts of each spatial dimension.
    lengths: Vec<Vec<usize>>,
    /// The box of each data shard. Where there is parity all are of one size,
    /// and so some overlap.
    boxes: Vec<Region>,
}

/// Convolution: each device makes a part of every channel's area.
pub(super) const SPATIAL: Facts = Facts {
    name: "spatial",
    family: Family::Conv,
    divides_input: true,
    divides_weight: false,
    divides_output: true,
    codable: Codable::AtRunTime,
    overlaps: false,
    why: "weights are not divided, so inputs must be combined for each request",
    list: Some(ListWord { key: WORD, meaning: "lengths along each spatial dimension" }),
    f32_only: true,
    commutes_with_pooling: false,
    shards_max: |layer| layer.output_shape[2..].iter().fold(1, |n, &d| n.saturating_mul(d)),
    even: |layer, shards, coded| {
        Arc::new(Tiles::new(grid(&layer.output_shape[2..], shards), coded))
    },
    parse: |value, lengths, coded| {
        Some(parse(value, lengths?, coded).map(|tiles| Arc::new(tiles) as _))
    },
};

impl Tiles {
    /// The grid of these lengths; `equal` boxes are what a code needs.
    pub fn new(lengths: Vec<Vec<usize>>, equal: bool) -> Tiles {
        let boxes = boxes(&lengths, equal);
        Tiles { lengths, boxes }
    }

    /// Boxes that fill no grid.
    #[cfg(test)]
    pub(crate) fn apart(boxes: Vec<Region>) -> Tiles {
        Tiles { lengths: Vec::new(), boxes }
    }
}

fn parse(value: &Value, lengths: &Lengths, coded: bool) -> Result<Tiles, String> {
    let Lengths::Lists(lengths) = lengths else {
        return Err(format!("{WORD} are a list of lengths for each spatial dimension"));
    };
    let spatial = &value.shape[value.axis + 1..];
    let fills = |(parts, &length): (&Vec<usize>, &usize)| {
        let sum = parts.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
        !parts.is_empty() && !parts.contains(&0) && sum == Some(length)
    };
    let fits = !spatial.is_empty()
        && lengths.len() == spatial.len()
        && lengths.iter().zip(spatial).all(fills);
    let most = quorate_code::SHARDS_MAX;
    let count = lengths.iter().try_fold(1usize, |n, parts| n.checked_mul(parts.len()));
    if !fits || count.is_none_or(|count| count > most) {
        return Err(format!(
            "{WORD} {lengths:?} must be at most {most}, lengths of at least 1 that sum to \
             {spatial:?}, the spatial dimensions of {}",
            value.name
        ));
    }
    Ok(Tiles::new(lengths.clone(), coded))
}

impl Division for Tiles {
    fn shards(&self) -> usize {
        self.boxes.len()
    }

    fn merge(&self) -> Merge {
        Merge::Lay
    }

    fn codable(&self) -> Codable {
        SPATIAL.codable
    }

    fn commutes_with_pooling(&self) -> bool {
        SPATIAL.commutes_with_pooling
    }

    fn noun(&self) -> &'static str {
        "tile"
    }

    fn ranges(&self, shard: usize) -> Region {
        self.boxes[shard].clone()
    }

    fn region(&self, shape: &[usize], _: usize, shard: usize) -> Region {
        region_of(shape, &self.boxes[shard])
    }

    /// The first and the last element of a tile's area; of parity its size.
    fn place(&self, shape: &[usize], _: usize, shard: Option<usize>) -> Range<usize> {
        match shard {
            Some(shard) => extent_of(shape, &self.boxes[shard]),
            None => 0..self.boxes[0].iter().map(ExactSizeIterator::len).product(),
        }
    }

    fn fits(&self, layer: &Layer, shard: usize) -> Result<(), Misfit> {
        if layer.window.is_none() {
            return Err(Misfit::Other("only convolutions are divided into tiles".to_owned()));
        }
        let (tile, output) = (&self.boxes[shard], &layer.output_shape[2..]);
        let fits = tile.len() == output.len()
            && tile.iter().zip(output).all(|(r, &length)| r.start < r.end && r.end <= length);
        if !fits {
            return Err(Misfit::Other(format!("none of its {output:?} outputs")));
        }
        match self.input(layer, shard) {
            Some(_) => Ok(()),
            None => Err(Misfit::Other("it reads nothing but padding".to_owned())),
        }
    }

    fn weights(&self, layer: &Layer, _: usize) -> Slice {
        Slice::Rows(0..layer.rows)
    }

    fn bias(&self, layer: &Layer, _: usize) -> Option<Range<usize>> {
        Some(0..layer.rows)
    }

    fn input(&self, layer: &Layer, shard: usize) -> Option<InputBox> {
        let window = layer.window.as_ref()?;
        let mut region = whole(&layer.input_shape);
        let mut pads = Vec::new();
        // The spatial dimensions of a convolution come after batch and channels.
        for (d, outputs) in self.boxes[shard].iter().enumerate() {
            let reach = window.reach(d, outputs, layer.input_shape[2 + d])?;
            region[2 + d] = reach.input;
            pads.push(reach.pads);
        }
        Some(InputBox { region, pads: Some(pads) })
    }

    fn flops(&self, layer: &Layer, shard: usize) -> u64 {
        let outputs = shape(&self.boxes[shard]).iter().product();
        share(layer.flops, outputs, layer.output_shape[2..].iter().product())
    }

    fn lengths(&self) -> Option<(&'static str, Lengths)> {
        Some((WORD, Lengths::Lists(self.lengths.clone())))
    }

    fn identity(&self) -> String {
        let Tiles { lengths, boxes } = self;
        format!("Tiles(Tiles {{ lengths: {lengths:?}, boxes: {boxes:?} }})")
    }

    fn parity_prefix(&self) -> &'static str {
        "tiles-"
    }
}

/// The boxes of a grid, in row-major order: `lengths` are those of the parts
/// of each dimension, which they fill. With `equal` each box is as large as
/// the largest, moved back where it would stick out, so that they can be
/// added to each other.
fn boxes(lengths: &[Vec<usize>], equal: bool) -> Vec<Region> {
    let mut boxes: Vec<Region> = vec![Region::new()];
    for parts in lengths {
        let total: usize = parts.iter().sum();
        let longest = parts.iter().copied().max().unwrap_or(0);
        let mut ranges = consecutive(parts);
        if equal {
            for range in &mut ranges {
                let start = range.start.min(total - longest);
                *range = start..start + longest;
            }
        }
        let longer = |tile: &Region| {
            let one =
                |range: &Range<usize>| [tile.as_slice(), std::slice::from_ref(range)].concat();
            ranges.iter().map(one).collect::<Vec<_>>()
        };
        boxes = boxes.iter().flat_map(longer).collect();
    }
    boxes
}

/// How to divide the spatial dimensions `lengths` into at most `n` tiles so
/// that the largest is smallest; of equals the one with fewest tiles, and
/// then with cuts along the first dimensions. One list of part lengths a
/// dimension.
fn grid(lengths: &[usize], n: usize) -> Vec<Vec<usize>> {
    let mut best: Option<(u128, usize, Vec<usize>)> = None;
    let mut open: Vec<(Vec<usize>, usize)> = vec![(Vec::new(), n.max(1))];
    while let Some((counts, left)) = open.pop() {
        let Some(&length) = lengths.get(counts.len()) else {
            let parts = counts.iter().zip(lengths);
            let area = parts.map(|(&c, &l)| l.div_ceil(c) as u128).product();
            let tiles = counts.iter().product();
            let key = (area, tiles, counts.iter().rev().copied().collect());
            if best.as_ref().is_none_or(|known| key < *known) {
                best = Some(key);
            }
            continue;
        };
        for count in 1..=left.min(length.max(1)) {
            open.push(([counts.as_slice(), &[count]].concat(), left / count));
        }
    }
    let counts = best.map(|(_, _, counts)| counts).unwrap_or_default();
    let even = |(&length, &count): (&usize, &usize)| {
        let ranges = even(length, count).unwrap_or_default();
        ranges.iter().map(ExactSizeIterator::len).collect()
    };
    lengths.iter().zip(counts.iter().rev()).map(even).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_of_a_grid() {
        let lengths = [vec![3, 2], vec![4]];
        assert_eq!(boxes(&lengths, false), [vec![0..3, 0..4], vec![3..5, 0..4]]);
        assert_eq!(boxes(&lengths, true), [vec![0..3, 0..4], vec![2..5, 0..4]]);
        let lengths = [vec![2, 2], vec![1, 2]];
        let wanted = [vec![0..2, 0..2], vec![0..2, 1..3], vec![2..4, 0..2], vec![2..4, 1..3]];
        assert_eq!(boxes(&lengths, true), wanted);
    }

    #[test]
    fn grids() {
        let cases: [(&[usize], usize, &[usize]); 7] = [
            (&[56, 56], 4, &[4, 1]),
            (&[13, 13], 4, &[2, 2]),
            (&[4, 4], 8, &[4, 2]),
            (&[2, 7, 7], 4, &[2, 2, 1]),
            (&[1, 1], 4, &[1, 1]),
            (&[6], 4, &[3]),
            (&[6, 6], 1, &[1, 1]),
        ];
        for (lengths, n, wanted) in cases {
            let counts: Vec<usize> = grid(lengths, n).iter().map(Vec::len).collect();
            assert_eq!(counts, wanted, "{lengths:?} over {n}");
        }
    }
}
