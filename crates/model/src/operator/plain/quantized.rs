//! Quantized operators, as what they stand for: numbers, a product of them, and
//! numbers rounded again. Weights that are constant are read as they lie in the
//! file.

use super::draft::{Draft, bounded, name};
use crate::graph::NodeError;
use crate::onnx::{AttributeProto, float_attribute, int_attribute};
use crate::operator::typed_node::{TypedNode, resolve_axis};
use crate::tensor::DType;

type Ruled = Result<(), NodeError>;

/// Quanta of one scale, or of one a channel.
struct Quanta<'a> {
    value: &'a str,
    scale: &'a str,
    zero: Option<&'a str>,
    /// The axis of the channels, where there is a scale for each.
    axis: Option<usize>,
}

/// The quanta of input `index`, with their scale and zero point behind them.
fn quanta<'a>(op: &TypedNode<'a>, at: [usize; 3], axis: usize) -> Result<Quanta<'a>, NodeError> {
    let several = op.input(at[1])?.shape.iter().product::<usize>() > 1;
    Ok(Quanta {
        value: name(op, at[0])?,
        scale: name(op, at[1])?,
        zero: op.node.input(at[2]),
        axis: several.then_some(axis),
    })
}

/// (value - zero point) * scale by DequantizeLinear.
fn number_of(draft: &mut Draft<'_>, q: &Quanta<'_>) -> String {
    let inputs: Vec<&str> = [q.value, q.scale].into_iter().chain(q.zero).collect();
    let axis = q.axis.map(|axis| vec![int_attribute("axis", axis as i64)]);
    draft.value("DequantizeLinear", &inputs, axis.unwrap_or_default())
}

/// Quanta that are computed: a subtraction and a product.
pub(crate) fn dequantize(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, scale) = (op.input(0)?, op.input(1)?);
    let constant = |index: usize| op.constants.get(index).copied().flatten().is_some();
    let all = constant(0) && constant(1) && (op.node.input(2).is_none() || constant(2));
    let block = op.node.int("block_size", 0)?;
    if all && block == 0 {
        return Ok(());
    }
    let to = spread(op, draft, 1, &x.shape, block)?;
    let value = draft.cast(name(op, 0)?, x.dtype, scale.dtype);
    let value = match op.node.input(2) {
        None => value,
        Some(_) => {
            let zero = spread(op, draft, 2, &x.shape, block)?;
            let zero = draft.cast(&zero, op.input(2)?.dtype, scale.dtype);
            draft.two("Sub", &value, &zero)
        }
    };
    draft.output(0, "Mul", &[&value, &to], Vec::new());
    Ok(())
}

/// Scales or zero points in a shape that broadcasts over what they are for.
fn spread(
    op: &TypedNode<'_>,
    draft: &mut Draft<'_>,
    index: usize,
    shape: &[usize],
    block: i64,
) -> Result<String, NodeError> {
    let (by, given) = (name(op, index)?, op.input(index)?.shape.clone());
    if given.iter().product::<usize>() <= 1 {
        return draft.reshape(by, &[]);
    }
    let axis = op.node.int("axis", 1)?;
    let axis = resolve_axis(axis, shape.len()).ok_or_else(|| op.bad("axis", axis, "an axis"))?;
    if block == 0 {
        let mut lengths = vec![1; shape.len()];
        lengths[axis] = shape[axis];
        if given != [shape[axis]] {
            return Err(op.bad_shape(index, format!("[{}]", shape[axis])));
        }
        return draft.reshape(by, &lengths);
    }
    let block = usize::try_from(block).ok().filter(|&block| block > 0);
    let block = block.ok_or_else(|| op.bad("block_size", "no length", "a length"))?;
    let fits = given.len() == shape.len()
        && (0..shape.len()).all(|d| match d == axis {
            true => given[d] == shape[d].div_ceil(block),
            false => given[d] == shape[d],
        });
    if !fits {
        return Err(op.bad_shape(index, format!("a number for each {block} of {shape:?}")));
    }
    let places: Vec<i64> = (0..bounded(shape[axis])?).map(|at| (at / block) as i64).collect();
    draft.pick(by, axis, &places)
}

/// The least and the greatest quantum of a type.
fn range(dtype: DType) -> Result<(f64, f64), NodeError> {
    Ok(match dtype {
        DType::U8 => (0.0, 255.0),
        DType::I8 => (-128.0, 127.0),
        DType::I16 => (-32768.0, 32767.0),
        DType::U16 => (0.0, 65535.0),
        other => {
            return Err(NodeError::Unsupported { what: format!("quantization to {other}") });
        }
    })
}

