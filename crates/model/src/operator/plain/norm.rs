//! Normalizations.

use super::draft::{Draft, name};
use crate::graph::NodeError;
use crate::onnx::int_attribute;
use crate::operator::elementwise;
use crate::operator::typed_node::TypedNode;
use crate::tensor::DType;

type Ruled = Result<(), NodeError>;

/// Softmax and LogSoftmax: until opset 13 over all dimensions from the axis on.
pub(crate) fn softmax(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let shape = &op.input(0)?.shape;
    let old = op.opset < 13;
    let axis = op.axis("axis", if old { 1 } else { -1 }, shape.len())?;
    let said = op.node.attribute("axis").is_some_and(|a| a.i() == axis as i64);
    let last = axis + 1 == shape.len();
    if said && (!old || last) {
        return Ok(());
    }
    if !old || last {
        let axis = int_attribute("axis", axis as i64);
        draft.again(&[name(op, 0)?], vec![axis]);
        return Ok(());
    }
    let (left, right) = shape.split_at(axis);
    let flat = draft.reshape(name(op, 0)?, &[left.iter().product(), right.iter().product()])?;
    let soft = draft.main().value(&op.node.op, &[&flat], vec![int_attribute("axis", 1)]);
    let whole = draft.reshape(&soft, shape)?;
    draft.done(&whole);
    Ok(())
}

/// x less its mean, and 1 over its deviation, over `axes`.
fn centred(
    draft: &mut Draft<'_>,
    x: &str,
    dtype: DType,
    axes: &[usize],
    epsilon: f64,
) -> Result<[String; 3], NodeError> {
    let mean = draft.reduce("ReduceMean", x, axes)?;
    let less = draft.two("Sub", x, &mean);
    let inverse = inverse_root(draft, &less, dtype, axes, epsilon)?;
    Ok([less, inverse, mean])
}

/// 1 / sqrt(mean(x^2) + epsilon) over `axes`.
fn inverse_root(
    draft: &mut Draft<'_>,
    x: &str,
    dtype: DType,
    axes: &[usize],
    epsilon: f64,
) -> Result<String, NodeError> {
    let (epsilon, one) = (draft.number(dtype, epsilon)?, draft.number(dtype, 1.0)?);
    let square = draft.two("Mul", x, x);
    let mean = draft.reduce("ReduceMean", &square, axes)?;
    let more = draft.two("Add", &mean, &epsilon);
    let root = draft.one("Sqrt", &more);
    Ok(draft.two("Div", &one, &root))
}

/// LayerNormalization, and ONNX Runtime's SkipLayerNormalization.
pub(crate) fn layer(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (types, skip) = (op.input(0)?, op.node.op == "SkipLayerNormalization");
    let rank = types.shape.len();
    if rank == 0 {
        return Err(op.bad_shape(0, "1 or more dimensions"));
    }
    let mut x = name(op, 0)?.to_owned();
    let mut rest = 1;
    if skip {
        x = draft.two("Add", &x, name(op, 1)?);
        if let Some(bias) = op.node.input(4) {
            x = draft.two("Add", &x, bias);
        }
        draft.output(3, "Identity", &[&x], Vec::new());
        rest = 2;
    }
    let first = if skip { rank - 1 } else { op.axis("axis", -1, rank)? };
    let epsilon = op.node.float("epsilon", if skip { 1e-12 } else { 1e-5 })?;
    let axes: Vec<usize> = (first..rank).collect();
    let [less, inverse, mean] = centred(draft, &x, types.dtype, &axes, epsilon.into())?;
    let even = draft.two("Mul", &less, &inverse);
    affine(op, draft, &even, rest, None)?;
    draft.output(1, "Identity", &[&mean], Vec::new());
    draft.output(2, "Identity", &[&inverse], Vec::new());
    Ok(())
}

/// Times the input `scale`, plus the one behind it; in shape `shape`, if one is
/// given. What is left out does nothing.
fn affine(
    op: &TypedNode<'_>,
    draft: &mut Draft<'_>,
    x: &str,
    scale: usize,
    shape: Option<&[usize]>,
) -> Ruled {
    let mut x = x.to_owned();
    for (word, index) in [("Mul", scale), ("Add", scale + 1)] {
        let Some(by) = op.node.input(index) else { continue };
        let by = match shape {
            Some(shape) => draft.reshape(by, shape)?,
            None => by.to_owned(),
        };
        x = draft.two(word, &x, &by);
    }
    draft.done(&x);
    Ok(())
}

/// RMSNormalization, and ONNX Runtime's simplified ones.
pub(crate) fn root_mean_square(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let types = op.input(0)?;
    let rank = types.shape.len();
    let first = op.axis("axis", -1, rank)?;
    let epsilon = op.node.float("epsilon", 1e-5)?;
    let axes: Vec<usize> = (first..rank).collect();
    let x = name(op, 0)?;
    let inverse = inverse_root(draft, x, types.dtype, &axes, epsilon.into())?;
    let even = draft.two("Mul", x, &inverse);
    affine(op, draft, &even, 1, None)
}

/// [1, c, 1 ..]: a number a channel.
fn by_channel(shape: &[usize]) -> Vec<usize> {
    let mut lengths = vec![1; shape.len()];
    lengths[1] = shape[1];
    lengths
}

/// Each channel of each item by itself.
pub(crate) fn instance(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    elementwise::normalization(op)?;
    let types = op.input(0)?;
    let axes: Vec<usize> = (2..types.shape.len()).collect();
    let epsilon = op.node.float("epsilon", 1e-5)?;
    let [less, inverse, _] = centred(draft, name(op, 0)?, types.dtype, &axes, epsilon.into())?;
    let even = draft.two("Mul", &less, &inverse);
    affine(op, draft, &even, 1, Some(&by_channel(&types.shape)))
}

