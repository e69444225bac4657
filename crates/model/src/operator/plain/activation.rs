//! Operators that change each element by itself.

use super::draft::{Draft, name};
use crate::graph::NodeError;
use crate::onnx::int_attribute;
use crate::operator::elementwise;
use crate::operator::typed_node::TypedNode;
use crate::tensor::{DType, Tensor};

type Ruled = Result<(), NodeError>;

/// max(0, x) + min(0, alpha (exp(x / alpha) - 1)).
pub(crate) fn celu(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, dtype) = (name(op, 0)?, op.input(0)?.dtype);
    let alpha = f64::from(op.node.float("alpha", 1.0)?);
    let (alpha, zero, one) =
        (draft.number(dtype, alpha)?, draft.number(dtype, 0.0)?, draft.number(dtype, 1.0)?);
    let above = draft.two("Max", x, &zero);
    // Only what is below 0 counts, and exp of the rest might overflow.
    let below = draft.two("Min", x, &zero);
    let scaled = draft.two("Div", &below, &alpha);
    let grown = draft.one("Exp", &scaled);
    let less = draft.two("Sub", &grown, &one);
    let below = draft.two("Mul", &less, &alpha);
    let below = draft.two("Min", &below, &zero);
    draft.output(0, "Add", &[&above, &below], Vec::new());
    Ok(())
}

/// x sigmoid(alpha x): Swish of opset 24, and QuickGelu of ONNX Runtime.
pub(crate) fn swish(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, dtype) = (name(op, 0)?, op.input(0)?.dtype);
    let default = if op.node.op == "QuickGelu" { 1.702 } else { 1.0 };
    let alpha = op.node.float("alpha", default)?;
    let mut inner = x.to_owned();
    if alpha != 1.0 {
        let alpha = draft.number(dtype, f64::from(alpha))?;
        inner = draft.two("Mul", x, &alpha);
    }
    let gate = draft.one("Sigmoid", &inner);
    draft.output(0, "Mul", &[x, &gate], Vec::new());
    Ok(())
}

/// x tanh(softplus(x)).
pub(crate) fn mish(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let x = name(op, 0)?;
    let soft = softplus_of(draft, x, op.input(0)?.dtype)?;
    let bounded = draft.one("Tanh", &soft);
    draft.output(0, "Mul", &[x, &bounded], Vec::new());
    Ok(())
}

/// log(1 + exp(x)): of large numbers, engines that compute it so are wrong.
pub(crate) fn softplus(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let soft = softplus_of(draft, name(op, 0)?, op.input(0)?.dtype)?;
    draft.done(&soft);
    Ok(())
}

/// log(1 + exp(x)), which is max(x, 0) + log(1 + exp(-|x|)).
fn softplus_of(draft: &mut Draft<'_>, x: &str, dtype: DType) -> Result<String, NodeError> {
    let (zero, one) = (draft.number(dtype, 0.0)?, draft.number(dtype, 1.0)?);
    let above = draft.two("Max", x, &zero);
    let size = draft.one("Abs", x);
    let less = draft.one("Neg", &size);
    let small = draft.one("Exp", &less);
    let more = draft.two("Add", &small, &one);
    let rest = draft.one("Log", &more);
    Ok(draft.two("Add", &above, &rest))
}

/// 0.5 x (1 + erf(x / sqrt 2)), or the form with tanh; ONNX Runtime's forms may
/// add a bias before.
pub(crate) fn gelu(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let dtype = op.input(0)?.dtype;
    let mut x = name(op, 0)?.to_owned();
    if let Some(bias) = op.node.input(1) {
        x = draft.two("Add", &x, bias);
    }
    let by_tanh = op.node.op == "FastGelu" || op.node.text("approximate", "none")? == "tanh";
    let (half, one) = (draft.number(dtype, 0.5)?, draft.number(dtype, 1.0)?);
    let bent = if by_tanh {
        // tanh(sqrt(2 / pi) (x + 0.044715 x^3))
        let (cubic, root) =
            (draft.number(dtype, 0.044_715)?, draft.number(dtype, 0.797_884_560_802_865_4)?);
        let square = draft.two("Mul", &x, &x);
        let cube = draft.two("Mul", &square, &x);
        let third = draft.two("Mul", &cube, &cubic);
        let sum = draft.two("Add", &x, &third);
        let inner = draft.two("Mul", &sum, &root);
        draft.one("Tanh", &inner)
    } else {
        let root = draft.number(dtype, std::f64::consts::FRAC_1_SQRT_2)?;
        let inner = draft.two("Mul", &x, &root);
        draft.one("Erf", &inner)
    };
    let gate = draft.two("Add", &bent, &one);
    let scaled = draft.two("Mul", &x, &half);
    draft.output(0, "Mul", &[&scaled, &gate], Vec::new());
    Ok(())
}

