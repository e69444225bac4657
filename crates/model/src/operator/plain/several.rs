//! Operators of any number of inputs.

use super::draft::{Draft, name};
use crate::graph::NodeError;
use crate::operator::typed_node::TypedNode;

/// `Sum`, `Mean`, `Max` and `Min`: two at a time.
pub(crate) fn pairwise(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Result<(), NodeError> {
    let count = op.node.inputs.len();
    let each = match op.node.op.as_str() {
        "Sum" | "Mean" => "Add",
        other => other,
    };
    let plain = count == 2 && each == op.node.op;
    if plain {
        return Ok(());
    }
    let mut all = name(op, 0)?.to_owned();
    for index in 1..count {
        all = draft.two(each, &all, name(op, index)?);
    }
    if op.node.op == "Mean" {
        let count = draft.number(op.input(0)?.dtype, count as f64)?;
        all = draft.two("Div", &all, &count);
    }
    draft.done(&all);
    Ok(())
}

/// A chain of one piece is the piece.
pub(crate) fn concat(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Result<(), NodeError> {
    let full = |index: &usize| op.optional(*index).is_none_or(|t| !t.shape.contains(&0));
    let kept: Vec<usize> = (0..op.node.inputs.len()).filter(full).collect();
    if kept.len() == op.node.inputs.len() && kept.len() > 1 || kept.is_empty() {
        return Ok(());
    }
    if let [only] = kept[..] {
        draft.done(name(op, only)?);
        return Ok(());
    }
    let names: Vec<&str> = kept.iter().map(|&i| name(op, i)).collect::<Result<_, _>>()?;
    draft.output(0, "Concat", &names, op.node.attributes.clone());
    Ok(())
}

/// Forms of before opset 7: whether, and from which axis on, the second value is
/// broadcast, is said by attributes.
pub(crate) fn old_broadcast(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Result<(), NodeError> {
    let old = |name: &str| matches!(name, "broadcast" | "axis" | "consumed_inputs");
    let binary = matches!(
        op.node.op.as_str(),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "And" | "Or" | "Xor" | "Equal" | "Less" | "Greater"
    );
    let kept: Vec<_> = op.node.attributes.iter().filter(|a| !old(a.name())).cloned().collect();
    if op.node.op == "Gemm" && op.node.attribute("broadcast").is_some() {
        let inputs: Vec<&str> = op.node.inputs.iter().map(String::as_str).collect();
        draft.again(&inputs, kept);
        return Ok(());
    }
    if !binary || op.node.attribute("broadcast").is_none() {
        return Ok(());
    }
    let (x, y) = (&op.input(0)?.shape, &op.input(1)?.shape);
    let axis = op.node.int("axis", x.len() as i64 - y.len() as i64)?;
    let from = usize::try_from(axis).ok().filter(|from| from + y.len() <= x.len());
    let from = from.ok_or_else(|| op.bad("axis", axis, "an axis of the first value"))?;
    let mut shape = y.clone();
    shape.resize(x.len() - from, 1);
    let y = draft.reshape(name(op, 1)?, &shape)?;
    draft.again(&[name(op, 0)?, &y], kept);
    Ok(())
}
