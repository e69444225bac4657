//! Operators that move elements without computing on them.

use bytes::Bytes;

use super::TypedNode;
use super::elementwise::broadcast;
use super::typed_node::resolve_axis;
use crate::graph::{NodeError, ValueType};
use crate::onnx::typed_data;
use crate::tensor::{DType, Tensor};

fn product(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
}

pub(super) fn shape(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let (start, end) = shape_range(op)?;
    Ok(vec![ValueType { dtype: DType::I64, shape: vec![end.saturating_sub(start)] }])
}

/// The first and one past the last dimension whose length a `Shape` node gives.
pub(super) fn shape_range(op: &TypedNode<'_>) -> Result<(usize, usize), NodeError> {
    let rank = op.input(0)?.shape.len() as i64;
    let clamp = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (start, end) = (clamp(op.node.int("start", 0)?), clamp(op.node.int("end", rank)?));
    Ok((start, end.max(start)))
}

/// The new shape must be constant. 0 keeps a dimension's length, and -1 stands
/// for the length that is left.
pub(super) fn reshape(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = op.input(0)?;
    let wanted = op.list(1)?.ok_or(NodeError::MissingInput { index: 1 })?;
    let bad = || NodeError::Constant {
        index: 1,
        got: format!("{wanted:?}"),
        expected: "a shape with the input's number of elements",
    };
    let zero_is_zero = op.node.int("allowzero", 0)? != 0;
    let mut shape = Vec::with_capacity(wanted.len());
    let mut rest = None;
    for (i, &d) in wanted.iter().enumerate() {
        shape.push(match d {
            0 if !zero_is_zero => *x.shape.get(i).ok_or_else(bad)?,
            -1 if rest.is_none() => {
                rest = Some(i);
                1
            }
            d => usize::try_from(d).map_err(|_| bad())?,
        });
    }
    let (have, need) = (product(&x.shape), product(&shape));
    match (rest, have, need) {
        (Some(i), Some(have), Some(need)) if need > 0 && have.is_multiple_of(need) => {
            shape[i] = have / need;
        }
        (None, Some(have), Some(need)) if have == need => {}
        _ => return Err(bad()),
    }
    op.like_input(shape)
}

pub(super) fn flatten(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = &op.input(0)?.shape;
    // The axis may be one past the last dimension.
    let axis = op.node.int("axis", 1)?;
    let axis = match axis {
        a if a == x.len() as i64 => x.len(),
        a => resolve_axis(a, x.len()).ok_or_else(|| op.bad("axis", a, "an axis"))?,
    };
    let (left, right) = x.split_at(axis);
    op.like_input(vec![left.iter().product(), right.iter().product()])
}

pub(super) fn transpose(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = &op.input(0)?.shape;
    op.like_input(permutation(op)?.into_iter().map(|p| x[p]).collect())
}

/// For each dimension of a `Transpose` node's output, the input's dimension.
pub(super) fn permutation(op: &TypedNode<'_>) -> Result<Vec<usize>, NodeError> {
    let rank = op.input(0)?.shape.len();
    let Some(perm) = op.node.ints("perm")? else { return Ok((0..rank).rev().collect()) };
    let mut seen = vec![false; rank];
    let bad = || op.bad("perm", format!("{perm:?}"), "a permutation of the dimensions");
    if perm.len() != rank {
        return Err(bad());
    }
    perm.iter()
        .map(|&p| {
            let p = usize::try_from(p).ok().filter(|&p| p < rank).ok_or_else(bad)?;
            if std::mem::replace(&mut seen[p], true) { Err(bad()) } else { Ok(p) }
        })
        .collect()
}

pub(super) fn squeeze(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = &op.input(0)?.shape;
    let gone = match op.attribute_or_list("axes", 1)? {
        None => x.iter().map(|&d| d == 1).collect(),
        Some(axes) => {
            let mut gone = vec![false; x.len()];
            for axis in axes {
                let i = resolve_axis(axis, x.len()).filter(|&i| x[i] == 1);
                gone[i.ok_or_else(|| op.bad("axes", axis, "an axis of length 1"))?] = true;
            }
            gone
        }
    };
    op.like_input(x.iter().zip(gone).filter(|(_, gone)| !gone).map(|(&d, _)| d).collect())
}

