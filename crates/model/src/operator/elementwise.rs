//! Operators whose output has the shape of their input, or of all inputs
//! broadcast.

use super::TypedNode;
use crate::graph::{NodeError, ValueType};
use crate::tensor::DType;

/// The shape that two shapes broadcast to; `None` where they do not fit.
pub(super) fn broadcast(left: &[usize], right: &[usize]) -> Option<Vec<usize>> {
    let rank = left.len().max(right.len());
    let dim = |shape: &[usize], d: usize| match (d + shape.len()).checked_sub(rank) {
        Some(i) => shape[i],
        None => 1,
    };
    (0..rank)
        .map(|d| match (dim(left, d), dim(right, d)) {
            (l, r) if l == r => Some(l),
            (1, r) => Some(r),
            (l, 1) => Some(l),
            _ => None,
        })
        .collect()
}

/// One output of the first input's type and shape.
pub(super) fn unary(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    op.like_input(op.input(0)?.shape.clone())
}

/// Broadcasts all inputs, to an output of their element type.
pub(super) fn variadic(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    broadcast_all(op, None)
}

/// Broadcasts all inputs; `dtype` where the output's type is not the inputs'.
pub(super) fn broadcast_all(
    op: &TypedNode<'_>,
    dtype: Option<DType>,
) -> Result<Vec<ValueType>, NodeError> {
    let first = op.input(0)?;
    let mut shape = first.shape.clone();
    for index in 1..op.inputs.len() {
        let other = op.input(index)?;
        // Only an exponent may have another type than its base.
        if other.dtype != first.dtype && op.node.op != "Pow" {
            let expected = first.dtype.to_string();
            return Err(NodeError::InputType { index, got: other.dtype, expected });
        }
        shape = broadcast(&shape, &other.shape).ok_or_else(|| NodeError::Mismatch {
            left: shape.clone(),
            right: other.shape.clone(),
        })?;
    }
    Ok(vec![ValueType { dtype: dtype.unwrap_or(first.dtype), shape }])
}

/// `Where`: condition, then the two to choose from.
pub(super) fn select(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let (condition, yes, no) = (op.input(0)?, op.input(1)?, op.input(2)?);
    if condition.dtype != DType::Bool {
        let expected = DType::Bool.to_string();
        return Err(NodeError::InputType { index: 0, got: condition.dtype, expected });
    }
    let both = broadcast(&yes.shape, &no.shape)
        .ok_or_else(|| NodeError::Mismatch { left: yes.shape.clone(), right: no.shape.clone() })?;
    let shape = broadcast(&both, &condition.shape)
        .ok_or_else(|| NodeError::Mismatch { left: both, right: condition.shape.clone() })?;
    Ok(vec![ValueType { dtype: yes.dtype, shape }])
}

/// Input [n, c, ..], then scale, bias, mean and variance, each [c].
pub(super) fn batch_norm(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = op.input(0)?;
    let channels = *x.shape.get(1).ok_or_else(|| op.bad_shape(0, "batch and channels"))?;
    for index in 1..5 {
        if op.input(index)?.shape != [channels] {
            return Err(op.bad_shape(index, format!("[{channels}]")));
        }
    }
    op.like_input(x.shape.clone())
}

/// Normalizations with one output of the input's type and shape.
pub(super) fn normalization(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = op.input(0)?;
    match op.node.op.as_str() {
        "LayerNormalization" => {
            op.axis("axis", -1, x.shape.len())?;
        }
        "InstanceNormalization" => {
            let channels = *x.shape.get(1).ok_or_else(|| op.bad_shape(0, "channels"))?;
            for index in 1..3 {
                if op.input(index)?.shape != [channels] {
                    return Err(op.bad_shape(index, format!("[{channels}]")));
                }
            }
        }
        _ => {
            x.shape.get(1).ok_or_else(|| op.bad_shape(0, "batch and channels"))?;
        }
    }
    op.like_input(x.shape.clone())
}

/// In inference a dropout passes its input through; training is refused.
pub(super) fn dropout(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let x = op.input(0)?;
    let training = op.constants.get(2).copied().flatten();
    let off = training.is_none_or(|t| t.data().iter().all(|&b| b == 0));
    if !off || (op.optional(2).is_some() && training.is_none()) {
        return Err(NodeError::Unsupported { what: "training".to_owned() });
    }
    // The mask was of the input's type before opset 10.
    let dtype = if op.opset < 10 { x.dtype } else { DType::Bool };
    let mask = ValueType { dtype, shape: x.shape.clone() };
    let mut types = op.like_input(x.shape.clone())?;
    if op.node.outputs.len() > 1 {
        types.push(mask);
    }
    Ok(types)
}

pub(super) fn cast(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let to = op.node.int("to", 0)?;
    let dtype = i32::try_from(to)
        .ok()
        .and_then(DType::from_onnx)
        .ok_or_else(|| op.bad("to", to, "a supported element type"))?;
    Ok(vec![ValueType { dtype, shape: op.input(0)?.shape.clone() }])
}

/// Scale and zero point are one number, or one for each index along `axis`.
pub(super) fn quantize(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let (x, scale, zero) = (op.input(0)?, op.input(1)?, op.optional(2));
    if op.node.int("block_size", 0)? != 0 {
        return Err(NodeError::Unsupported { what: "quantization in blocks".to_owned() });
    }
    match scale.shape[..] {
        [] | [1] => {}
        [n] => {
            let axis = op.axis("axis", 1, x.shape.len())?;
            if x.shape[axis] != n {
                return Err(op.bad_shape(1, format!("[{}]", x.shape[axis])));
            }
        }
        _ => return Err(op.bad_shape(1, "a scalar or a list")),
    }
    if zero.is_some_and(|z| z.shape != scale.shape) {
        return Err(op.bad_shape(2, format!("{:?}", scale.shape)));
    }
    let dtype = if op.node.op == "DequantizeLinear" {
        if zero.is_some_and(|z| z.dtype != x.dtype) {
            let expected = x.dtype.to_string();
            return Err(NodeError::InputType {
                index: 2,
                got: zero.map_or(x.dtype, |z| z.dtype),
                expected,
            });
        }
        scale.dtype
    } else {
        zero.map_or(DType::U8, |z| z.dtype)
    };
    if op.node.attribute("output_dtype").is_some() {
        return Err(NodeError::Unsupported { what: "attribute output_dtype".to_owned() });
    }
    Ok(vec![ValueType { dtype, shape: x.shape.clone() }])
}
