//! Operators that only change a value's shape, or the order of its elements.

use super::draft::{Draft, ENTRIES_MAX, bounded, name};
use crate::graph::NodeError;
use crate::onnx::{int_attribute, ints_attribute, text_attribute};
use crate::operator::layout;
use crate::operator::typed_node::TypedNode;

type Ruled = Result<(), NodeError>;

/// Squeeze, Unsqueeze, Flatten and Reshape: a Reshape to lengths that are all
/// said.
pub(crate) fn reshape(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let types = match op.node.op.as_str() {
        "Squeeze" => layout::squeeze(op)?,
        "Unsqueeze" => layout::unsqueeze(op)?,
        "Flatten" => layout::flatten(op)?,
        _ => layout::reshape(op)?,
    };
    let shape: Vec<i64> = types[0].shape.iter().map(|&d| d as i64).collect();
    let plain = op.node.op == "Reshape" && op.node.attribute("allowzero").is_none();
    if shape.contains(&0) || plain && op.list(1)? == Some(shape.clone()) {
        return Ok(());
    }
    let shape = draft.list("shape", &shape)?;
    draft.main().output(0, "Reshape", &[name(op, 0)?, &shape], Vec::new());
    Ok(())
}

/// A Transpose that says its order.
pub(crate) fn transpose(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    if op.node.ints("perm")?.is_none() {
        let perm: Vec<i64> = layout::permutation(op)?.into_iter().map(|p| p as i64).collect();
        draft.again(&[name(op, 0)?], vec![ints_attribute("perm", &perm)]);
    }
    Ok(())
}

/// Ranges as a Slice with constant bounds; with steps, the entries by number.
/// Engines that move a strided Slice before a convolution get it wrong.
pub(crate) fn slice(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (cuts, shape) = (layout::cuts(op)?, &op.input(0)?.shape);
    if cuts.iter().any(|cut| cut.length == 0) {
        return Ok(());
    }
    let real: Vec<_> = cuts
        .iter()
        .filter(|cut| (cut.length, cut.start, cut.step) != (shape[cut.axis], 0, 1))
        .collect();
    let mut x = name(op, 0)?.to_owned();
    for cut in real.iter().filter(|cut| cut.step != 1 && cut.length > 1) {
        bounded(cut.length)?;
        let indices: Vec<i64> = (0..cut.length as i64).map(|i| cut.start + i * cut.step).collect();
        x = draft.pick(&x, cut.axis, &indices)?;
    }
    let ranges: Vec<_> = real.iter().filter(|cut| cut.step == 1 || cut.length == 1).collect();
    if ranges.is_empty() {
        draft.done(&x);
        return Ok(());
    }
    let column = |of: &dyn Fn(&layout::Cut) -> i64| -> Vec<i64> {
        ranges.iter().map(|cut| of(cut)).collect()
    };
    let starts = column(&|cut| cut.start);
    let ends = column(&|cut| cut.start + cut.length as i64);
    let axes = column(&|cut| cut.axis as i64);
    let same = |index: usize, values: &[i64]| {
        op.list(index).ok().flatten().is_some_and(|given| given == values)
    };
    let plain = op.opset >= 10
        && op.node.inputs.len() == 4
        && same(1, &starts)
        && same(2, &ends)
        && same(3, &axes);
    if plain && real.len() == ranges.len() {
        return Ok(());
    }
    let lists =
        [draft.list("starts", &starts)?, draft.list("ends", &ends)?, draft.list("axes", &axes)?];
    draft.output(0, "Slice", &[&x, &lists[0], &lists[1], &lists[2]], Vec::new());
    Ok(())
}

/// A Split that says all lengths, as version 13 does.
pub(crate) fn split(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let types = layout::split(op)?;
    let axis = op.axis("axis", 0, op.input(0)?.shape.len())?;
    let lengths: Vec<i64> = types.iter().map(|t| t.shape[axis] as i64).collect();
    if op.opset >= 13 && op.list(1)?.is_some() && op.node.attribute("num_outputs").is_none() {
        return Ok(());
    }
    let lengths = draft.list("lengths", &lengths)?;
    draft.again(&[name(op, 0)?, &lengths], vec![int_attribute("axis", axis as i64)]);
    Ok(())
}

/// What goes beyond an axis is made of entries of it, or of a constant; what
/// is negative is cut.
pub(crate) fn pad(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let rank = op.input(0)?.shape.len();
    let shape = op.input(0)?.shape.clone();
    layout::pad(op)?;
    let given = op.attribute_or_list("pads", 1)?.unwrap_or_default();
    let axes = op.list(3)?.unwrap_or_else(|| (0..rank as i64).collect());
    let mut pads = vec![(0i64, 0i64); rank];
    if let Some(pad) = given.iter().find(|pad| pad.unsigned_abs() > ENTRIES_MAX as u64) {
        return Err(op.bad("pads", pad, "less"));
    }
    for (at, &axis) in axes.iter().enumerate() {
        let axis = if axis < 0 { axis + rank as i64 } else { axis } as usize;
        pads[axis] = (given[at], given[at + axes.len()]);
    }
    let mode = op.node.text("mode", "constant")?;
    if mode != "constant" {
        return reflected(op, draft, mode, &pads);
    }
    let mut x = name(op, 0)?.to_owned();
    let negative = pads.iter().any(|p| p.0 < 0 || p.1 < 0);
    let plain = op.opset >= 11 && axes.len() == rank && op.node.input(3).is_none();
    if !negative && plain && op.node.attribute("mode").is_none_or(|m| m.s() == b"constant") {
        return Ok(());
    }
    for (axis, (before, after)) in pads.iter_mut().enumerate() {
        let (start, end) = ((-*before).max(0) as usize, shape[axis] as i64 - (-*after).max(0));
        if (start, end) != (0, shape[axis] as i64) {
            x = draft.cut(&x, axis, start, end.max(start as i64) as usize)?;
        }
        (*before, *after) = ((*before).max(0), (*after).max(0));
    }
    if pads.iter().all(|p| *p == (0, 0)) {
        draft.done(&x);
        return Ok(());
    }
    let list: Vec<i64> = pads.iter().map(|p| p.0).chain(pads.iter().map(|p| p.1)).collect();
    let list = draft.list("pads", &list)?;
    let dtype = op.input(0)?.dtype;
    let value = match op.node.input(2) {
        Some(value) if op.opset >= 11 => value.to_owned(),
        _ => draft.number(dtype, op.node.float("value", 0.0)?.into())?,
    };
    draft.output(0, "Pad", &[&x, &list, &value], vec![text_attribute("mode", "constant")]);
    Ok(())
}