pub(super) fn unsqueeze(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = &op.input(0)?.shape;
    let axes = op.attribute_or_list("axes", 1)?.ok_or(NodeError::MissingInput { index: 1 })?;
    let rank = x.len() + axes.len();
    if rank > op.limits.rank {
        return Err(op.bad("axes", format!("{axes:?}"), "fewer dimensions"));
    }
    let mut new = vec![false; rank];
    for &axis in &axes {
        let i = resolve_axis(axis, rank).filter(|&i| !new[i]);
        new[i.ok_or_else(|| op.bad("axes", format!("{axes:?}"), "unlike axes"))?] = true;
    }
    let mut dims = x.iter();
    op.like_input(
        new.into_iter().map(|n| if n { 1 } else { dims.next().copied().unwrap_or(1) }).collect(),
    )
}

pub(super) fn concat(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let first = op.input(0)?;
    let axis = op.axis("axis", 1, first.shape.len())?;
    let mut shape = first.shape.clone();
    for index in 1..op.inputs.len() {
        let other = op.input(index)?;
        let alike = other.shape.len() == shape.len()
            && (0..shape.len()).all(|d| d == axis || other.shape[d] == shape[d]);
        if !alike || other.dtype != first.dtype {
            return Err(NodeError::Mismatch { left: shape, right: other.shape.clone() });
        }
        shape[axis] = shape[axis].saturating_add(other.shape[axis]);
    }
    op.like_input(shape)
}

pub(super) fn split(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = op.input(0)?;
    let axis = op.axis("axis", 0, x.shape.len())?;
    let (length, parts) = (x.shape[axis], op.node.outputs.len().max(1));
    let lengths = match op.attribute_or_list("split", 1)? {
        Some(given) => {
            let lengths: Option<Vec<usize>> =
                given.iter().map(|&v| usize::try_from(v).ok().filter(|&v| v <= length)).collect();
            lengths
                .filter(|l| l.len() == parts && l.iter().sum::<usize>() == length)
                .ok_or_else(|| op.bad("split", format!("{given:?}"), "lengths of the outputs"))?
        }
        None => {
            // Uneven only with num_outputs, and then the last is shorter.
            let each = length.div_ceil(parts);
            let even = each * parts == length || op.node.attribute("num_outputs").is_some();
            if !even || each * (parts - 1) >= length.max(1) {
                return Err(op.bad_shape(0, format!("{parts} equal parts")));
            }
            (0..parts).map(|i| each.min(length - i * each)).collect()
        }
    };
    let part = |length| {
        let mut shape = x.shape.clone();
        shape[axis] = length;
        ValueType { dtype: x.dtype, shape }
    };
    Ok(lengths.into_iter().map(part).collect())
}

/// One axis of a `Slice` node.
pub(super) struct Cut {
    pub axis: usize,
    pub start: i64,
    pub step: i64,
    pub length: usize,
}

