//! Matrix products.

use super::TypedNode;
use super::elementwise::broadcast;
use crate::graph::{Node, NodeError, ValueType};

/// A [m, k] or its transpose, B [k, n] or its transpose, C broadcastable to
/// [m, n].
pub(super) fn gemm(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    op.same_types()?;
    let (a, b) = (op.input(0)?, op.input(1)?);
    let side = |index: usize, name: &str| {
        let [rows, columns] = op.input(index)?.shape[..] else {
            return Err(op.bad_shape(index, "a matrix"));
        };
        Ok(if op.node.int(name, 0)? != 0 { (columns, rows) } else { (rows, columns) })
    };
    let (m, k) = side(0, "transA")?;
    let (inner, n) = side(1, "transB")?;
    if k != inner {
        return Err(NodeError::Mismatch { left: a.shape.clone(), right: b.shape.clone() });
    }
    if let Some(c) = op.optional(2)
        && broadcast(&c.shape, &[m, n]).is_none_or(|s| s != [m, n])
    {
        return Err(op.bad_shape(2, format!("a shape that broadcasts to [{m}, {n}]")));
    }
    op.like_input(vec![m, n])
}

/// As numpy's matmul: matrices in the last two dimensions, the others
/// broadcast; a vector is a matrix of one row (left) or one column (right).
pub(super) fn matmul(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    op.same_types()?;
    let (a, b) = (&op.input(0)?.shape, &op.input(1)?.shape);
    let mismatch = || NodeError::Mismatch { left: a.clone(), right: b.clone() };
    if a.is_empty() || b.is_empty() {
        return Err(mismatch());
    }
    let left = if a.len() == 1 { vec![1, a[0]] } else { a.clone() };
    let right = if b.len() == 1 { vec![b[0], 1] } else { b.clone() };
    let (batch_left, ends_left) = left.split_at(left.len() - 2);
    let (batch_right, ends_right) = right.split_at(right.len() - 2);
    if ends_left[1] != ends_right[0] {
        return Err(mismatch());
    }
    let mut shape = broadcast(batch_left, batch_right).ok_or_else(mismatch)?;
    if a.len() > 1 {
        shape.push(ends_left[0]);
    }
    if b.len() > 1 {
        shape.push(ends_right[1]);
    }
    op.like_input(shape)
}

/// Operations for one output element: two for each product it is the sum of.
pub(super) fn gemm_work(node: &Node, input: &[usize], _: &[usize]) -> u64 {
    let transposed = node.int("transA", 0) == Ok(1);
    let inner = if transposed { input.first() } else { input.last() };
    2 * inner.map_or(1, |&d| d as u64)
}

/// Operations for one output element: two for each product it is the sum of.
pub(super) fn matmul_work(_: &Node, input: &[usize], _: &[usize]) -> u64 {
    2 * input.last().map_or(1, |&d| d as u64)
}
