//! Operators whose windows slide over their input: convolution and pooling.

use super::TypedNode;
use crate::graph::{Node, NodeError, ValueType};
use crate::tensor::DType;

/// Largest stride, dilation, kernel or padding.
const WINDOW_MAX: i64 = 1 << 20;

/// How a window slides over each spatial dimension.
struct Window {
    kernel: Vec<i64>,
    strides: Vec<i64>,
    dilations: Vec<i64>,
    /// Padding before and after each dimension; `None` for automatic padding,
    /// which makes the output's length that of the input by the stride.
    pads: Option<Vec<(i64, i64)>>,
    ceil: bool,
}

impl Window {
    fn read(op: &TypedNode<'_>, kernel: Vec<i64>) -> Result<Window, NodeError> {
        let dims = kernel.len();
        let list = |name: &str, default: i64, len: usize, least: i64| {
            let values = op.node.ints(name)?.map_or_else(|| vec![default; len], <[i64]>::to_vec);
            let fine = values.iter().all(|v| (least..=WINDOW_MAX).contains(v));
            if values.len() != len || !fine {
                return Err(op.bad(name, format!("{values:?}"), "one small number a dimension"));
            }
            Ok(values)
        };
        if kernel.iter().any(|k| !(1..=WINDOW_MAX).contains(k)) {
            return Err(op.bad("kernel_shape", format!("{kernel:?}"), "positive numbers"));
        }
        let strides = list("strides", 1, dims, 1)?;
        let dilations = list("dilations", 1, dims, 1)?;
        let pads = match op.node.text("auto_pad", "NOTSET")? {
            "NOTSET" | "" => {
                let pads = list("pads", 0, 2 * dims, 0)?;
                Some((0..dims).map(|d| (pads[d], pads[d + dims])).collect())
            }
            "VALID" => Some(vec![(0, 0); dims]),
            "SAME_UPPER" | "SAME_LOWER" => None,
            other => return Err(op.bad("auto_pad", other, "an ONNX padding mode")),
        };
        let ceil = op.node.int("ceil_mode", 0)? != 0;
        Ok(Window { kernel, strides, dilations, pads, ceil })
    }

    /// Output length of dimension `d` for an input of `length`.
    fn slide(&self, d: usize, length: usize) -> Result<usize, NodeError> {
        let (length, stride) = (length as i64, self.strides[d]);
        let Some(pads) = &self.pads else {
            return Ok((length + stride - 1).div_euclid(stride) as usize);
        };
        let (begin, end) = pads[d];
        let window = (self.kernel[d] - 1) * self.dilations[d] + 1;
        let room = length + begin + end - window;
        if room < 0 {
            return Err(NodeError::Window { window, length: length + begin + end });
        }
        let mut steps = if self.ceil { (room + stride - 1) / stride } else { room / stride };
        // A window that would start in the padding at the end is dropped.
        // ONNX says so since opset 22; runtimes always did.
        if self.ceil && steps * stride >= length + begin {
            steps -= 1;
        }
        Ok((steps + 1) as usize)
    }

    fn slide_all(&self, lengths: &[usize]) -> Result<Vec<usize>, NodeError> {
        lengths.iter().enumerate().map(|(d, &length)| self.slide(d, length)).collect()
    }
}

/// Input [n, c, d1..], weight [m, c / group, k1..], bias [m].
pub(super) fn conv(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    op.same_types()?;
    let (x, w) = (op.input(0)?, op.input(1)?);
    if x.shape.len() < 3 {
        return Err(op.bad_shape(0, "batch, channels and 1 or more dimensions"));
    }
    if w.shape.len() != x.shape.len() {
        return Err(op.bad_shape(1, format!("{} dimensions", x.shape.len())));
    }
    let group = op.node.int("group", 1)?;
    let whole = group >= 1 && (w.shape[0] as i64) % group == 0;
    if !whole || (w.shape[1] as i64).checked_mul(group) != Some(x.shape[1] as i64) {
        return Err(NodeError::Mismatch { left: x.shape.clone(), right: w.shape.clone() });
    }
    if op.optional(2).is_some_and(|b| b.shape != [w.shape[0]]) {
        return Err(op.bad_shape(2, format!("[{}]", w.shape[0])));
    }
    let kernel: Vec<i64> = w.shape[2..].iter().map(|&k| k as i64).collect();
    if let Some(declared) = op.node.ints("kernel_shape")?.filter(|d| *d != kernel) {
        return Err(op.bad("kernel_shape", format!("{declared:?}"), "the weight's window"));
    }
    let mut shape = vec![x.shape[0], w.shape[0]];
    shape.extend(Window::read(op, kernel)?.slide_all(&x.shape[2..])?);
    op.like_input(shape)
}

/// Input [n, c, d1..]; MaxPool may also give indices.
pub(super) fn pool(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = op.input(0)?;
    let kernel = op.node.ints("kernel_shape")?.unwrap_or(&[]).to_vec();
    if x.shape.len() < 3 || kernel.len() + 2 != x.shape.len() {
        return Err(op.bad_shape(0, format!("{} dimensions", kernel.len().max(1) + 2)));
    }
    let mut shape = x.shape[..2].to_vec();
    shape.extend(Window::read(op, kernel)?.slide_all(&x.shape[2..])?);
    let indices = ValueType { dtype: DType::I64, shape: shape.clone() };
    let mut types = op.like_input(shape)?;
    if op.node.op == "MaxPool" && op.node.outputs.len() > 1 {
        types.push(indices);
    }
    Ok(types)
}

/// Input [n, c, d1..] to [n, c, 1..].
pub(super) fn global_pool(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = op.input(0)?;
    if x.shape.len() < 3 {
        return Err(op.bad_shape(0, "batch, channels and 1 or more dimensions"));
    }
    let mut shape = vec![1; x.shape.len()];
    shape[..2].copy_from_slice(&x.shape[..2]);
    op.like_input(shape)
}

/// Operations for one output element: two for each weight of its row.
pub(super) fn conv_work(_: &Node, _: &[usize], weight: &[usize]) -> u64 {
    let row = weight.get(1..).unwrap_or(&[]);
    row.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64)).saturating_mul(2)
}

/// Operations for one output element: one for each element of the window.
pub(super) fn pool_work(node: &Node, _: &[usize], _: &[usize]) -> u64 {
    let kernel = node.ints("kernel_shape").ok().flatten().unwrap_or(&[]);
    kernel.iter().fold(1u64, |n, &k| n.saturating_mul(k.unsigned_abs()))
}
