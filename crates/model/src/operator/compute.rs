//! Computes operators whose inputs are constant.

use bytes::Bytes;

use super::TypedNode;
use super::layout::{cuts, filler, permutation, shape_range};
use super::typed_node::resolve_axis;
use crate::graph::{NodeError, ValueType};
use crate::scaled::Scaled;
use crate::tensor::Tensor;

pub(super) fn shape(op: &TypedNode<'_>, to: &ValueType) -> Result<Tensor, NodeError> {
    let (start, end) = shape_range(op)?;
    let dims: Vec<i64> = op.input(0)?.shape[start..end].iter().map(|&d| d as i64).collect();
    Ok(Tensor::from_i64(to.shape.clone(), &dims)?)
}

pub(super) fn transpose(
    op: &TypedNode<'_>,
    x: &Tensor,
    _: &ValueType,
) -> Result<Option<Bytes>, NodeError> {
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
    Ok(Some(data.into()))
}

pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for d in (1..shape.len()).rev() {
        strides[d - 1] = strides[d] * shape[d];
    }
    strides
}

/// Calls `f` with each index of a tensor of shape `lengths`, in row-major
/// order.
pub(super) fn for_each_index(lengths: &[usize], mut f: impl FnMut(&[usize])) {
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

/// The output of a `DequantizeLinear` whose inputs are constant.
pub(crate) fn dequantize(op: &TypedNode<'_>, to: &ValueType) -> Result<Option<Scaled>, NodeError> {
    let constant = |i: usize| op.constants.get(i).copied().flatten();
    let (Some(x), Some(scale)) = (constant(0), constant(1)) else { return Ok(None) };
    let (zero, zero_given) = (constant(2), op.node.input(2).is_some());
    if zero.is_some() != zero_given || to.elements() == 0 {
        return Ok(None);
    }
    // Elements in a row that share one scale.
    let run = match scale.elements() {
        1 => usize::MAX,
        _ => strides(x.shape())[op.axis("axis", 1, x.shape().len())?],
    };
    Ok(Scaled::dequantized(x.clone(), zero.cloned(), scale.clone(), run))
}

pub(super) fn gather(
    op: &TypedNode<'_>,
    x: &Tensor,
    _: &ValueType,
) -> Result<Option<Bytes>, NodeError> {
    let axis = op.axis("axis", 0, x.shape().len())?;
    let Some(indices) = op.constants[1] else { return Ok(None) };
    let block = strides(x.shape())[axis] * x.dtype().size();
    let length = x.shape()[axis];
    let outer: usize = x.shape()[..axis].iter().product();
    let mut data = Vec::new();
    for o in 0..outer {
        for &i in &indices.to_i64()? {
            let i = resolve_axis(i, length).ok_or_else(|| NodeError::Constant {
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

pub(super) fn slice(
    op: &TypedNode<'_>,
    x: &Tensor,
    _: &ValueType,
) -> Result<Option<Bytes>, NodeError> {
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

pub(super) fn concat(
    op: &TypedNode<'_>,
    x: &Tensor,
    _: &ValueType,
) -> Result<Option<Bytes>, NodeError> {
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

/// `x`, broadcast to the output's shape.
pub(super) fn expand(
    _: &TypedNode<'_>,
    x: &Tensor,
    to: &ValueType,
) -> Result<Option<Bytes>, NodeError> {
    let shape = to.shape.as_slice();
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
    Ok(Some(data.into()))
}

pub(super) fn constant_of_shape(
    op: &TypedNode<'_>,
    _: &Tensor,
    to: &ValueType,
) -> Result<Option<Bytes>, NodeError> {
    Ok(Some(filler(op)?.1.repeat(to.elements() as usize).into()))
}
