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
pub(crate) struct Reach {
    /// Elements of the input.
    pub input: Range<usize>,
    /// Padding before and after.
    pub pads: (usize, usize),
}

impl Window {
    /// The window of a `Conv` whose types were inferred: `kernel`, `input` and
    /// `output` are its spatial shapes.
    pub(crate) fn read(
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
    pub(crate) fn reach(&self, d: usize, out: &Range<usize>, length: usize) -> Option<Reach> {
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
}