/// x / scale, rounded to even, plus the zero point, within the type.
pub(crate) fn quantize(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, scale) = (op.input(0)?, op.input(1)?);
    let dtype = match (op.optional(2), op.node.int("output_dtype", 0)?) {
        (Some(zero), _) => zero.dtype,
        (None, 0) => DType::U8,
        (None, to) => i32::try_from(to)
            .ok()
            .and_then(DType::from_onnx)
            .ok_or_else(|| op.bad("output_dtype", to, "a supported element type"))?,
    };
    let block = op.node.int("block_size", 0)?;
    let by = spread(op, draft, 1, &x.shape, block)?;
    let by = draft.cast(&by, scale.dtype, x.dtype);
    let zero = match op.node.input(2) {
        None => None,
        Some(_) => {
            let zero = spread(op, draft, 2, &x.shape, block)?;
            Some(draft.cast(&zero, dtype, x.dtype))
        }
    };
    let rounded = rounded(draft, name(op, 0)?, &by, zero.as_deref(), (x.dtype, dtype))?;
    draft.output(0, "Cast", &[&rounded], vec![int_attribute("to", dtype.onnx().into())]);
    Ok(())
}

/// The quanta of `x`, still as numbers.
fn rounded(
    draft: &mut Draft<'_>,
    x: &str,
    scale: &str,
    zero: Option<&str>,
    (from, to): (DType, DType),
) -> Result<String, NodeError> {
    let (least, most) = range(to)?;
    let share = draft.two("Div", x, scale);
    let mut whole = draft.one("Round", &share);
    if let Some(zero) = zero {
        whole = draft.two("Add", &whole, zero);
    }
    let (least, most) = (draft.number(from, least)?, draft.number(from, most)?);
    Ok(draft.value("Clip", &[&whole, &least, &most], Vec::new()))
}

/// Scale and zero point from the values' own range, then quanta of u8.
pub(crate) fn quantize_dynamic(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, types) = (name(op, 0)?, op.input(0)?);
    let f32 = DType::F32;
    let (zero, most) = (draft.number(f32, 0.0)?, draft.number(f32, 255.0)?);
    let flat = draft.reshape(x, &[types.elements() as usize])?;
    let extreme = |draft: &mut Draft<'_>, word: &str, bound: &str| {
        let found = draft.reduce(word, &flat, &[0])?;
        let found = draft.reshape(&found, &[])?;
        Ok::<_, NodeError>(draft.two(
            if word == "ReduceMax" { "Max" } else { "Min" },
            &found,
            bound,
        ))
    };
    let high = extreme(draft, "ReduceMax", &zero)?;
    let low = extreme(draft, "ReduceMin", &zero)?;
    let span = draft.two("Sub", &high, &low);
    let scale = draft.two("Div", &span, &most);
    // All zeros: any scale will do.
    let empty = draft.two("Equal", &scale, &zero);
    let one = draft.number(f32, 1.0)?;
    let scale = draft.value("Where", &[&empty, &one, &scale], Vec::new());
    let down = draft.one("Neg", &low);
    let place = rounded(draft, &down, &scale, None, (f32, DType::U8))?;
    let quanta = rounded(draft, x, &scale, Some(&place), (f32, DType::U8))?;
    let to = || vec![int_attribute("to", DType::U8.onnx().into())];
    draft.output(0, "Cast", &[&quanta], to());
    draft.output(1, "Identity", &[&scale], Vec::new());
    draft.output(2, "Cast", &[&place], to());
    Ok(())
}

/// QLinearConv: inputs x, w and y with scale and zero point each, then a bias
/// in quanta of both scales.
pub(crate) fn conv(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, w) = (quanta(op, [0, 1, 2], 1)?, quanta(op, [3, 4, 5], 0)?);
    let mut inputs = vec![number_of(draft, &x), number_of(draft, &w)];
    if let Some(bias) = op.node.input(8) {
        let bias = draft.cast(bias, op.input(8)?.dtype, DType::F32);
        let both = draft.two("Mul", x.scale, w.scale);
        let count: usize = op.input(8)?.shape.iter().product();
        let bias = draft.two("Mul", &bias, &both);
        inputs.push(draft.reshape(&bias, &[count])?);
    }
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let made = draft.main().value("Conv", &inputs, op.node.attributes.clone());
    to_quanta(op, draft, &made, [6, 7])
}

/// QLinearMatMul: inputs a, b and y with scale and zero point each.
pub(crate) fn mat_mul(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let last =
        |index: usize, back: usize| op.input(index).map(|t| t.shape.len().saturating_sub(back));
    let (a, b) = (quanta(op, [0, 1, 2], last(0, 2)?)?, quanta(op, [3, 4, 5], last(3, 1)?)?);
    let (a, b) = (number_of(draft, &a), number_of(draft, &b));
    let made = draft.main().value("MatMul", &[&a, &b], Vec::new());
    to_quanta(op, draft, &made, [6, 7])
}

/// The node's output: `x` in quanta of the inputs `scale` and `zero`.
fn to_quanta(
    op: &TypedNode<'_>,
    draft: &mut Draft<'_>,
    x: &str,
    [scale, zero]: [usize; 2],
) -> Ruled {
    let inputs: Vec<&str> = [x, name(op, scale)?].into_iter().chain(op.node.input(zero)).collect();
    draft.output(0, "QuantizeLinear", &inputs, Vec::new());
    Ok(())
}

/// Integers whose sums a 24-bit mantissa holds.
const EXACT: u64 = 1 << 24;

