//! Operators that read or write elements by their numbers. Where the numbers
//! are constant, what they do is one Gather over a flat list.

use super::draft::{Draft, ENTRIES_MAX, bounded, name};
use crate::graph::NodeError;
use crate::operator::typed_node::{TypedNode, resolve_axis};

type Ruled = Result<(), NodeError>;

/// The constant integers of input `index`; `None` where it is no constant.
fn numbers(op: &TypedNode<'_>, index: usize) -> Result<Option<Vec<i64>>, NodeError> {
    let constant = op.constants.get(index).copied().flatten();
    Ok(constant.map(|tensor| tensor.to_i64()).transpose()?)
}

/// Numbers counted from the end become numbers from the start.
fn from_start(index: usize, at: i64, length: usize) -> Result<usize, NodeError> {
    resolve_axis(at, length).ok_or_else(|| NodeError::Constant {
        index,
        got: at.to_string(),
        expected: "an index within the input",
    })
}

fn product(lengths: &[usize]) -> usize {
    lengths.iter().fold(1usize, |n, &d| n.saturating_mul(d))
}

/// Constant indices below 0 become those that they stand for.
pub(crate) fn gather(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let Some(indices) = numbers(op, 1)? else { return Ok(()) };
    let shape = &op.input(0)?.shape;
    let axis = op.axis("axis", 0, shape.len())?;
    if indices.iter().all(|&i| i >= 0 && (i as usize) < shape[axis]) {
        return Ok(());
    }
    let places = indices.iter().map(|&i| from_start(1, i, shape[axis]).map(|i| i as i64));
    let places = places.collect::<Result<Vec<_>, _>>()?;
    let places = crate::tensor::Tensor::from_i64(op.input(1)?.shape.clone(), &places)?;
    let places = draft.constant("indices", places);
    let attributes = op.node.attributes.clone();
    draft.output(0, "Gather", &[name(op, 0)?, &places], attributes);
    Ok(())
}

/// Rows `places` of `x`, taken as rows of `inner` elements, in shape `to`.
fn rows(
    draft: &mut Draft<'_>,
    x: &str,
    [outer, inner]: [usize; 2],
    places: &[i64],
    to: &[usize],
) -> Ruled {
    let flat = draft.reshape(x, &[outer, inner])?;
    let picked = draft.pick(&flat, 0, places)?;
    let shaped = draft.reshape(&picked, to)?;
    draft.done(&shaped);
    Ok(())
}

/// Blocks by constant tuples of indices.
pub(crate) fn gather_nd(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let Some(indices) = numbers(op, 1)? else { return Ok(()) };
    let (x, i) = (&op.input(0)?.shape, &op.input(1)?.shape);
    let batch = op.node.int("batch_dims", 0)?;
    let (Some(&depth), Ok(batch)) = (i.last(), usize::try_from(batch)) else {
        return Err(op.bad_shape(1, "1 or more dimensions"));
    };
    if batch >= i.len() || batch + depth > x.len() || x[..batch] != i[..batch] {
        return Err(NodeError::Mismatch { left: x.clone(), right: i.clone() });
    }
    let block = &x[batch..batch + depth];
    let each = indices.len() / product(&x[..batch]).max(1) / depth.max(1);
    let places = indices.chunks(depth.max(1)).enumerate().map(|(at, tuple)| {
        let mut place = at / each.max(1);
        for (&index, &length) in tuple.iter().zip(block) {
            place = place * length + from_start(1, index, length)?;
        }
        Ok(place as i64)
    });
    let places = places.collect::<Result<Vec<i64>, NodeError>>()?;
    let mut to = i[..i.len() - 1].to_vec();
    to.extend(&x[batch + depth..]);
    let sides = [product(&x[..batch + depth]), product(&x[batch + depth..])];
    rows(draft, name(op, 0)?, sides, &places, &to)
}

/// For each element of `indices` along `axis`, its place in the flat input.
fn elements(op: &TypedNode<'_>, indices: &[i64]) -> Result<Vec<i64>, NodeError> {
    let (x, i) = (&op.input(0)?.shape, &op.input(1)?.shape);
    let axis = op.axis("axis", 0, x.len())?;
    let fits = x.len() == i.len() && (0..x.len()).all(|d| d == axis || i[d] <= x[d]);
    if !fits || indices.len() > ENTRIES_MAX {
        return Err(NodeError::Mismatch { left: x.clone(), right: i.clone() });
    }
    let place = |(at, &index): (usize, &i64)| {
        let (mut rest, mut place, mut stride) = (at, 0, 1);
        for d in (0..x.len()).rev() {
            let here = if d == axis { from_start(1, index, x[d])? } else { rest % i[d] };
            place += here * stride;
            stride *= x[d];
            rest /= i[d];
        }
        Ok(place as i64)
    };
    indices.iter().enumerate().map(place).collect()
}

/// Elements by constant numbers along one axis.
pub(crate) fn gather_elements(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let Some(indices) = numbers(op, 1)? else { return Ok(()) };
    let places = elements(op, &indices)?;
    let sides = [product(&op.input(0)?.shape), 1];
    rows(draft, name(op, 0)?, sides, &places, &op.input(1)?.shape)
}

