//! Computes element-wise operators and reductions of constants.

use bytes::Bytes;

use super::TypedNode;
use super::compute::{for_each_index, strides};
use super::typed_node::resolve_axis;
use crate::graph::{NodeError, ValueType};
use crate::tensor::{DType, Tensor};

type Made = Result<Option<Bytes>, NodeError>;

/// Where each element of an output lies in a tensor that broadcasts to it.
enum Places {
    Same,
    One,
    Listed(Vec<usize>),
}

impl Places {
    fn new(from: &[usize], to: &[usize]) -> Places {
        if from == to {
            return Places::Same;
        }
        if from.iter().all(|&d| d == 1) {
            return Places::One;
        }
        let mut steps = vec![0; to.len() - from.len()];
        steps.extend(strides(from).iter().zip(from).map(|(s, &d)| if d == 1 { 0 } else { *s }));
        let mut places = Vec::with_capacity(to.iter().product());
        for_each_index(to, |index| {
            places.push(index.iter().zip(&steps).map(|(i, s)| i * s).sum());
        });
        Places::Listed(places)
    }

    fn of(&self, at: usize) -> usize {
        match self {
            Places::Same => at,
            Places::One => 0,
            Places::Listed(places) => places[at],
        }
    }
}

/// An element-wise operator of one or two inputs.
pub(super) fn computed(op: &TypedNode<'_>, x: &Tensor, to: &ValueType) -> Made {
    let word = op.node.op.as_str();
    let y = op.constants.get(1).copied().flatten();
    if op.constants.len() > 2 || op.constants.len() == 2 && y.is_none() {
        return Ok(None);
    }
    let float = matches!(x.dtype(), DType::F32 | DType::F64);
    let count = to.elements() as usize;
    match (y, float) {
        (None, true) => {
            let Some(f) = float_unary(word) else { return Ok(None) };
            let values: Vec<f64> = x.to_numbers().into_iter().map(f).collect();
            bytes(to, &values)
        }
        (None, false) => {
            let Some(f) = whole_unary(word) else { return Ok(None) };
            let Some(values) = x.to_wholes() else { return Ok(None) };
            wholes(to, values.into_iter().map(f).collect())
        }
        (Some(y), true) => {
            let (a, b) = (x.to_numbers(), y.to_numbers());
            let (pa, pb) = (Places::new(x.shape(), &to.shape), Places::new(y.shape(), &to.shape));
            let pairs = (0..count).map(|at| (a[pa.of(at)], b[pb.of(at)]));
            if let Some(f) = compared(word) {
                let held = pairs.map(|(a, b)| a.partial_cmp(&b).map(f).unwrap_or(false));
                return Ok(Some(held.map(u8::from).collect()));
            }
            let Some(f) = float_binary(word) else { return Ok(None) };
            bytes(to, &pairs.map(|(a, b)| f(a, b)).collect::<Vec<_>>())
        }
        (Some(y), false) => {
            let (Some(a), Some(b)) = (x.to_wholes(), y.to_wholes()) else { return Ok(None) };
            let (pa, pb) = (Places::new(x.shape(), &to.shape), Places::new(y.shape(), &to.shape));
            let pairs = (0..count).map(|at| (a[pa.of(at)], b[pb.of(at)]));
            if let Some(f) = compared(word) {
                return Ok(Some(pairs.map(|(a, b)| u8::from(f(a.cmp(&b)))).collect()));
            }
            let floor = op.node.int("fmod", 0)? == 0;
            let f = |(a, b)| whole_binary(word, floor, a, b);
            wholes(to, pairs.map(f).collect())
        }
    }
}

fn bytes(to: &ValueType, values: &[f64]) -> Made {
    Ok(Some(Tensor::from_numbers(to.dtype, to.shape.clone(), values)?.data().clone()))
}

/// Whole numbers as bytes; `None` where one is not known or does not fit.
fn wholes(to: &ValueType, values: Option<Vec<i64>>) -> Made {
    let Some(values) = values else { return Ok(None) };
    Ok(Tensor::from_wholes(to.dtype, to.shape.clone(), &values).map(|t| t.data().clone()))
}

fn float_unary(word: &str) -> Option<fn(f64) -> f64> {
    Some(match word {
        "Abs" => f64::abs,
        "Ceil" => f64::ceil,
        "Cos" => f64::cos,
        "Exp" => f64::exp,
        "Floor" => f64::floor,
        "Log" => f64::ln,
        "Neg" => |v| -v,
        "Reciprocal" => f64::recip,
        "Relu" => |v| if v < 0.0 { 0.0 } else { v },
        "Round" => f64::round_ties_even,
        "Sigmoid" => |v| 1.0 / (1.0 + (-v).exp()),
        "Sign" => |v| if v == 0.0 { 0.0 } else { v.signum() },
        "Sin" => f64::sin,
        "Sqrt" => f64::sqrt,
        "Tanh" => f64::tanh,
        _ => return None,
    })
}

fn float_binary(word: &str) -> Option<fn(f64, f64) -> f64> {
    Some(match word {
        "Add" => |a, b| a + b,
        "Sub" => |a, b| a - b,
        "Mul" => |a, b| a * b,
        "Div" => |a, b| a / b,
        "Pow" => f64::powf,
        "Max" => |a, b| if a.is_nan() || a > b { a } else { b },
        "Min" => |a, b| if a.is_nan() || a < b { a } else { b },
        _ => return None,
    })
}

fn whole_unary(word: &str) -> Option<fn(i64) -> Option<i64>> {
    Some(match word {
        "Abs" => i64::checked_abs,
        "Neg" => i64::checked_neg,
        "Not" => |v| Some(i64::from(v == 0)),
        "Relu" => |v| Some(v.max(0)),
        "Sign" => |v| Some(v.signum()),
        _ => return None,
    })
}