/// `edge`, `reflect` and `wrap`: entries of the axis itself.
fn reflected(op: &TypedNode<'_>, draft: &mut Draft<'_>, mode: &str, pads: &[(i64, i64)]) -> Ruled {
    let mut x = name(op, 0)?.to_owned();
    for (axis, &(before, after)) in pads.iter().enumerate() {
        let length = op.input(0)?.shape[axis] as i64;
        if (before, after) == (0, 0) {
            continue;
        }
        // Pads may be negative; what is left decides what is reflected.
        let place = |at: i64| match mode {
            "edge" => Some(at.clamp(0, length - 1)),
            "wrap" => Some(at.rem_euclid(length)),
            "reflect" if length == 1 => Some(0),
            "reflect" => {
                let round = at.rem_euclid(2 * (length - 1));
                Some(round.min(2 * (length - 1) - round))
            }
            _ => None,
        };
        bounded(length as usize)?;
        let places: Option<Vec<i64>> = (-before..length + after).map(place).collect();
        let places =
            places.ok_or_else(|| op.bad("mode", mode, "constant, edge, reflect or wrap"))?;
        x = draft.pick(&x, axis, &places)?;
    }
    draft.done(&x);
    Ok(())
}

/// Each axis several times over.
pub(crate) fn tile(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let shape = &op.input(0)?.shape;
    let repeats = op.list(1)?.ok_or(NodeError::MissingInput { index: 1 })?;
    let bad = || NodeError::Constant {
        index: 1,
        got: format!("{repeats:?}"),
        expected: "how often each axis is repeated",
    };
    let times: Option<Vec<usize>> =
        repeats.iter().map(|&r| usize::try_from(r).ok().filter(|&r| r > 0)).collect();
    let times = times.filter(|times| times.len() == shape.len()).ok_or_else(bad)?;
    // [a, b] -> [1, a, 1, b] -> [r, a, s, b] -> [r a, s b]
    let (mut apart, mut wide, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for (&length, &times) in shape.iter().zip(&times) {
        if times > 1 {
            apart.push(1);
            wide.push(times);
        }
        apart.push(length);
        wide.push(length);
        whole.push(length.checked_mul(times).ok_or_else(bad)?);
    }
    if !op.limits.admit(&whole) || wide.len() > op.limits.rank {
        return Err(bad());
    }
    if whole == *shape {
        draft.done(name(op, 0)?);
        return Ok(());
    }
    let x = draft.reshape(name(op, 0)?, &apart)?;
    let shape = draft.lengths("shape", &wide)?;
    let x = draft.two("Expand", &x, &shape);
    let x = draft.reshape(&x, &whole)?;
    draft.done(&x);
    Ok(())
}

/// An Expand to lengths that are all said.
pub(crate) fn expand(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let shape: Vec<i64> = layout::expand(op)?[0].shape.iter().map(|&d| d as i64).collect();
    if op.list(1)? != Some(shape.clone()) {
        let shape = draft.list("shape", &shape)?;
        draft.output(0, "Expand", &[name(op, 0)?, &shape], Vec::new());
    }
    Ok(())
}

/// Blocks of channels as squares of places, or the other way round.
pub(crate) fn depth_and_space(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let [n, c, h, w] = op.input(0)?.shape[..] else {
        return Err(op.bad_shape(0, "4 dimensions"));
    };
    let block = op.node.int("blocksize", 0)?;
    let b = usize::try_from(block).ok().filter(|&b| b > 0 && b < 1 << 16);
    let b = b.ok_or_else(|| op.bad("blocksize", block, "a positive number"))?;
    let x = name(op, 0)?;
    let (apart, perm, whole) = if op.node.op == "SpaceToDepth" {
        if h % b != 0 || w % b != 0 {
            return Err(op.bad_shape(0, format!("height and width divisible by {b}")));
        }
        (vec![n, c, h / b, b, w / b, b], [0, 3, 5, 1, 2, 4], vec![n, c * b * b, h / b, w / b])
    } else {
        if c % (b * b) != 0 {
            return Err(op.bad_shape(0, format!("channels divisible by {}", b * b)));
        }
        let d = c / (b * b);
        match op.node.text("mode", "DCR")? {
            "DCR" => (vec![n, b, b, d, h, w], [0, 3, 4, 1, 5, 2], vec![n, d, h * b, w * b]),
            "CRD" => (vec![n, d, b, b, h, w], [0, 1, 4, 2, 5, 3], vec![n, d, h * b, w * b]),
            other => return Err(op.bad("mode", other, "DCR or CRD")),
        }
    };
    let x = draft.reshape(x, &apart)?;
    let x = draft.transpose(&x, &perm);
    let x = draft.reshape(&x, &whole)?;
    draft.done(&x);
    Ok(())
}