/// Is an update anything else than put in place?
fn combines(op: &TypedNode<'_>) -> Result<bool, NodeError> {
    Ok(op.node.text("reduction", "none")? != "none")
}

/// Updates of elements by constant numbers along one axis.
pub(crate) fn scatter_elements(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let Some(indices) = numbers(op, 1)?.filter(|_| !combines(op).unwrap_or(true)) else {
        return Ok(());
    };
    let places = elements(op, &indices)?;
    overwrite(op, draft, [product(&op.input(0)?.shape), 1], &places)
}

/// Updates of blocks by constant tuples of indices.
pub(crate) fn scatter_nd(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let Some(indices) = numbers(op, 1)?.filter(|_| !combines(op).unwrap_or(true)) else {
        return Ok(());
    };
    let (x, i) = (&op.input(0)?.shape, &op.input(1)?.shape);
    let depth = i.last().copied().filter(|&d| d > 0 && d <= x.len());
    let depth = depth.ok_or_else(|| op.bad_shape(1, "tuples of indices"))?;
    let places = indices.chunks(depth).map(|tuple| {
        let mut place = 0;
        for (&index, &length) in tuple.iter().zip(x) {
            place = place * length + from_start(1, index, length)?;
        }
        Ok(place as i64)
    });
    let places = places.collect::<Result<Vec<i64>, NodeError>>()?;
    overwrite(op, draft, [product(&x[..depth]), product(&x[depth..])], &places)
}

/// The first input's rows, of which those at `places` are the updates; of two
/// updates of one row the later counts.
fn overwrite(
    op: &TypedNode<'_>,
    draft: &mut Draft<'_>,
    [outer, inner]: [usize; 2],
    places: &[i64],
) -> Ruled {
    let (shape, updates) = (&op.input(0)?.shape, &op.input(2)?.shape);
    if product(updates) != places.len().saturating_mul(inner) || outer > ENTRIES_MAX {
        return Err(op.bad_shape(2, format!("{} rows of {inner}", places.len())));
    }
    let old = draft.reshape(name(op, 0)?, &[outer, inner])?;
    let new = draft.reshape(name(op, 2)?, &[places.len(), inner])?;
    let axis = crate::onnx::int_attribute("axis", 0);
    let both = draft.value("Concat", &[&old, &new], vec![axis]);
    let mut source: Vec<i64> = (0..outer as i64).collect();
    for (at, &place) in places.iter().enumerate() {
        source[place as usize] = (outer + at) as i64;
    }
    let picked = draft.pick(&both, 0, &source)?;
    let shaped = draft.reshape(&picked, shape)?;
    draft.done(&shaped);
    Ok(())
}

/// The first steps of each sequence backwards, by constant lengths.
pub(crate) fn reverse_sequence(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let lengths = numbers(op, 1)?.ok_or(NodeError::NotConstant { index: 1 })?;
    let shape = op.input(0)?.shape.clone();
    let (time, batch) = (op.node.int("time_axis", 0)?, op.node.int("batch_axis", 1)?);
    if shape.len() < 2 || (time, batch) != (0, 1) && (time, batch) != (1, 0) {
        return Err(op.bad("time_axis", time, "0 or 1, and the batch the other"));
    }
    let (steps, count) = (shape[time as usize], shape[batch as usize]);
    if lengths.len() != count || lengths.iter().any(|&l| l < 0 || l as usize > steps) {
        return Err(op.bad_shape(1, format!("{count} lengths of at most {steps}")));
    }
    bounded(steps.saturating_mul(count))?;
    let place = |at: usize| {
        let (step, item) = match time {
            0 => (at / count, at % count),
            _ => (at % steps, at / steps),
        };
        let length = lengths[item] as usize;
        let step = if step < length { length - 1 - step } else { step };
        (if time == 0 { step * count + item } else { item * steps + step }) as i64
    };
    let places: Vec<i64> = (0..steps * count).map(place).collect();
    rows(draft, name(op, 0)?, [steps * count, product(&shape[2..])], &places, &shape)
}

/// Entries where a constant condition holds.
pub(crate) fn compress(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let condition = op.constants.get(1).copied().flatten();
    let condition = condition.ok_or(NodeError::NotConstant { index: 1 })?;
    let shape = op.input(0)?.shape.clone();
    let (x, axis, length) = match op.node.attribute("axis") {
        Some(_) => {
            let axis = op.axis("axis", 0, shape.len())?;
            (name(op, 0)?.to_owned(), axis, shape[axis])
        }
        None => (draft.reshape(name(op, 0)?, &[product(&shape)])?, 0, product(&shape)),
    };
    let kept = condition.data().iter().take(length).enumerate().filter(|(_, held)| **held != 0);
    let places: Vec<i64> = kept.map(|(at, _)| at as i64).collect();
    if places.is_empty() {
        return Err(NodeError::Unsupported { what: "an empty result".to_owned() });
    }
    let picked = draft.pick(&x, axis, &places)?;
    draft.done(&picked);
    Ok(())
}