fn whole_binary(word: &str, floor: bool, a: i64, b: i64) -> Option<i64> {
    match word {
        "Add" => a.checked_add(b),
        "Sub" => a.checked_sub(b),
        "Mul" => a.checked_mul(b),
        "Div" => a.checked_div(b),
        "Pow" => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        "Mod" => {
            let rest = a.checked_rem(b)?;
            Some(if floor && rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
        }
        "Max" => Some(a.max(b)),
        "Min" => Some(a.min(b)),
        "And" => Some(i64::from(a != 0 && b != 0)),
        "Or" => Some(i64::from(a != 0 || b != 0)),
        "Xor" => Some(i64::from((a != 0) != (b != 0))),
        _ => None,
    }
}

fn compared(word: &str) -> Option<fn(std::cmp::Ordering) -> bool> {
    Some(match word {
        "Equal" => std::cmp::Ordering::is_eq,
        "Greater" => std::cmp::Ordering::is_gt,
        "Less" => std::cmp::Ordering::is_lt,
        "GreaterOrEqual" => std::cmp::Ordering::is_ge,
        "LessOrEqual" => std::cmp::Ordering::is_le,
        _ => return None,
    })
}

/// A constant as another element type.
pub(super) fn cast(_: &TypedNode<'_>, x: &Tensor, to: &ValueType) -> Made {
    let float = |dtype| matches!(dtype, DType::F32 | DType::F16 | DType::F64);
    if x.dtype() == to.dtype {
        return Ok(Some(x.data().clone()));
    }
    if to.dtype == DType::Bool && float(x.dtype()) {
        return Ok(Some(x.to_numbers().iter().map(|&v| u8::from(v != 0.0)).collect()));
    }
    if float(x.dtype()) || float(to.dtype) {
        return bytes(to, &x.to_numbers());
    }
    let Some(values) = x.to_wholes() else { return Ok(None) };
    let values = values.into_iter().map(|v| match to.dtype {
        DType::Bool => i64::from(v != 0),
        DType::I8 => i64::from(v as i8),
        DType::U8 => i64::from(v as u8),
        DType::I16 => i64::from(v as i16),
        DType::U16 => i64::from(v as u16),
        DType::I32 => i64::from(v as i32),
        DType::U32 => i64::from(v as u32),
        _ => v,
    });
    wholes(to, Some(values.collect()))
}

/// `Where`: elements of the second or the third input.
pub(super) fn selected(op: &TypedNode<'_>, x: &Tensor, to: &ValueType) -> Made {
    let constant = |index: usize| op.constants.get(index).copied().flatten();
    let (Some(yes), Some(no)) = (constant(1), constant(2)) else { return Ok(None) };
    let places = [x, yes, no].map(|tensor| Places::new(tensor.shape(), &to.shape));
    let size = to.dtype.size();
    let count = to.elements() as usize;
    let mut data = Vec::with_capacity(count * size);
    for at in 0..count {
        let (from, place) = match x.data()[places[0].of(at)] {
            0 => (no, places[2].of(at)),
            _ => (yes, places[1].of(at)),
        };
        data.extend_from_slice(&from.data()[place * size..(place + 1) * size]);
    }
    Ok(Some(data.into()))
}

/// A reduction over axes that are all said.
pub(super) fn reduced(op: &TypedNode<'_>, x: &Tensor, to: &ValueType) -> Made {
    let axes = op.attribute_or_list("axes", 1)?.unwrap_or_default();
    let rank = x.shape().len();
    let gone: Vec<usize> = axes.iter().filter_map(|&axis| resolve_axis(axis, rank)).collect();
    if gone.len() != axes.len() || axes.is_empty() {
        return Ok(None);
    }
    let kept: Vec<usize> =
        (0..rank).map(|d| if gone.contains(&d) { 1 } else { x.shape()[d] }).collect();
    let slots = Places::new(&kept, x.shape());
    let count = kept.iter().product::<usize>();
    let each = x.elements() / count.max(1);
    if matches!(x.dtype(), DType::F32 | DType::F64) {
        let (start, f): (f64, fn(f64, f64) -> f64) = match op.node.op.as_str() {
            "ReduceSum" | "ReduceMean" => (0.0, |a, b| a + b),
            "ReduceProd" => (1.0, |a, b| a * b),
            "ReduceMax" => (f64::NEG_INFINITY, f64::max),
            "ReduceMin" => (f64::INFINITY, f64::min),
            _ => return Ok(None),
        };
        let mut made = vec![start; count];
        for (at, value) in x.to_numbers().into_iter().enumerate() {
            let slot = slots.of(at);
            made[slot] = f(made[slot], value);
        }
        if op.node.op == "ReduceMean" {
            made.iter_mut().for_each(|v| *v /= each as f64);
        }
        return bytes(to, &made);
    }
    let mut made: Vec<Option<i64>> = vec![None; count];
    let Some(values) = x.to_wholes() else { return Ok(None) };
    for (at, value) in values.into_iter().enumerate() {
        let slot = slots.of(at);
        let Some(old) = made[slot] else {
            made[slot] = Some(value);
            continue;
        };
        let new = match op.node.op.as_str() {
            "ReduceSum" => old.checked_add(value),
            "ReduceProd" => old.checked_mul(value),
            "ReduceMax" => Some(old.max(value)),
            "ReduceMin" => Some(old.min(value)),
            _ => None,
        };
        let Some(new) = new else { return Ok(None) };
        made[slot] = Some(new);
    }
    wholes(to, made.into_iter().collect())
}
