//! Types of what reads or writes elements by their numbers.

use super::TypedNode;
use crate::graph::{NodeError, ValueType};
use crate::tensor::DType;

/// Inputs of one shape as the indices.
pub(super) fn gather_elements(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let (x, indices) = (op.input(0)?, op.input(1)?);
    let axis = op.axis("axis", 0, x.shape.len())?;
    let fits = x.shape.len() == indices.shape.len()
        && (0..x.shape.len()).all(|d| d == axis || indices.shape[d] <= x.shape[d]);
    if !fits {
        return Err(NodeError::Mismatch { left: x.shape.clone(), right: indices.shape.clone() });
    }
    op.like_input(indices.shape.clone())
}

/// Input [b .., k .., rest ..], indices [b .., n .., number of k] to
/// [b .., n .., rest ..].
pub(super) fn gather_nd(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let (x, indices) = (&op.input(0)?.shape, &op.input(1)?.shape);
    let batch = op.node.int("batch_dims", 0)?;
    let batch = usize::try_from(batch).map_err(|_| op.bad("batch_dims", batch, "0 or more"))?;
    let mismatch = || NodeError::Mismatch { left: x.clone(), right: indices.clone() };
    let (&depth, outer) = indices.split_last().ok_or_else(mismatch)?;
    let rest = x.get(batch.saturating_add(depth)..).ok_or_else(mismatch)?;
    if batch > outer.len() || x[..batch] != outer[..batch] {
        return Err(mismatch());
    }
    op.like_input(outer.iter().chain(rest).copied().collect())
}

/// The input's own type and shape.
pub(super) fn scatter(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let shape = op.input(0)?.shape.clone();
    op.input(1)?;
    op.input(2)?;
    op.like_input(shape)
}

/// Values and their numbers, with `k` in place of the axis.
pub(super) fn top_k(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = op.input(0)?;
    let axis = op.axis("axis", -1, x.shape.len())?;
    let given = op.list(1)?.ok_or(NodeError::MissingInput { index: 1 })?;
    let k = given.first().and_then(|&k| usize::try_from(k).ok()).filter(|&k| k <= x.shape[axis]);
    let k = k.ok_or_else(|| NodeError::Constant {
        index: 1,
        got: format!("{given:?}"),
        expected: "a number within the axis",
    })?;
    let mut shape = x.shape.clone();
    shape[axis] = k;
    let places = ValueType { dtype: DType::I64, shape: shape.clone() };
    let mut types = op.like_input(shape)?;
    types.push(places);
    Ok(types)
}
