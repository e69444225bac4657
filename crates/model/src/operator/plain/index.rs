//! Operators that make or use the numbers of elements.

use super::draft::{Draft, bounded, name};
use crate::graph::NodeError;
use crate::onnx::{int_attribute, text_attribute};
use crate::operator::typed_node::{TypedNode, resolve_axis};
use crate::tensor::{DType, Tensor};

type Ruled = Result<(), NodeError>;

/// 0, 1, 2 ... along `axis` of `rank` dimensions, of length 1 in the others.
pub(super) fn counting(
    draft: &mut Draft<'_>,
    count: usize,
    axis: usize,
    rank: usize,
) -> Result<String, NodeError> {
    let mut shape = vec![1; rank];
    shape[axis] = bounded(count)?;
    let values: Vec<i64> = (0..count as i64).collect();
    Ok(draft.constant("counting", Tensor::from_i64(shape, &values)?))
}

/// One of two values, as an index says it or not.
pub(crate) fn one_hot(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let depth = op.constants.get(1).copied().flatten();
    let depth = depth.ok_or(NodeError::NotConstant { index: 1 })?.to_numbers();
    let bad = || NodeError::Constant {
        index: 1,
        got: format!("{depth:?}"),
        expected: "one positive number",
    };
    let [depth] = depth[..] else { return Err(bad()) };
    if !(1.0..=1e9).contains(&depth) {
        return Err(bad());
    }
    let (indices, depth) = (op.input(0)?, depth as usize);
    let rank = indices.shape.len() + 1;
    let axis = op.node.int("axis", -1)?;
    let axis = resolve_axis(axis, rank).ok_or_else(|| op.bad("axis", axis, "an axis"))?;
    let mut shape = indices.shape.clone();
    shape.insert(axis, 1);
    let at = draft.cast(name(op, 0)?, indices.dtype, DType::I64);
    let at = draft.reshape(&at, &shape)?;
    let (zero, length) = (draft.number(DType::I64, 0.0)?, draft.number(DType::I64, depth as f64)?);
    let negative = draft.two("Less", &at, &zero);
    let more = draft.two("Add", &at, &length);
    let at = draft.value("Where", &[&negative, &more, &at], Vec::new());
    let counting = counting(draft, depth, axis, rank)?;
    let hit = draft.two("Equal", &at, &counting);
    let values = name(op, 2)?;
    let (off, on) = (draft.pick(values, 0, &[0])?, draft.pick(values, 0, &[1])?);
    draft.output(0, "Where", &[&hit, &on, &off], Vec::new());
    Ok(())
}

/// 1 at the first of the greatest, else 0. Until opset 13, over all dimensions
/// from the axis on.
pub(crate) fn hardmax(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, types) = (name(op, 0)?, op.input(0)?);
    let old = op.opset < 13;
    let axis = op.axis("axis", if old { 1 } else { -1 }, types.shape.len())?;
    let (mut x, mut axis, mut shape) = (x.to_owned(), axis, types.shape.clone());
    if old {
        let (left, right) = shape.split_at(axis);
        shape = vec![left.iter().product(), right.iter().product()];
        axis = 1;
        x = draft.reshape(&x, &shape)?;
    }
    let place = vec![int_attribute("axis", axis as i64), int_attribute("keepdims", 1)];
    let at = draft.value("ArgMax", &[&x], place);
    let counting = counting(draft, shape[axis], axis, shape.len())?;
    let hit = draft.two("Equal", &at, &counting);
    let ones = draft.cast(&hit, DType::Bool, types.dtype);
    let ones = if old { draft.reshape(&ones, &types.shape)? } else { ones };
    draft.done(&ones);
    Ok(())
}

/// A TopK that has its number as an input.
pub(crate) fn top_k(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    if op.opset >= 10 {
        return Ok(());
    }
    let count = draft.list("k", &[op.node.int("k", 0)?])?;
    let axis = int_attribute("axis", op.node.int("axis", -1)?);
    draft.again(&[name(op, 0)?, &count], vec![axis]);
    Ok(())
}

/// Sums of all elements up to each: shifted by 1, 2, 4 ... and added.
pub(crate) fn cum_sum(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let types = op.input(0)?;
    let axis = op.constants.get(1).copied().flatten();
    let axis = axis.ok_or(NodeError::NotConstant { index: 1 })?.to_i64()?;
    let [axis] = axis[..] else { return Err(op.bad_shape(1, "one number")) };
    let rank = types.shape.len();
    let axis = resolve_axis(axis, rank).ok_or_else(|| op.bad("axis", axis, "an axis"))?;
    let length = types.shape[axis];
    let back = op.node.int("reverse", 0)? != 0;
    let mut sum = name(op, 0)?.to_owned();
    let mut step = 1;
    while step < length {
        let shifted = shift(draft, &sum, types.dtype, &types.shape, (axis, step, back))?;
        sum = draft.two("Add", &sum, &shifted);
        step *= 2;
    }
    if op.node.int("exclusive", 0)? != 0 {
        sum = shift(draft, &sum, types.dtype, &types.shape, (axis, 1, back))?;
    }
    draft.done(&sum);
    Ok(())
}