/// ConvInteger and MatMulInteger, where f32 holds every sum exactly.
pub(crate) fn integer(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (x, w) = (op.input(0)?, op.input(1)?);
    let conv = op.node.op == "ConvInteger";
    let inner: usize = match conv {
        true => w.shape.iter().skip(1).product(),
        false => x.shape.last().copied().unwrap_or(1),
    };
    let largest = 255 * 255 * inner as u64;
    let mut sides = Vec::new();
    for (index, dtype) in [(0, x.dtype), (1, w.dtype)] {
        let mut value = draft.cast(name(op, index)?, dtype, DType::F32);
        if let Some(zero) = op.node.input(2 + index) {
            let types = op.input(2 + index)?;
            let mut zero = draft.cast(zero, types.dtype, DType::F32);
            if types.shape.iter().product::<usize>() > 1 {
                // Of the weights: one a channel, or a column.
                let mut shape = vec![1; op.input(index)?.shape.len()];
                let axis = match (conv, index) {
                    (true, _) => 0,
                    (false, 0) => shape.len().saturating_sub(2),
                    (false, _) => shape.len().saturating_sub(1),
                };
                if axis >= shape.len() {
                    return Err(op.bad_shape(index, "1 or more dimensions"));
                }
                shape[axis] = types.shape.iter().product();
                zero = draft.reshape(&zero, &shape)?;
            } else {
                zero = draft.reshape(&zero, &[])?;
            }
            value = draft.two("Sub", &value, &zero);
        }
        sides.push(value);
    }
    let word = if conv { "Conv" } else { "MatMul" };
    let made = draft.main().value(word, &[&sides[0], &sides[1]], op.node.attributes.clone());
    let made = if largest < EXACT { made } else { draft.one("Round", &made) };
    draft.output(0, "Cast", &[&made], vec![int_attribute("to", DType::I32.onnx().into())]);
    Ok(())
}

/// ONNX Runtime's element-wise operators on quanta: two values with scale and
/// zero point each, then those of the result.
pub(crate) fn binary(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let (a, b) = (quanta(op, [0, 1, 2], 1)?, quanta(op, [3, 4, 5], 1)?);
    let (a, b) = (number_of(draft, &a), number_of(draft, &b));
    let made = draft.two(op.node.op.trim_start_matches("QLinear"), &a, &b);
    to_quanta(op, draft, &made, [6, 7])
}

/// ONNX Runtime's operators of one value of quanta.
pub(crate) fn unary(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let x = quanta(op, [0, 1, 2], 1)?;
    let axis = op.input(0)?.shape.len();
    let value = number_of(draft, &x);
    let attributes: Vec<AttributeProto> = match op.node.op.as_str() {
        "QLinearLeakyRelu" => vec![float_attribute("alpha", op.node.float("alpha", 0.01)?)],
        "QLinearAveragePool" | "QLinearGlobalAveragePool" => {
            if op.node.int("channels_last", 0)? != 0 {
                let what = "channels behind the places".to_owned();
                return Err(NodeError::Unsupported { what });
            }
            let kept = op.node.attributes.iter().filter(|a| a.name() != "channels_last");
            kept.cloned().collect()
        }
        "QLinearSoftmax" => vec![int_attribute("axis", op.node.int("axis", axis as i64 - 1)?)],
        _ => Vec::new(),
    };
    let made = draft.value(op.node.op.trim_start_matches("QLinear"), &[&value], attributes);
    to_quanta(op, draft, &made, [3, 4])
}

/// ONNX Runtime's QLinearConcat: scale and zero point of the result, then each
/// value with its own.
pub(crate) fn concat(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let axis = int_attribute("axis", op.node.int("axis", 0)?);
    let mut values = Vec::new();
    for index in (2..op.node.inputs.len()).step_by(3) {
        values.push(number_of(draft, &quanta(op, [index, index + 1, index + 2], 1)?));
    }
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let made = draft.value("Concat", &values, vec![axis]);
    to_quanta(op, draft, &made, [0, 1])
}

/// ONNX Runtime's products of a float and quanta, whose own quanta are found on
/// the way: the float itself is nearer to what is meant.
pub(crate) fn dynamic_mat_mul(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Ruled {
    let columns = op.input(1)?.shape.len().saturating_sub(1);
    let (x, b) = match op.node.op.as_str() {
        "MatMulIntegerToFloat" => {
            let a = Quanta {
                value: name(op, 0)?,
                scale: name(op, 2)?,
                zero: op.node.input(4),
                axis: None,
            };
            (number_of(draft, &a), quanta(op, [1, 3, 5], columns)?)
        }
        _ => {
            let inner = name(op, 0)?.to_owned();
            (inner, quanta(op, [1, 2, 3], columns)?)
        }
    };
    let b = number_of(draft, &b);
    let bias = if op.node.op == "MatMulIntegerToFloat" { 6 } else { 4 };
    let made = draft.main().value("MatMul", &[&x, &b], Vec::new());
    match op.node.input(bias) {
        Some(bias) => draft.output(0, "Add", &[&made, bias], Vec::new()),
        None => draft.done(&made),
    }
    Ok(())
}
