//! How windows slide over their input: the one reader of what convolution and
//! pooling nodes say of it, the lengths that follow, and which part of its
//! input a part of the output depends on.
//!
//! ```text
//! input    pad|--------------------------------|pad
//! tile               |------ halo ------|
//! output             |--- o.start..o.end ---|
//! ```

use std::ops::Range;

use crate::graph::{Node, NodeError};

/// Largest stride, dilation, kernel or padding.
const WINDOW_MAX: i64 = 1 << 20;

/// Padding of all spatial dimensions.
enum Pads {
    /// Before and after each.
    Given(Vec<(usize, usize)>),
    /// As much as makes the output's length that of the input by the stride;
    /// an odd one more at the end, or at the beginning.
    Same { more_before: bool },
}

/// How a node's window slides, before its input's size is known.
pub(crate) struct Sliding {
    /// Extent of each spatial dimension, dilation included.
    extent: Vec<usize>,
    strides: Vec<usize>,
    pads: Pads,
    /// Does a last window count that is not full?
    ceil: bool,
}

/// How a convolution slides over an input of known size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Extent of each spatial dimension, dilation included.
    pub extent: Vec<usize>,
    /// Step of each spatial dimension.
    pub strides: Vec<usize>,
    /// Padding before and after each spatial dimension.
    pub pads: Vec<(usize, usize)>,
}

impl Sliding {
    /// What `node` says of a window with this kernel.
    pub(crate) fn read(node: &Node, kernel: &[i64]) -> Result<Sliding, NodeError> {
        let dims = kernel.len();
        if kernel.iter().any(|k| !(1..=WINDOW_MAX).contains(k)) {
            return Err(bad("kernel_shape", format!("{kernel:?}"), "positive numbers"));
        }
        let strides = list(node, "strides", 1, dims)?;
        let dilations = list(node, "dilations", 1, dims)?;
        let extent = |(&k, &d): (&i64, &usize)| (k as usize - 1).checked_mul(d)?.checked_add(1);
        let extent = kernel.iter().zip(&dilations).map(extent).collect::<Option<_>>();
        let extent = extent.ok_or_else(|| {
            bad("dilations", format!("{dilations:?}"), "a window of a size there is")
        })?;
        let pads = match node.text("auto_pad", "NOTSET")? {
            "NOTSET" | "" => {
                let pads = list(node, "pads", 0, 2 * dims)?;
                Pads::Given((0..dims).map(|d| (pads[d], pads[d + dims])).collect())
            }
            "VALID" => Pads::Given(vec![(0, 0); dims]),
            "SAME_UPPER" => Pads::Same { more_before: false },
            "SAME_LOWER" => Pads::Same { more_before: true },
            other => return Err(bad("auto_pad", other.to_owned(), "an ONNX padding mode")),
        };
        let ceil = node.int("ceil_mode", 0)? != 0;
        Ok(Sliding { extent, strides, pads, ceil })
    }

    /// Lengths of the output's spatial dimensions for an input with these.
    pub(crate) fn output(&self, input: &[usize]) -> Result<Vec<usize>, NodeError> {
        input.iter().enumerate().map(|(d, &length)| self.steps(d, length)).collect()
    }

    /// Output length of dimension `d` for an input of `length`.
    fn steps(&self, d: usize, length: usize) -> Result<usize, NodeError> {
        let (stride, extent) = (self.strides[d], self.extent[d]);
        let Pads::Given(pads) = &self.pads else { return Ok(length.div_ceil(stride)) };
        let padded = length + pads[d].0 + pads[d].1;
        let Some(room) = padded.checked_sub(extent) else {
            return Err(NodeError::Window { window: extent as i64, length: padded as i64 });
        };
        let steps = if self.ceil { room.div_ceil(stride) } else { room / stride };
        // A window that would start in the padding at the end is dropped.
        // ONNX says so since opset 22; runtimes always did.
        let dropped = self.ceil && steps * stride >= length + pads[d].0;
        Ok(steps + 1 - usize::from(dropped))
    }

    /// The window over an input with these lengths, paddings resolved.
    pub(crate) fn over(self, input: &[usize]) -> Result<Window, NodeError> {
        let output = self.output(input)?;
        let Sliding { extent, strides, pads, .. } = self;
        let pads = match pads {
            Pads::Given(pads) => pads,
            Pads::Same { more_before } => (0..input.len())
                .map(|d| {
                    let reach = (output[d].max(1) - 1) * strides[d] + extent[d];
                    let total = reach.saturating_sub(input[d]);
                    let (less, more) = (total / 2, total - total / 2);
                    if more_before { (more, less) } else { (less, more) }
                })
                .collect(),
        };
        Ok(Window { extent, strides, pads })
    }
}

/// The attribute `name`: `len` numbers, none below `least`, which each is where
/// the node does not say.
fn list(node: &Node, name: &str, least: usize, len: usize) -> Result<Vec<usize>, NodeError> {
    let Some(values) = node.ints(name)? else { return Ok(vec![least; len]) };
    if values.len() != len || !values.iter().all(|v| (least as i64..=WINDOW_MAX).contains(v)) {
        return Err(bad(name, format!("{values:?}"), "one small number a dimension"));
    }
    Ok(values.iter().map(|&v| v as usize).collect())
}

fn bad(name: &str, got: String, expected: &'static str) -> NodeError {
    NodeError::Attribute { name: name.to_owned(), got, expected }
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
