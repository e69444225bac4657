//! Matrix products, so that constant weights stand on the right.

use super::draft::{Draft, name};
use crate::graph::NodeError;
use crate::onnx::{AttributeProto, int_attribute};
use crate::operator::typed_node::TypedNode;

type Ruled = Result<(), NodeError>;

/// Is input `index` constant?
fn constant(op: &TypedNode<'_>, index: usize) -> bool {
    op.constants.get(index).copied().flatten().is_some()
}

/// The last two dimensions exchanged.
fn turned(rank: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(rank - 2, rank - 1);
    order
}

/// A product whose weights are on the left is that of both turned, turned; and
/// weights in a stack of one are a matrix.
pub(crate) fn mat_mul(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (a, b) = (&op.input(0)?.shape, &op.input(1)?.shape);
    if a.len() == 1 && a == b {
        let each = draft.two("Mul", name(op, 0)?, name(op, 1)?);
        let sum = draft.reduce("ReduceSum", &each, &[0])?;
        let sum = draft.reshape(&sum, &[])?;
        draft.done(&sum);
        return Ok(());
    }
    if constant(op, 0) && !constant(op, 1) && a.len() == 2 && b.len() >= 2 {
        let x = draft.transpose(name(op, 1)?, &turned(b.len()));
        let weights = draft.transpose(name(op, 0)?, &[1, 0]);
        let made = draft.main().value("MatMul", &[&x, &weights], Vec::new());
        let rank = b.len();
        let made = draft.transpose(&made, &turned(rank));
        draft.done(&made);
        return Ok(());
    }
    if constant(op, 1) && !constant(op, 0) && a.len() >= 2 {
        let stacked = b.len() > 2 && b[..b.len() - 2].iter().all(|&d| d == 1);
        if (stacked && b.len() <= a.len()) || b.len() == 1 {
            let shape = if b.len() == 1 { vec![b[0], 1] } else { b[b.len() - 2..].to_vec() };
            let weights = draft.reshape(name(op, 1)?, &shape)?;
            let made = draft.main().value("MatMul", &[name(op, 0)?, &weights], Vec::new());
            let to = if b.len() == 1 { a[..a.len() - 1].to_vec() } else { Vec::new() };
            let made = if b.len() == 1 { draft.reshape(&made, &to)? } else { made };
            draft.done(&made);
        }
    }
    Ok(())
}

/// A Gemm whose input is not turned, whose weights are on the right, and whose
/// last addend is constant where they are.
pub(crate) fn gemm(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (turn_a, turn_b) = (op.node.int("transA", 0)? != 0, op.node.int("transB", 0)? != 0);
    let left = constant(op, 0) && !constant(op, 1);
    let added = op.node.input(2).is_some() && !constant(op, 2) && (constant(op, 1) || left);
    let matrices = op.input(0)?.shape.len() == 2 && op.input(1)?.shape.len() == 2;
    if !matrices || !(turn_a && !constant(op, 0) || left || added) {
        return Ok(());
    }
    let (a, b) = (name(op, 0)?, name(op, 1)?);
    let (alpha, beta) = (op.node.float("alpha", 1.0)?, op.node.float("beta", 1.0)?);
    let dtype = op.input(0)?.dtype;
    let turn = |draft: &mut Draft<'_>, x: &str, turn: bool| match turn {
        true => draft.transpose(x, &[1, 0]),
        false => x.to_owned(),
    };
    // (A B)^T = B^T A^T
    let made = if left {
        let x = turn(draft, b, !turn_b);
        let made = draft.main().value("Gemm", &[&x, a], by_rows(!turn_a));
        draft.transpose(&made, &[1, 0])
    } else {
        let x = turn(draft, a, turn_a);
        draft.main().value("Gemm", &[&x, b], by_rows(turn_b))
    };
    let mut made = made;
    if alpha != 1.0 {
        let alpha = draft.number(dtype, alpha.into())?;
        made = draft.two("Mul", &made, &alpha);
    }
    if let Some(c) = op.node.input(2) {
        let mut c = c.to_owned();
        if beta != 1.0 {
            let beta = draft.number(dtype, beta.into())?;
            c = draft.two("Mul", &c, &beta);
        }
        made = draft.two("Add", &made, &c);
    }
    draft.done(&made);
    Ok(())
}

fn by_rows(turned: bool) -> Vec<AttributeProto> {
    if turned { vec![int_attribute("transB", 1)] } else { Vec::new() }
}
