//! Computes nodes whose result is known from the file alone: shapes that the
//! graph computes for itself, and weights that are stored quantized.
//!
//! Nodes that are not handled here stay in the graph: they are glue over
//! constants.

use bytes::Bytes;

use crate::graph::{NodeError, ValueType};
use crate::operator::{self, Fold, TypedNode};
use crate::scaled::Scaled;
use crate::tensor::Tensor;

/// Results of more elements than this are left to the runtime, unless elements
/// only change their places.
const COMPUTED_ELEMENTS: u64 = 1 << 24;

/// Most elements that are computed for one model.
pub(crate) const BUDGET: u64 = 1 << 28;

/// Quantized tensors of more elements than this are computed when they are
/// read. A model may have hundreds: as f32 they would be much of its file.
const DEQUANTIZED_ELEMENTS: u64 = 4096;

/// A node's output, computed.
pub(crate) enum Folded {
    Plain(Tensor),
    Scaled(Scaled),
}

/// The value of the node's only output, of type `to`, where it is known and
/// the operator is handled. `scaled` is its first input, if that is one.
/// `budget` is how many elements may still be computed.
pub(crate) fn fold(
    op: &TypedNode<'_>,
    scaled: Option<&Scaled>,
    to: &ValueType,
    budget: &mut u64,
) -> Result<Option<Folded>, NodeError> {
    let Some(left) = budget.checked_sub(to.elements()) else { return Ok(None) };
    let folded = value(op, scaled, to)?;
    if folded.is_some() {
        *budget = left;
    }
    Ok(folded)
}

fn value(
    op: &TypedNode<'_>,
    scaled: Option<&Scaled>,
    to: &ValueType,
) -> Result<Option<Folded>, NodeError> {
    if !op.node.is_standard() {
        return Ok(None);
    }
    let how = operator::of(op.node).map_or(Fold::Never, |operator| operator.fold);
    if let Some(scaled) = scaled {
        return fold_scaled(op, how, scaled, to);
    }
    if let Fold::Dequantized = how
        && let Some(scaled) = operator::dequantize(op, to)?
    {
        let small = to.elements() <= DEQUANTIZED_ELEMENTS;
        let folded = if small { Folded::Plain(scaled.whole()?) } else { Folded::Scaled(scaled) };
        return Ok(Some(folded));
    }
    Ok(fold_plain(op, how, to)?.map(Folded::Plain))
}

/// A new shape takes no computation; where elements move, all are computed.
fn fold_scaled(
    op: &TypedNode<'_>,
    how: Fold,
    scaled: &Scaled,
    to: &ValueType,
) -> Result<Option<Folded>, NodeError> {
    let whole = match how {
        Fold::Same => return Ok(Some(Folded::Scaled(scaled.reshaped(to.shape.clone())?))),
        Fold::Moved(_) => Some(scaled.whole()?),
        Fold::Picked(_) if scaled.elements() as u64 <= COMPUTED_ELEMENTS => Some(scaled.whole()?),
        _ => None,
    };
    let mut op = TypedNode { constants: op.constants.clone(), inputs: op.inputs.clone(), ..*op };
    op.constants[0] = whole.as_ref();
    Ok(fold_plain(&op, how, to)?.map(Folded::Plain))
}

fn fold_plain(op: &TypedNode<'_>, how: Fold, to: &ValueType) -> Result<Option<Tensor>, NodeError> {
    if let Fold::FromTypes(make) = how {
        return Ok(Some(make(op, to)?));
    }
    let mut given = op.node.inputs.iter().zip(&op.constants);
    if !given.all(|(name, constant)| name.is_empty() || constant.is_some()) {
        return Ok(None);
    }
    if to.elements() == 0 {
        return Ok(Some(Tensor::new(to.dtype, to.shape.clone(), Bytes::new())?));
    }
    let Some(x) = op.constants.first().copied().flatten() else { return Ok(None) };
    let small = to.elements() <= COMPUTED_ELEMENTS;
    let data = match how {
        Fold::Same => Some(x.data().clone()),
        Fold::Moved(compute) => compute(op, x, to)?,
        Fold::Picked(compute) | Fold::Computed(compute) if small => compute(op, x, to)?,
        _ => None,
    };
    Ok(data.map(|data| Tensor::new(to.dtype, to.shape.clone(), data)).transpose()?)
}