/// Groups of channels of each item; scale and bias a group until opset 21, a
/// channel since.
pub(crate) fn group(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let types = op.input(0)?;
    let shape = &types.shape;
    let groups = op.node.int("num_groups", 0)?;
    let count = usize::try_from(groups)
        .ok()
        .filter(|&g| g > 0 && shape.len() > 1 && shape[1].is_multiple_of(g));
    let count = count.ok_or_else(|| op.bad("num_groups", groups, "a divisor of the channels"))?;
    let apart = [shape[0], count, shape[1..].iter().product::<usize>() / count];
    let epsilon = op.node.float("epsilon", 1e-5)?;
    let x = draft.reshape(name(op, 0)?, &apart)?;
    let [less, inverse, _] = centred(draft, &x, types.dtype, &[2], epsilon.into())?;
    let mut even = draft.two("Mul", &less, &inverse);
    if op.opset < 21 && op.input(1)?.shape == [count] {
        for (word, index) in [("Mul", 1), ("Add", 2)] {
            let by = draft.reshape(name(op, index)?, &[1, count, 1])?;
            even = draft.two(word, &even, &by);
        }
        let whole = draft.reshape(&even, shape)?;
        draft.done(&whole);
        return Ok(());
    }
    let whole = draft.reshape(&even, shape)?;
    affine(op, draft, &whole, 1, Some(&by_channel(shape)))
}

/// Over batch and places, with a small number added to the deviation.
pub(crate) fn mean_variance(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, types) = (name(op, 0)?, op.input(0)?);
    let rank = types.shape.len();
    let given = op.node.ints("axes")?.unwrap_or(&[0, 2, 3]).to_vec();
    let axes = given.iter().map(|&axis| crate::operator::typed_node::resolve_axis(axis, rank));
    let axes: Option<Vec<usize>> = axes.collect();
    let axes = axes.ok_or_else(|| op.bad("axes", format!("{given:?}"), "axes of the input"))?;
    let mean = draft.reduce("ReduceMean", x, &axes)?;
    let less = draft.two("Sub", x, &mean);
    let square = draft.two("Mul", &less, &less);
    let variance = draft.reduce("ReduceMean", &square, &axes)?;
    let root = draft.one("Sqrt", &variance);
    let small = draft.number(types.dtype, 1e-9)?;
    let under = draft.two("Add", &root, &small);
    draft.output(0, "Div", &[&less, &under], Vec::new());
    Ok(())
}

/// Over the sum of sizes along an axis, or its square root; 0 stays 0.
pub(crate) fn lp(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, types) = (name(op, 0)?, op.input(0)?);
    let axis = op.axis("axis", -1, types.shape.len())?;
    let norm = match op.node.int("p", 2)? {
        1 => {
            let size = draft.one("Abs", x);
            draft.reduce("ReduceSum", &size, &[axis])?
        }
        2 => {
            let square = draft.two("Mul", x, x);
            let sum = draft.reduce("ReduceSum", &square, &[axis])?;
            draft.one("Sqrt", &sum)
        }
        other => return Err(op.bad("p", other, "1 or 2")),
    };
    let (zero, one) = (draft.number(types.dtype, 0.0)?, draft.number(types.dtype, 1.0)?);
    let empty = draft.two("Equal", &norm, &zero);
    let norm = draft.value("Where", &[&empty, &one, &norm], Vec::new());
    draft.output(0, "Div", &[x, &norm], Vec::new());
    Ok(())
}

/// One output, and no more said than its small number: what else old versions
/// say is for training. In training, over the batch's own mean and deviation:
/// before opset 14 that is said by naming more outputs.
pub(crate) fn batch(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let training = match op.opset {
        ..14 => op.node.outputs.len() > 1,
        _ => op.node.int("training_mode", 0)? != 0,
    };
    if training {
        return trained(op, draft);
    }
    elementwise::batch_norm(op)?;
    let kept: Vec<_> =
        op.node.attributes.iter().filter(|a| a.name() == "epsilon").cloned().collect();
    if kept.len() < op.node.attributes.len() {
        let names: Vec<&str> = (0..5).map(|i| name(op, i)).collect::<Result<_, _>>()?;
        draft.main().output(0, "BatchNormalization", &names, kept);
    }
    Ok(())
}

/// By the batch's own mean and deviation; the running ones as version 14 has
/// them.
fn trained(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let types = op.input(0)?;
    let shape = &types.shape;
    let channels = *shape.get(1).ok_or_else(|| op.bad_shape(0, "batch and channels"))?;
    let axes: Vec<usize> = (0..shape.len()).filter(|&axis| axis != 1).collect();
    let epsilon = f64::from(op.node.float("epsilon", 1e-5)?);
    let [less, inverse, mean] = centred(draft, name(op, 0)?, types.dtype, &axes, epsilon)?;
    let even = draft.two("Mul", &less, &inverse);
    affine(op, draft, &even, 1, Some(&by_channel(shape)))?;
    if op.opset < 14 {
        return Ok(());
    }
    let square = draft.two("Mul", &less, &less);
    let variance = draft.reduce("ReduceMean", &square, &axes)?;
    let momentum = f64::from(op.node.float("momentum", 0.9)?);
    let old = draft.number(types.dtype, momentum)?;
    let new = draft.number(types.dtype, 1.0 - momentum)?;
    for (output, before, now) in [(1, 3, mean), (2, 4, variance)] {
        let now = draft.reshape(&now, &[channels])?;
        let kept = draft.two("Mul", name(op, before)?, &old);
        let added = draft.two("Mul", &now, &new);
        draft.output(output, "Add", &[&kept, &added], Vec::new());
    }
    Ok(())
}