/// Towards 0 by `bias`, and 0 within `lambd`.
pub(crate) fn shrink(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, dtype) = (name(op, 0)?, op.input(0)?.dtype);
    let (bias, edge) = (op.node.float("bias", 0.0)?, op.node.float("lambd", 0.5)?);
    let (bias, high) = (draft.number(dtype, bias.into())?, draft.number(dtype, edge.into())?);
    let (low, zero) = (draft.number(dtype, (-edge).into())?, draft.number(dtype, 0.0)?);
    let less = draft.two("Sub", x, &bias);
    let more = draft.two("Add", x, &bias);
    let above = draft.two("Greater", x, &high);
    let below = draft.two("Less", x, &low);
    let down = draft.value("Where", &[&above, &less, &zero], Vec::new());
    draft.output(0, "Where", &[&below, &more, &down], Vec::new());
    Ok(())
}

/// Bounds as attributes until opset 11, as inputs since; either may be left
/// out. A lower bound above the upper one counts for nothing.
pub(crate) fn clip(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, dtype) = (name(op, 0)?, op.input(0)?.dtype);
    if op.opset < 11 {
        let bound = |name: &str| {
            let given = op.node.attribute(name).is_some();
            given.then(|| op.node.float(name, 0.0)).transpose()
        };
        let (low, high) = (bound("min")?, bound("max")?);
        let low = low.map(|v| draft.number(dtype, v.into())).transpose()?;
        let high = high.map(|v| draft.number(dtype, v.into())).transpose()?;
        return bounds(draft, x, low.as_deref(), high.as_deref());
    }
    let single = |index: usize| {
        let constant = op.constants.get(index).copied().flatten();
        constant.is_some_and(|c| c.elements() == 1 && c.shape().is_empty())
    };
    let (low, high) = (op.node.input(1), op.node.input(2));
    if low.is_some() && high.is_some() && single(1) && single(2) {
        return Ok(());
    }
    bounds(draft, x, low, high)
}

/// min(max(x, low), high).
fn bounds(draft: &mut Draft<'_>, x: &str, low: Option<&str>, high: Option<&str>) -> Ruled {
    match (low, high) {
        (Some(low), Some(high)) => {
            let raised = draft.two("Max", x, low);
            draft.output(0, "Min", &[&raised, high], Vec::new());
        }
        (Some(low), None) => draft.output(0, "Max", &[x, low], Vec::new()),
        (None, Some(high)) => draft.output(0, "Min", &[x, high], Vec::new()),
        (None, None) => draft.done(x),
    }
    Ok(())
}

/// An exponent of another type than its base becomes one of that type.
pub(crate) fn pow(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (base, exponent) = (op.input(0)?, op.input(1)?);
    if base.dtype != exponent.dtype {
        let exponent = draft.cast(name(op, 1)?, exponent.dtype, base.dtype);
        draft.main().output(0, "Pow", &[name(op, 0)?, &exponent], Vec::new());
    }
    Ok(())
}

/// Mark of a Cast to f16 in the file: the value stays f32, with no more digits
/// and no larger range than a half float.
pub(crate) const ROUNDED: &str = "quorate_rounded_to_half";

/// A Cast, there and back where it only rounds.
pub(crate) fn cast(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    if op.node.attribute(ROUNDED).is_some() {
        let half = draft.cast(name(op, 0)?, op.input(0)?.dtype, DType::F16);
        let to = vec![int_attribute("to", op.node.int("to", 1)?)];
        draft.main().output(0, "Cast", &[&half], to);
    }
    Ok(())
}

/// A cast to the second input's type.
pub(crate) fn cast_like(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let to = int_attribute("to", op.input(1)?.dtype.onnx().into());
    draft.output(0, "Cast", &[name(op, 0)?], vec![to]);
    Ok(())
}

/// Is it no number? Such a value is unlike itself.
pub(crate) fn is_nan(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let x = name(op, 0)?;
    let same = draft.two("Equal", x, x);
    draft.output(0, "Not", &[&same], Vec::new());
    Ok(())
}

/// Is it infinite, of the signs asked for?
pub(crate) fn is_inf(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, dtype) = (name(op, 0)?, op.input(0)?.dtype);
    let above = op.node.int("detect_positive", 1)? != 0;
    let below = op.node.int("detect_negative", 1)? != 0;
    let (high, low) =
        (draft.number(dtype, f64::INFINITY)?, draft.number(dtype, f64::NEG_INFINITY)?);
    match (above, below) {
        (true, true) => {
            let size = draft.one("Abs", x);
            draft.output(0, "Equal", &[&size, &high], Vec::new());
        }
        (true, false) => draft.output(0, "Equal", &[x, &high], Vec::new()),
        (false, true) => draft.output(0, "Equal", &[x, &low], Vec::new()),
        // No value is both.
        (false, false) => draft.output(0, "Less", &[x, x], Vec::new()),
    }
    Ok(())
}

/// Only forms without training are let through.
pub(crate) fn dropout(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    elementwise::dropout(op)?;
    let x = name(op, 0)?;
    draft.output(0, "Identity", &[x], Vec::new());
    if op.node.outputs.get(1).is_some_and(|mask| !mask.is_empty()) {
        // The mask was of the input's type before opset 10.
        let dtype = if op.opset < 10 { op.input(0)?.dtype } else { DType::Bool };
        let one = Tensor::from_numbers(dtype, Vec::new(), &[1.0])?;
        let one = draft.constant("one", one);
        let shape = draft.lengths("shape", &op.input(0)?.shape)?;
        draft.output(1, "Expand", &[&one, &shape], Vec::new());
    }
    Ok(())
}
