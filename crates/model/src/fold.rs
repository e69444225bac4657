//! Computes nodes whose result is known from the file alone: shapes that the
//! graph computes for itself, and weights that are stored quantized.
//!
//! Nodes not handled here stay in the graph; they are glue over constants.

use bytes::Bytes;

use crate::graph::ValueType;
use crate::scaled::Scaled;
use crate::shape::layout::{cuts, filler, permutation, shape_range};
use crate::shape::{NodeError, Op};
use crate::tensor::{DType, Tensor};

/// Arithmetic on more elements than this is left to the runtime.
const ARITHMETIC_ELEMENTS: u64 = 65_536;

/// Quantized tensors of more elements than this are computed when they are
/// read. A model may have hundreds: as f32 they would be much of its file.
const DEQUANTIZED_ELEMENTS: u64 = 4096;

/// What a node's output is.
pub(crate) enum Folded {
    Plain(Tensor),
    Scaled(Scaled),
}

/// The value of the node's only output, of type `to`, where it is known and
/// the operator is handled. `scaled` is its first input, if that is one.
pub(crate) fn fold(
    op: &Op<'_>,
    scaled: Option<&Scaled>,
    to: &ValueType,
) -> Result<Option<Folded>, NodeError> {
    if let Some(scaled) = scaled.filter(|_| op.node.is_standard()) {
        return fold_scaled(op, scaled, to);
    }
    if let Some(scaled) = dequantize(op, to)? {
        let small = to.elements() <= DEQUANTIZED_ELEMENTS;
        let folded = if small { Folded::Plain(scaled.whole()?) } else { Folded::Scaled(scaled) };
        return Ok(Some(folded));
    }
    Ok(fold_plain(op, to)?.map(Folded::Plain))
}

/// A new shape takes no computation; where elements move, all are computed.
fn fold_scaled(op: &Op<'_>, scaled: &Scaled, to: &ValueType) -> Result<Option<Folded>, NodeError> {
    let whole = match op.node.op.as_str() {
        "Identity" | "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => {
            return Ok(Some(Folded::Scaled(scaled.reshaped(to.shape.clone())?)));
        }
        "Transpose" => Some(scaled.whole()?),
        "Gather" | "Slice" if scaled.elements() as u64 <= ARITHMETIC_ELEMENTS => {
            Some(scaled.whole()?)
        }
        _ => None,
    };
    let mut op = Op { constants: op.constants.clone(), inputs: op.inputs.clone(), ..*op };
    op.constants[0] = whole.as_ref();
    Ok(fold_plain(&op, to)?.map(Folded::Plain))
}

fn fold_plain(op: &Op<'_>, to: &ValueType) -> Result<Option<Tensor>, NodeError> {
    if !op.node.is_standard() {
        return Ok(None);
    }
    if op.node.op == "Shape" {
        let (start, end) = shape_range(op)?;
        let dims: Vec<i64> = op.input(0)?.shape[start..end].iter().map(|&d| d as i64).collect();
        return Ok(Some(Tensor::from_i64(to.shape.clone(), &dims)?));
    }
    let given = op.node.inputs.iter().zip(&op.constants);
    if !given.clone().all(|(name, constant)| name.is_empty() || constant.is_some()) {
        return Ok(None);
    }
    if to.elements() == 0 {
        return Ok(Some(Tensor::new(to.dtype, to.shape.clone(), Bytes::new())?));
    }
    let Some(x) = op.constants.first().copied().flatten() else { return Ok(None) };
    let small = to.elements() <= ARITHMETIC_ELEMENTS;
    let data = match op.node.op.as_str() {
        "Identity" | "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => Some(x.data().clone()),
        "Transpose" => Some(transpose(op, x)?),
        "Cast" if small => cast(x, to.dtype),
        "Gather" if small => gather(op, x)?,
        "Slice" if small => slice(op, x)?,
        "Concat" if small => concat(op, x)?,
        "ConstantOfShape" if small => Some(filler(op)?.1.repeat(to.elements() as usize).into()),
        "Expand" if small => Some(expand(x, &to.shape)),
        "Add" | "Sub" | "Mul" | "Div" if small => arithmetic(op, x, to),
        _ => None,
    };
    Ok(data.map(|data| Tensor::new(to.dtype, to.shape.clone(), data)).transpose()?)
}

fn transpose(op: &Op<'_>, x: &Tensor) -> Result<Bytes, NodeError> {
    let perm = permutation(op)?;
    let strides = strides(x.shape());
    let size = x.dtype().size();
    let mut data = Vec::with_capacity(x.data().len());
    let lengths: Vec<usize> = perm.iter().map(|&p| x.shape()[p]).collect();
    let steps: Vec<usize> = perm.iter().map(|&p| strides[p]).collect();
    for_each_index(&lengths, |index| {
        let at: usize = index.iter().zip(&steps).map(|(i, s)| i * s).sum();
        data.extend_from_slice(&x.data()[at * size..(at + 1) * size]);
    });
    Ok(data.into())
}

fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d] * shape[d];
    }
    strides
}

/// Calls `f` with each index of a tensor of shape `lengths`, in row-major
/// order.
fn for_each_index(lengths: &[usize], mut f: impl FnMut(&[usize])) {
    if lengths.contains(&0) {
        return;
    }
    let mut index = vec![0; lengths.len()];
    loop {
        f(&index);
        let Some(d) = (0..lengths.len()).rev().find(|&d| index[d] + 1 < lengths[d]) else { return };
        index[d] += 1;
        index[d + 1..].fill(0);
    }
}