/// The axes that a `Slice` node cuts, its bounds being constant.
pub(super) fn cuts(op: &TypedNode<'_>) -> Result<Vec<Cut>, NodeError> {
    let x = &op.input(0)?.shape;
    let missing = |index| NodeError::MissingInput { index };
    let starts = op.attribute_or_list("starts", 1)?.ok_or(missing(1))?;
    let ends = op.attribute_or_list("ends", 2)?.ok_or(missing(2))?;
    let axes = op.attribute_or_list("axes", 3)?;
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = op.list(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    let lengths = [ends.len(), axes.len(), steps.len()];
    if lengths.iter().any(|&l| l != starts.len()) || starts.len() > x.len() {
        return Err(op.bad("starts", format!("{starts:?}"), "one entry an axis"));
    }
    let mut cuts: Vec<Cut> = Vec::new();
    for i in 0..starts.len() {
        let axis = resolve_axis(axes[i], x.len()).filter(|&a| cuts.iter().all(|c| c.axis != a));
        let axis = axis.ok_or_else(|| op.bad("axes", format!("{axes:?}"), "unlike axes"))?;
        let (length, step) = (x[axis] as i64, steps[i]);
        let from_end = |v: i64| if v < 0 { v.saturating_add(length) } else { v };
        let (start, end) = (from_end(starts[i]), from_end(ends[i]));
        let (start, span) = match step {
            0 => return Err(op.bad("steps", 0, "a step other than 0")),
            1.. => {
                let start = start.clamp(0, length);
                (start, end.clamp(0, length) - start)
            }
            _ if length == 0 => (0, 0),
            _ => {
                let start = start.clamp(0, (length - 1).max(0));
                (start, start - end.clamp(-1, length - 1))
            }
        };
        let length = span.max(0).unsigned_abs().div_ceil(step.unsigned_abs()) as usize;
        cuts.push(Cut { axis, start, step, length });
    }
    Ok(cuts)
}

pub(super) fn slice(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let mut shape = op.input(0)?.shape.clone();
    for cut in cuts(op)? {
        shape[cut.axis] = cut.length;
    }
    op.like_input(shape)
}

pub(super) fn gather(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let (x, indices) = (op.input(0)?, op.input(1)?);
    let axis = op.axis("axis", 0, x.shape.len())?;
    if !matches!(indices.dtype, DType::I64 | DType::I32) {
        let expected = "i32 or i64".to_owned();
        return Err(NodeError::InputType { index: 1, got: indices.dtype, expected });
    }
    let mut shape = x.shape[..axis].to_vec();
    shape.extend(&indices.shape);
    shape.extend(&x.shape[axis + 1..]);
    op.like_input(shape)
}

/// `pads` lists what is added before each axis, then after each; negative
/// numbers cut.
pub(super) fn pad(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = &op.input(0)?.shape;
    let pads = op.attribute_or_list("pads", 1)?.ok_or(NodeError::MissingInput { index: 1 })?;
    let axes = op.list(3)?.unwrap_or_else(|| (0..x.len() as i64).collect());
    if pads.len() != 2 * axes.len() || axes.len() > x.len() {
        return Err(op.bad("pads", format!("{pads:?}"), "begin and end of each axis"));
    }
    let mut shape = x.clone();
    let mut seen = vec![false; x.len()];
    for (i, &axis) in axes.iter().enumerate() {
        let at = resolve_axis(axis, x.len()).filter(|&a| !std::mem::replace(&mut seen[a], true));
        let at = at.ok_or_else(|| op.bad("axes", format!("{axes:?}"), "unlike axes"))?;
        let length = (x[at] as i64)
            .checked_add(pads[i])
            .and_then(|n| n.checked_add(pads[i + axes.len()]))
            .and_then(|n| usize::try_from(n).ok());
        shape[at] = length.ok_or_else(|| op.bad("pads", format!("{pads:?}"), "smaller pads"))?;
    }
    op.like_input(shape)
}

pub(super) fn expand(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = &op.input(0)?.shape;
    let wanted = op.list(1)?.ok_or(NodeError::MissingInput { index: 1 })?;
    let shape: Option<Vec<usize>> = wanted.iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape.and_then(|shape| broadcast(x, &shape));
    op.like_input(shape.ok_or_else(|| NodeError::Constant {
        index: 1,
        got: format!("{wanted:?}"),
        expected: "a shape that the input broadcasts to",
    })?)
}

pub(super) fn constant_of_shape(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let wanted = op.list(0)?.ok_or(NodeError::MissingInput { index: 0 })?;
    let shape: Option<Vec<usize>> = wanted.iter().map(|&d| usize::try_from(d).ok()).collect();
    let shape = shape.ok_or_else(|| NodeError::Constant {
        index: 0,
        got: format!("{wanted:?}"),
        expected: "a shape",
    })?;
    Ok(vec![ValueType { dtype: filler(op)?.0, shape }])
}

/// Type and bytes of the one element that a `ConstantOfShape` node repeats.
pub(super) fn filler(op: &TypedNode<'_>) -> Result<(DType, Bytes), NodeError> {
    let Some(attribute) = op.node.attribute("value") else {
        return Ok((DType::F32, Bytes::from_static(&[0; 4])));
    };
    let read = attribute.t.as_ref().and_then(|tensor| {
        let dtype = DType::from_onnx(tensor.data_type())?;
        let data = tensor.raw_data.clone().or_else(|| typed_data(dtype, tensor))?;
        let one = Tensor::new(dtype, Vec::new(), data.clone()).ok()?;
        Some(match dtype {
            // Half floats are computed as f32.
            DType::F16 => {
                let wide = Tensor::from_numbers(DType::F32, Vec::new(), &one.to_numbers()).ok()?;
                (DType::F32, wide.data().clone())
            }
            _ => (dtype, data),
        })
    });
    read.ok_or_else(|| op.bad("value", "another tensor", "a tensor of one element"))
}