/// `x`, moved by some places along an axis, with zeros where nothing came.
fn shift(
    draft: &mut Draft<'_>,
    x: &str,
    dtype: DType,
    shape: &[usize],
    (axis, step, back): (usize, usize, bool),
) -> Result<String, NodeError> {
    let length = shape[axis];
    let step = step.min(length);
    let wide = if dtype == DType::F32 {
        let mut pads = vec![0; 2 * shape.len()];
        pads[if back { shape.len() + axis } else { axis }] = step as i64;
        let (pads, zero) = (draft.list("pads", &pads)?, draft.number(dtype, 0.0)?);
        draft.value("Pad", &[x, &pads, &zero], vec![text_attribute("mode", "constant")])
    } else {
        // Engines pad hardly anything but f32.
        let mut zeros = shape.to_vec();
        zeros[axis] = step;
        let count = bounded(zeros.iter().fold(1, |count, &length| count.saturating_mul(length)))?;
        let zeros = draft.numbers(dtype, &zeros, &vec![0.0; count])?;
        let parts = if back { [x, &zeros] } else { [&zeros, x] };
        draft.value("Concat", &parts, vec![int_attribute("axis", axis as i64)])
    };
    let start = if back { step } else { 0 };
    draft.cut(&wide, axis, start, start + length)
}

/// A triangle of the last two dimensions, and zeros in the other one.
pub(crate) fn trilu(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let types = op.input(0)?;
    let [.., rows, columns] = types.shape[..] else {
        return Err(op.bad_shape(0, "2 or more dimensions"));
    };
    let k = match op.node.input(1) {
        None => 0,
        Some(_) => {
            let k = op.constants.get(1).copied().flatten();
            let k = k.ok_or(NodeError::NotConstant { index: 1 })?.to_i64()?;
            *k.first().ok_or_else(|| op.bad_shape(1, "one number"))?
        }
    };
    let upper = op.node.int("upper", 1)? != 0;
    bounded(rows.saturating_mul(columns))?;
    let within = |at: usize| {
        let (row, column) = ((at / columns) as i64, (at % columns) as i64);
        let beyond = column.saturating_sub(row);
        u8::from(if upper { beyond >= k } else { beyond <= k })
    };
    let mask: Vec<u8> = (0..rows * columns).map(within).collect();
    let mask =
        draft.constant("triangle", Tensor::new(DType::Bool, vec![rows, columns], mask.into())?);
    let zero = draft.number(types.dtype, 0.0)?;
    draft.output(0, "Where", &[&mask, name(op, 0)?, &zero], Vec::new());
    Ok(())
}

/// Ones on a diagonal.
pub(crate) fn eye_like(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let types = op.input(0)?;
    let [rows, columns] = types.shape[..] else { return Err(op.bad_shape(0, "a matrix")) };
    let k = op.node.int("k", 0)?;
    bounded(rows.saturating_mul(columns))?;
    let to = op.node.int("dtype", types.dtype.onnx().into())?;
    let dtype = i32::try_from(to).ok().and_then(DType::from_onnx);
    let dtype = dtype.ok_or_else(|| op.bad("dtype", to, "a supported element type"))?;
    let one = |at: usize| (at % columns) as i64 == k.saturating_add((at / columns) as i64);
    let values: Vec<f64> = (0..rows * columns).map(|at| f64::from(u8::from(one(at)))).collect();
    let eye = draft.numbers(dtype, &[rows, columns], &values)?;
    draft.done(&eye);
    Ok(())
}

/// Numbers from a start to a limit, all constant.
pub(crate) fn range(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let number = |index: usize| {
        let constant = op.constants.get(index).copied().flatten();
        let values = constant.ok_or(NodeError::NotConstant { index })?.to_numbers();
        values.first().copied().ok_or_else(|| op.bad_shape(index, "one number"))
    };
    let (start, limit, step) = (number(0)?, number(1)?, number(2)?);
    let count = ((limit - start) / step).ceil().max(0.0);
    if count.is_nan() || count > f64::from(1 << 24) {
        return Err(op.bad("limit", limit, "a list of a size there is"));
    }
    let values: Vec<f64> = (0..count as usize).map(|at| start + at as f64 * step).collect();
    let range = draft.numbers(op.input(0)?.dtype, &[values.len()], &values)?;
    draft.done(&range);
    Ok(())
}

/// Number of elements.
pub(crate) fn size(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let size = draft.number(DType::I64, op.input(0)?.elements() as f64)?;
    draft.done(&size);
    Ok(())
}

/// Where a constant is not 0: a row of numbers for each dimension.
pub(crate) fn non_zero(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let x = op.constants.first().copied().flatten().ok_or(NodeError::NotConstant { index: 0 })?;
    let values = x.to_numbers();
    let found: Vec<usize> = (0..values.len()).filter(|&at| values[at] != 0.0).collect();
    let mut rows = Vec::with_capacity(found.len() * x.shape().len());
    for d in 0..x.shape().len() {
        let below: usize = x.shape()[d + 1..].iter().product();
        rows.extend(found.iter().map(|at| (at / below % x.shape()[d]) as i64));
    }
    let places = Tensor::from_i64(vec![x.shape().len(), found.len()], &rows)?;
    let places = draft.constant("places", places);
    draft.done(&places);
    Ok(())
}
