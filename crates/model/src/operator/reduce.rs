//! Operators that fold whole dimensions into one element.

use super::TypedNode;
use super::typed_node::resolve_axis;
use crate::graph::{NodeError, ValueType};
use crate::tensor::DType;

/// `ReduceMean` and its kin: axes as attribute or, in newer versions, as a
/// constant input.
pub(super) fn reduce(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = op.input(0)?;
    let rank = x.shape.len();
    let keep = op.node.int("keepdims", 1)? != 0;
    let axes = op.attribute_or_list("axes", 1)?.unwrap_or_default();
    if axes.is_empty() && op.node.int("noop_with_empty_axes", 0)? != 0 {
        return op.like_input(x.shape.clone());
    }
    let mut gone = vec![axes.is_empty(); rank];
    for &axis in &axes {
        let axis = resolve_axis(axis, rank).ok_or_else(|| op.bad("axes", axis, "an axis"))?;
        gone[axis] = true;
    }
    op.like_input(drop_axes(&x.shape, &gone, keep))
}

/// `ArgMax` and `ArgMin`.
pub(super) fn arg(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = op.input(0)?;
    let mut gone = vec![false; x.shape.len()];
    gone[op.axis("axis", 0, x.shape.len())?] = true;
    let shape = drop_axes(&x.shape, &gone, op.node.int("keepdims", 1)? != 0);
    Ok(vec![ValueType { dtype: DType::I64, shape }])
}

fn drop_axes(shape: &[usize], gone: &[bool], keep: bool) -> Vec<usize> {
    let dims = shape.iter().zip(gone);
    if keep {
        dims.map(|(&d, &g)| if g { 1 } else { d }).collect()
    } else {
        dims.filter(|(_, g)| !**g).map(|(&d, _)| d).collect()
    }
}
