//! Operators that fold whole dimensions into one element.

use super::draft::{Draft, name};
use crate::graph::NodeError;
use crate::onnx::{int_attribute, ints_attribute};
use crate::operator::typed_node::{TypedNode, resolve_axis};
use crate::tensor::DType;

/// The axes that are folded, none where nothing is to be done.
fn axes(op: &TypedNode<'_>) -> Result<Vec<usize>, NodeError> {
    let rank = op.input(0)?.shape.len();
    let given = op.attribute_or_list("axes", 1)?.unwrap_or_default();
    if given.is_empty() {
        let nothing = op.node.int("noop_with_empty_axes", 0)? != 0;
        return Ok(if nothing { Vec::new() } else { (0..rank).collect() });
    }
    let resolved = given.iter().map(|&axis| {
        resolve_axis(axis, rank).ok_or_else(|| op.bad("axes", axis, "an axis of the input"))
    });
    let mut axes = resolved.collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

/// One of four reductions, with all axes said as version 17 does; the others in
/// terms of these.
pub(crate) fn reduce(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Result<(), NodeError> {
    let (word, x) = (op.node.op.as_str(), name(op, 0)?);
    let axes = axes(op)?;
    let base =
        matches!(word, "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd");
    if base && is_plain(op, &axes)? {
        return Ok(());
    }
    let keep = op.node.int("keepdims", 1)? != 0;
    let before = match word {
        "ReduceL1" => draft.one("Abs", x),
        "ReduceL2" | "ReduceSumSquare" => draft.two("Mul", x, x),
        "ReduceLogSumExp" => return log_sum_exp(op, draft, &axes, keep),
        _ => x.to_owned(),
    };
    let inner = if base { word } else { "ReduceSum" };
    let folded = match axes.is_empty() {
        true => before,
        false => fold(draft, inner, &before, &axes, keep)?,
    };
    let after = match word {
        "ReduceL2" => draft.one("Sqrt", &folded),
        "ReduceLogSum" => draft.one("Log", &folded),
        _ => folded,
    };
    draft.done(&after);
    Ok(())
}

/// Is the node as version 17 has it, with all that is folded said?
fn is_plain(op: &TypedNode<'_>, axes: &[usize]) -> Result<bool, NodeError> {
    let list: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    let by_input = op.node.op == "ReduceSum";
    let said = match by_input {
        true => op.opset >= 13 && op.list(1)? == Some(list.clone()),
        false => op.node.ints("axes")? == Some(list.as_slice()),
    };
    let quiet = op.node.attribute("noop_with_empty_axes").is_none();
    Ok(said && quiet && !axes.is_empty())
}

fn fold(
    draft: &mut Draft<'_>,
    word: &str,
    x: &str,
    axes: &[usize],
    keep: bool,
) -> Result<String, NodeError> {
    let list: Vec<i64> = axes.iter().map(|&axis| axis as i64).collect();
    let keep = int_attribute("keepdims", keep.into());
    if word == "ReduceSum" {
        let axes = draft.list("axes", &list)?;
        return Ok(draft.main().value(word, &[x, &axes], vec![keep]));
    }
    Ok(draft.main().value(word, &[x], vec![ints_attribute("axes", &list), keep]))
}

/// max + log(sum(exp(x - max))), where the greatest is finite.
fn log_sum_exp(
    op: &TypedNode<'_>,
    draft: &mut Draft<'_>,
    axes: &[usize],
    keep: bool,
) -> Result<(), NodeError> {
    let (x, types) = (name(op, 0)?, op.input(0)?);
    if !matches!(types.dtype, DType::F32 | DType::F64) {
        let expected = "f32 or f64".to_owned();
        return Err(NodeError::InputType { index: 0, got: types.dtype, expected });
    }
    let most = draft.reduce("ReduceMax", x, axes)?;
    let less = draft.two("Sub", x, &most);
    let grown = draft.one("Exp", &less);
    let sum = draft.reduce("ReduceSum", &grown, axes)?;
    let log = draft.one("Log", &sum);
    let mut all = draft.two("Add", &log, &most);
    if !keep {
        let kept = types.shape.iter().enumerate().filter(|(d, _)| !axes.contains(d));
        let shape: Vec<usize> = kept.map(|(_, &length)| length).collect();
        all = draft.reshape(&all, &shape)?;
    }
    draft.done(&all);
    Ok(())
}

/// An axis from the start.
pub(crate) fn arg(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Result<(), NodeError> {
    let axis = op.axis("axis", 0, op.input(0)?.shape.len())?;
    let said = op.node.attribute("axis").is_some_and(|a| a.i() == axis as i64);
    let last = op.node.int("select_last_index", 0)?;
    if said {
        return Ok(());
    }
    let keep = int_attribute("keepdims", op.node.int("keepdims", 1)?);
    let mut attributes = vec![int_attribute("axis", axis as i64), keep];
    if last != 0 {
        attributes.push(int_attribute("select_last_index", last));
    }
    draft.again(&[name(op, 0)?], attributes);
    Ok(())
}
