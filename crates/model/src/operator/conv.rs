//! Operators whose windows slide over their input: convolution and pooling.

use super::TypedNode;
use crate::graph::{Node, NodeError, ValueType};
use crate::tensor::DType;
use crate::window::Sliding;

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
    shape.extend(Sliding::read(op.node, &kernel)?.output(&x.shape[2..])?);
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
    shape.extend(Sliding::read(op.node, &kernel)?.output(&x.shape[2..])?);
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
