//! Where a convolution's windows lie: which part of its input a part of its
//! output depends on.
//!
//! ```text
//! input    pad|--------------------------------|pad
//! tile               |------ halo ------|
//! output             |--- o.start..o.end ---|
//! ```

use std::ops::Range;

use crate::graph::{Node, NodeError};

/// A box of a layer's output: a range of each spatial dimension.
pub type Tile = Vec<Range<usize>>;

/// How a convolution slides, paddings resolved to numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Extent of each spatial dimension, dilation included.
    pub extent: Vec<usize>,
    /// Step of each spatial dimension.
    pub strides: Vec<usize>,
    /// Padding before and after each spatial dimension.
    pub pads: Vec<(usize, usize)>,
}

/// What a range of outputs reads along one dimension: real elements, and
/// padding before and after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Elements of the input.
    pub input: Range<usize>,
    /// Padding before and after.
    pub pads: (usize, usize),
}

impl Window {
    /// The window of a `Conv` whose types were inferred: `kernel`, `input` and
    /// `output` are its spatial shapes.
    pub fn read(
        node: &Node,
        kernel: &[usize],
        input: &[usize],
        output: &[usize],
    ) -> Result<Window, NodeError> {
        let dims = kernel.len();
        let list = |name: &str, default: usize, len: usize| -> Result<Vec<usize>, NodeError> {
            let given = node.ints(name)?;
            Ok(given.map_or_else(
                || vec![default; len],
                |values| values.iter().map(|&v| v.max(0) as usize).collect(),
            ))
        };
        let strides = list("strides", 1, dims)?;
        let dilations = list("dilations", 1, dims)?;
        let extent: Vec<usize> =
            kernel.iter().zip(&dilations).map(|(&k, &d)| (k.max(1) - 1) * d + 1).collect();
        let mode = node.text("auto_pad", "NOTSET")?;
        let pads = match mode {
            "SAME_UPPER" | "SAME_LOWER" => (0..dims)
                .map(|d| {
                    let reach = (output[d].max(1) - 1) * strides[d] + extent[d];
                    let total = reach.saturating_sub(input[d]);
                    let (less, more) = (total / 2, total - total / 2);
                    if mode == "SAME_UPPER" { (less, more) } else { (more, less) }
                })
                .collect(),
            "VALID" => vec![(0, 0); dims],
            _ => {
                let pads = list("pads", 0, 2 * dims)?;
                (0..dims).map(|d| (pads[d], pads[d + dims])).collect()
            }
        };
        Ok(Window { extent, strides, pads })
    }

    /// What the outputs `out` of dimension `d` read of an input of `length`;
    /// `None` where they read padding alone.
    pub fn reach(&self, d: usize, out: &Range<usize>, length: usize) -> Option<Reach> {
        let start = out.start * self.strides[d];
        let end = (out.end - 1) * self.strides[d] + self.extent[d];
        let before = self.pads[d].0;
        let input = start.saturating_sub(before)..end.saturating_sub(before).min(length);
        if input.start >= input.end {
            return None;
        }
        let pads = (before.saturating_sub(start), end.saturating_sub(before + length));
        Some(Reach { input, pads })
    }
}

/// The boxes of a grid, in row-major order: `lengths` are those of the parts
/// of each dimension, which they fill. With `equal` each box is as large as
/// the largest, moved back where it would stick out, so that they can be
/// added to each other.
pub fn tiles(lengths: &[Vec<usize>], equal: bool) -> Vec<Tile> {
    let mut tiles: Vec<Tile> = vec![Vec::new()];
    for parts in lengths {
        let total: usize = parts.iter().sum();
        let longest = parts.iter().copied().max().unwrap_or(0);
        let mut start = 0;
        let mut ranges = Vec::with_capacity(parts.len());
        for &length in parts {
            let from = if equal { start.min(total - longest) } else { start };
            ranges.push(from..from + if equal { longest } else { length });
            start += length;
        }
        let longer = |tile: &Tile| {
            let one =
                |range: &Range<usize>| [tile.as_slice(), std::slice::from_ref(range)].concat();
            ranges.iter().map(one).collect::<Vec<_>>()
        };
        tiles = tiles.iter().flat_map(longer).collect();
    }
    tiles
}

/// How to divide the spatial dimensions `lengths` into at most `n` tiles so
/// that the largest is smallest; of equals the one with fewest tiles, and
/// then with cuts along the first dimensions. One list of part lengths a
/// dimension.
pub fn grid(lengths: &[usize], n: usize) -> Vec<Vec<usize>> {
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
        let ranges = crate::shard::even(length, count).unwrap_or_default();
        ranges.iter().map(ExactSizeIterator::len).collect()
    };
    lengths.iter().zip(counts.iter().rev()).map(even).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches() {
        // Extent, stride, padding before, outputs, input length; what is read.
        type Case =
            (usize, usize, usize, Range<usize>, usize, Option<(Range<usize>, (usize, usize))>);
        let cases: [Case; 7] = [
            (3, 1, 1, 0..4, 8, Some((0..5, (1, 0)))),
            (3, 1, 1, 4..8, 8, Some((3..8, (0, 1)))),
            (3, 1, 1, 2..4, 8, Some((1..5, (0, 0)))),
            (3, 2, 1, 2..4, 8, Some((3..8, (0, 0)))),
            (5, 2, 2, 0..4, 8, Some((0..8, (2, 1)))),
            (1, 1, 2, 0..2, 4, None),
            (1, 1, 2, 1..3, 4, Some((0..1, (1, 0)))),
        ];
        for (extent, stride, before, out, length, wanted) in cases {
            let window = Window {
                extent: vec![extent],
                strides: vec![stride],
                pads: vec![(before, before)],
            };
            let got = window.reach(0, &out, length).map(|r| (r.input, r.pads));
            assert_eq!(got, wanted, "{extent} {stride} {before} {out:?} {length}");
        }
    }

    #[test]
    fn boxes() {
        let lengths = [vec![3, 2], vec![4]];
        assert_eq!(tiles(&lengths, false), [vec![0..3, 0..4], vec![3..5, 0..4]]);
        assert_eq!(tiles(&lengths, true), [vec![0..3, 0..4], vec![2..5, 0..4]]);
        let lengths = [vec![2, 2], vec![1, 2]];
        let wanted = [vec![0..2, 0..2], vec![0..2, 1..3], vec![2..4, 0..2], vec![2..4, 1..3]];
        assert_eq!(tiles(&lengths, true), wanted);
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
