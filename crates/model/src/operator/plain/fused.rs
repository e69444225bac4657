//! Operators that ONNX Runtime's optimizer makes of several.

use super::draft::{Draft, name};
use crate::graph::NodeError;
use crate::onnx::{AttributeProto, float_attribute};
use crate::operator::typed_node::TypedNode;

type Ruled = Result<(), NodeError>;

/// FusedConv: a convolution, perhaps a sum, and an activation.
pub(crate) fn conv(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let own = |a: &&AttributeProto| !matches!(a.name(), "activation" | "activation_params");
    let attributes = op.node.attributes.iter().filter(own).cloned().collect();
    let inputs: Vec<&str> = (0..3).filter_map(|index| op.node.input(index)).collect();
    let mut made = draft.main().value("Conv", &inputs, attributes);
    if let Some(sum) = op.node.input(3) {
        made = draft.two("Add", &made, sum);
    }
    let made = activated(op, draft, &made)?;
    draft.done(&made);
    Ok(())
}

/// FusedGemm: a product and an activation.
pub(crate) fn gemm(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let own = |a: &&AttributeProto| !a.name().starts_with("activation");
    let attributes = op.node.attributes.iter().filter(own).cloned().collect();
    let inputs: Vec<&str> = (0..3).filter_map(|index| op.node.input(index)).collect();
    let made = draft.main().value("Gemm", &inputs, attributes);
    let made = activated(op, draft, &made)?;
    draft.done(&made);
    Ok(())
}

fn activated(op: &TypedNode<'_>, draft: &mut Draft<'_>, x: &str) -> Result<String, NodeError> {
    let word = op.node.text("activation", "")?.to_owned();
    let numbers = op.node.floats("activation_params")?.unwrap_or(&[]).to_vec();
    let number = |at: usize, key: &str, default: f32| {
        let own = op.node.float(&format!("activation_{key}"), default)?;
        Ok::<_, NodeError>(numbers.get(at).copied().unwrap_or(own))
    };
    let dtype = op.input(0)?.dtype;
    Ok(match word.as_str() {
        "" => x.to_owned(),
        "Relu" | "Sigmoid" | "Tanh" => draft.one(&word, x),
        "LeakyRelu" => {
            let alpha = float_attribute("alpha", number(0, "alpha", 0.01)?);
            draft.value("LeakyRelu", &[x], vec![alpha])
        }
        "HardSigmoid" => {
            let alpha = float_attribute("alpha", number(0, "alpha", 0.2)?);
            let beta = float_attribute("beta", number(1, "beta", 0.5)?);
            draft.value("HardSigmoid", &[x], vec![alpha, beta])
        }
        "Clip" => {
            let low = draft.number(dtype, number(0, "min", f32::MIN)?.into())?;
            let high = draft.number(dtype, number(1, "max", f32::MAX)?.into())?;
            draft.value("Clip", &[x, &low, &high], Vec::new())
        }
        other => return Err(op.bad("activation", other, "one that is known")),
    })
}

/// FusedMatMul: a product of sides that may be turned, times a number.
pub(crate) fn mat_mul(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let mut sides = Vec::new();
    for (index, key, batch) in [(0, "transA", "transBatchA"), (1, "transB", "transBatchB")] {
        if op.node.int(batch, 0)? != 0 {
            return Err(NodeError::Unsupported { what: batch.to_owned() });
        }
        let rank = op.input(index)?.shape.len();
        let mut order: Vec<usize> = (0..rank).collect();
        if op.node.int(key, 0)? != 0 && rank >= 2 {
            order.swap(rank - 2, rank - 1);
        }
        sides.push(draft.transpose(name(op, index)?, &order));
    }
    let mut made = draft.main().value("MatMul", &[&sides[0], &sides[1]], Vec::new());
    let alpha = op.node.float("alpha", 1.0)?;
    if alpha != 1.0 {
        let alpha = draft.number(op.input(0)?.dtype, alpha.into())?;
        made = draft.two("Mul", &made, &alpha);
    }
    draft.done(&made);
    Ok(())
}