/// What a `DequantizeLinear` of constants makes.
fn dequantize(op: &Op<'_>, to: &ValueType) -> Result<Option<Scaled>, NodeError> {
    let constant = |i: usize| op.constants.get(i).copied().flatten();
    let (Some(x), Some(scale)) = (constant(0), constant(1)) else { return Ok(None) };
    let (zero, zero_given) = (constant(2), op.node.input(2).is_some());
    let handled = op.node.op == "DequantizeLinear" && op.node.is_standard();
    if !handled || zero.is_some() != zero_given || to.elements() == 0 {
        return Ok(None);
    }
    // Elements in a row that share one scale.
    let run = match scale.elements() {
        1 => usize::MAX,
        _ => strides(x.shape())[op.axis("axis", 1, x.shape().len())?],
    };
    Ok(Scaled::dequantized(x.clone(), zero.cloned(), scale.clone(), run))
}

fn cast(x: &Tensor, to: DType) -> Option<Bytes> {
    if x.dtype() == to {
        return Some(x.data().clone());
    }
    let values = x.to_i64().ok()?;
    Some(match to {
        DType::I64 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        DType::I32 => values.iter().flat_map(|&v| (v as i32).to_le_bytes()).collect(),
        DType::F32 => values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect(),
        _ => return None,
    })
}

fn gather(op: &Op<'_>, x: &Tensor) -> Result<Option<Bytes>, NodeError> {
    let axis = op.axis("axis", 0, x.shape().len())?;
    let Some(indices) = op.constants[1] else { return Ok(None) };
    let block = strides(x.shape())[axis] * x.dtype().size();
    let length = x.shape()[axis];
    let outer: usize = x.shape()[..axis].iter().product();
    let mut data = Vec::new();
    for o in 0..outer {
        for &i in &indices.to_i64()? {
            let i = crate::shape::resolve_axis(i, length).ok_or_else(|| NodeError::Constant {
                index: 1,
                got: i.to_string(),
                expected: "an index within the input",
            })?;
            let at = (o * length + i) * block;
            data.extend_from_slice(&x.data()[at..at + block]);
        }
    }
    Ok(Some(data.into()))
}

fn slice(op: &Op<'_>, x: &Tensor) -> Result<Option<Bytes>, NodeError> {
    let mut lengths = x.shape().to_vec();
    let mut starts = vec![0i64; lengths.len()];
    let mut steps = vec![1i64; lengths.len()];
    for cut in cuts(op)? {
        lengths[cut.axis] = cut.length;
        starts[cut.axis] = cut.start;
        steps[cut.axis] = cut.step;
    }
    let (strides, size) = (strides(x.shape()), x.dtype().size());
    let mut data = Vec::new();
    for_each_index(&lengths, |index| {
        let place = |d: usize| (starts[d] + index[d] as i64 * steps[d]) as usize * strides[d];
        let at: usize = (0..index.len()).map(place).sum();
        data.extend_from_slice(&x.data()[at * size..(at + 1) * size]);
    });
    Ok(Some(data.into()))
}

fn concat(op: &Op<'_>, x: &Tensor) -> Result<Option<Bytes>, NodeError> {
    let axis = op.axis("axis", 1, x.shape().len())?;
    let outer: usize = x.shape()[..axis].iter().product();
    let mut data = Vec::new();
    for o in 0..outer {
        for part in op.constants.iter().flatten() {
            let block = part.data().len() / outer;
            data.extend_from_slice(&part.data()[o * block..(o + 1) * block]);
        }
    }
    Ok(Some(data.into()))
}

/// `x`, broadcast to `shape`.
fn expand(x: &Tensor, shape: &[usize]) -> Bytes {
    let (size, missing) = (x.dtype().size(), shape.len() - x.shape().len());
    let mut steps = vec![0; missing];
    steps.extend(
        strides(x.shape()).iter().zip(x.shape()).map(|(s, &d)| if d == 1 { 0 } else { *s }),
    );
    let mut data = Vec::new();
    for_each_index(shape, |index| {
        let at: usize = index.iter().zip(&steps).map(|(i, s)| i * s).sum();
        data.extend_from_slice(&x.data()[at * size..(at + 1) * size]);
    });
    data.into()
}

/// On i64 only, which shapes are computed in; `None` where it overflows or
/// one operand is neither of the result's shape nor a single element.
fn arithmetic(op: &Op<'_>, x: &Tensor, to: &ValueType) -> Option<Bytes> {
    let y = op.constants.get(1).copied().flatten()?;
    if to.dtype != DType::I64 || op.constants.len() != 2 {
        return None;
    }
    let count = to.elements() as usize;
    let operand = |t: &Tensor| {
        let values = t.to_i64().ok()?;
        match values.len() {
            n if n == count => Some(values),
            1 => Some(vec![values[0]; count]),
            _ => None,
        }
    };
    let (x, y) = (operand(x)?, operand(y)?);
    let mut data = Vec::with_capacity(count * 8);
    for (a, b) in x.into_iter().zip(y) {
        let value = match op.node.op.as_str() {
            "Add" => a.checked_add(b),
            "Sub" => a.checked_sub(b),
            "Mul" => a.checked_mul(b),
            _ => a.checked_div(b),
        };
        data.extend_from_slice(&value?.to_le_bytes());
    }
    Some(data.into())
}
