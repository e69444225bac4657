//! Losses of classifiers, which some exporters leave in a model.

use super::draft::{Draft, name};
use super::index::counting;
use crate::graph::NodeError;
use crate::onnx::int_attribute;
use crate::operator::typed_node::TypedNode;
use crate::tensor::DType;

/// NegativeLogLikelihoodLoss: logarithms of probabilities, targets, weights.
pub(crate) fn likelihood(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Result<(), NodeError> {
    let logs = name(op, 0)?.to_owned();
    loss(op, draft, &logs)
}

/// SoftmaxCrossEntropyLoss: the same of scores; may give their logarithms, too.
pub(crate) fn cross_entropy(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Result<(), NodeError> {
    let logs = draft.value("LogSoftmax", &[name(op, 0)?], vec![int_attribute("axis", 1)]);
    draft.output(1, "Identity", &[&logs], Vec::new());
    loss(op, draft, &logs)
}

fn loss(op: &TypedNode<'_>, draft: &mut Draft<'_>, logs: &str) -> Result<(), NodeError> {
    let (types, targets) = (op.input(0)?, op.input(1)?);
    let (rank, dtype) = (types.shape.len(), types.dtype);
    let fits = rank >= 2
        && targets.shape.len() + 1 == rank
        && targets.shape.first() == types.shape.first()
        && targets.shape[1..] == types.shape[2..];
    if !fits {
        return Err(op.bad_shape(1, "a class for each place"));
    }
    let mut one_each = types.shape.clone();
    one_each[1] = 1;
    let at = draft.cast(name(op, 1)?, targets.dtype, DType::I64);
    let at = draft.reshape(&at, &one_each)?;
    let classes = counting(draft, types.shape[1], 1, rank)?;
    let hit = draft.two("Equal", &at, &classes);
    let (zero, one) = (draft.number(dtype, 0.0)?, draft.number(dtype, 1.0)?);
    let picked = draft.value("Where", &[&hit, logs, &zero], Vec::new());
    let picked = draft.reduce("ReduceSum", &picked, &[1])?;
    let mut weight = match op.node.input(2) {
        None => {
            let shape = draft.lengths("shape", &one_each)?;
            draft.two("Expand", &one, &shape)
        }
        Some(weights) => {
            let mut by_class = vec![1; rank];
            by_class[1] = types.shape[1];
            let weights = draft.reshape(weights, &by_class)?;
            let of = draft.value("Where", &[&hit, &weights, &zero], Vec::new());
            draft.reduce("ReduceSum", &of, &[1])?
        }
    };
    if op.node.attribute("ignore_index").is_some() {
        let ignored = draft.number(DType::I64, op.node.int("ignore_index", 0)? as f64)?;
        let ignored = draft.two("Equal", &at, &ignored);
        weight = draft.value("Where", &[&ignored, &zero, &weight], Vec::new());
    }
    let less = draft.one("Neg", &picked);
    let each = draft.two("Mul", &less, &weight);
    let all: Vec<usize> = (0..rank).collect();
    let reduction = op.node.text("reduction", "mean")?;
    let made = match reduction {
        "none" => draft.reshape(&each, &targets.shape)?,
        "sum" | "mean" => {
            let mut sum = draft.reduce("ReduceSum", &each, &all)?;
            if reduction == "mean" {
                let total = draft.reduce("ReduceSum", &weight, &all)?;
                sum = draft.two("Div", &sum, &total);
            }
            draft.reshape(&sum, &[])?
        }
        other => return Err(op.bad("reduction", other, "none, sum or mean")),
    };
    draft.done(&made);
    Ok(())
}
