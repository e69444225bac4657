//! Reads a recurrent node with all its constants, or says why it cannot be
//! unrolled.

use std::collections::BTreeSet;

use super::activation::Activation;
use crate::operator::TypedNode;
use crate::operator::recurrent::{Dims, SEQUENCE_LENS, Way, dims};
use crate::tensor::{DType, Tensor};

/// Most multiplications for the product of a constant initial state with the
/// weights. It is computed while the file is read.
const CONSTANT_PRODUCT_MAX: u64 = 1 << 26;

/// The equations that a node computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Lstm,
    Gru {
        /// Does the reset gate multiply the product of state and weights
        /// instead of the state?
        linear_before_reset: bool,
    },
    Rnn,
}

/// A recurrent node that can be unrolled.
#[derive(Debug)]
pub(super) struct Recurrent {
    pub kind: Kind,
    pub dims: Dims,
    pub directions: Vec<Direction>,
    /// States before the first step: hidden, and the LSTM's cell.
    pub starts: [Start; 2],
    /// What goes into an activation is held between this and its negative.
    pub clip: Option<f32>,
    /// Is an LSTM's forget gate what its input gate leaves of 1?
    pub coupled: bool,
}

/// One direction's constants.
#[derive(Debug)]
pub(super) struct Direction {
    pub reverse: bool,
    /// W: [gates * hidden, inputs].
    pub weight: Tensor,
    /// R: [gates * hidden, hidden].
    pub recurrence: Tensor,
    /// The biases of the input's product and of the state's.
    pub bias: Option<[Vec<f32>; 2]>,
    /// For the gates i, o, f: [hidden] each.
    pub peepholes: Option<[Tensor; 3]>,
    /// Activation functions, in the order of ONNX's attribute.
    pub activations: Vec<Activation>,
}

/// A state before the first step.
#[derive(Debug)]
pub(super) enum Start {
    Zero,
    /// [batch, hidden] for each direction.
    Constant(Vec<Tensor>),
    /// A value that is computed, by its name.
    Value(String),
}

impl Recurrent {
    /// The number of steps, over all directions.
    pub(crate) fn unrolled(&self) -> usize {
        self.dims.steps * self.directions.len()
    }
}

/// Reads the node of `op`, which may have up to `steps_max` steps. `varying` are
/// the values that depend on the graph's inputs.
pub(super) fn read(
    op: &TypedNode<'_>,
    varying: &BTreeSet<String>,
    steps_max: usize,
) -> Result<Recurrent, String> {
    let dims = dims(op).map_err(|e| e.to_string())?;
    let kind = match op.node.op.as_str() {
        "LSTM" => Kind::Lstm,
        "GRU" => {
            let after = op.node.int("linear_before_reset", 0).map_err(|e| e.to_string())?;
            Kind::Gru { linear_before_reset: after != 0 }
        }
        _ => Kind::Rnn,
    };
    forms(op, &dims)?;
    lengths(op, &dims, steps_max)?;
    if !op.node.input(0).is_some_and(|x| varying.contains(x)) {
        return Err("its sequence depends on no input".to_owned());
    }
    let activations = activations(op, kind, dims.directions())?;
    let directions = activations
        .into_iter()
        .enumerate()
        .map(|(at, activations)| direction(op, kind, &dims, at, activations))
        .collect::<Result<Vec<_>, String>>()?;
    let cell = if kind == Kind::Lstm { start(op, &dims, 6, varying)? } else { Start::Zero };
    let starts = [start(op, &dims, 5, varying)?, cell];
    let text = |e: crate::graph::NodeError| e.to_string();
    let clip = match op.node.attribute("clip") {
        None => None,
        Some(_) => Some(op.node.float("clip", 0.0).map_err(text)?),
    };
    let coupled = kind == Kind::Lstm && op.node.int("input_forget", 0).map_err(text)? != 0;
    Ok(Recurrent { kind, dims, directions, starts, clip, coupled })
}

/// Refuses forms of the operators that are not unrolled.
fn forms(op: &TypedNode<'_>, dims: &Dims) -> Result<(), String> {
    let dtype = op.input(0).map_err(|e| e.to_string())?.dtype;
    if dtype != DType::F32 {
        return Err(format!("its weights are {dtype}, only f32 is split"));
    }
    if [dims.steps, dims.batch, dims.inputs, dims.hidden].contains(&0) {
        return Err("one of its dimensions is empty".to_owned());
    }
    Ok(())
}

fn lengths(op: &TypedNode<'_>, dims: &Dims, steps_max: usize) -> Result<(), String> {
    let steps = dims.steps.saturating_mul(dims.directions());
    if steps > steps_max {
        let limit = format!("of {} that a model may have", super::STEPS_MAX);
        return Err(format!("it would be {steps} steps, and {steps_max} {limit} are left"));
    }
    let rows = dims.gates.saturating_mul(dims.hidden);
    if !op.limits.admit(&[dims.steps * dims.batch, rows]) {
        return Err("its product with the whole sequence is too large".to_owned());
    }
    let Some(name) = op.node.input(SEQUENCE_LENS) else { return Ok(()) };
    let Some(given) = op.constants.get(SEQUENCE_LENS).copied().flatten() else {
        return Err(format!("sequence lengths {name} are not constant"));
    };
    let given = given.to_i64().map_err(|e| e.to_string())?;
    match given.iter().find(|&&length| length != dims.steps as i64) {
        Some(length) => Err(format!("a sequence has length {length} of {}", dims.steps)),
        None => Ok(()),
    }
}

/// The activation functions of each direction. Numbers that functions need are
/// taken from two lists, in the functions' order.
fn activations(
    op: &TypedNode<'_>,
    kind: Kind,
    directions: usize,
) -> Result<Vec<Vec<Activation>>, String> {
    let default: &[&str] = match kind {
        Kind::Lstm => &["Sigmoid", "Tanh", "Tanh"],
        Kind::Gru { .. } => &["Sigmoid", "Tanh"],
        Kind::Rnn => &["Tanh"],
    };
    let given = op.node.texts("activations").map_err(|e| e.to_string())?;
    let names = given.filter(|names| !names.is_empty());
    let names = names.unwrap_or_else(|| default.repeat(directions));
    if names.len() != default.len() * directions {
        let needed = default.len() * directions;
        return Err(format!("it has {} activations, needs {needed}", names.len()));
    }
    let list = |name: &str| {
        let found = op.node.floats(name).map_err(|e| e.to_string())?;
        Ok::<_, String>(found.unwrap_or(&[]).to_vec().into_iter())
    };
    let (mut alphas, mut betas) = (list("activation_alpha")?, list("activation_beta")?);
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        all.push(Activation::read(name, &mut alphas, &mut betas)?);
    }
    Ok(all.chunks(default.len()).map(<[Activation]>::to_vec).collect())
}

/// The constant input `index`; `None` where it is left out.
fn constant<'a>(
    op: &TypedNode<'a>,
    index: usize,
    what: &str,
) -> Result<Option<&'a Tensor>, String> {
    let Some(name) = op.node.input(index) else { return Ok(None) };
    let tensor = op.constants.get(index).copied().flatten();
    tensor.map(Some).ok_or_else(|| format!("{what} {name} are not constant"))
}

/// Part number `skip` of a tensor cut into parts of `shape`.
fn part(tensor: &Tensor, skip: usize, shape: &[usize]) -> Result<Tensor, String> {
    let length = shape.iter().product::<usize>() * tensor.dtype().size();
    let range = skip * length..(skip + 1) * length;
    if range.end > tensor.data().len() {
        return Err(format!("it has constants of shape {:?}", tensor.shape()));
    }
    let data = tensor.data().slice(range);
    Tensor::new(tensor.dtype(), shape.to_vec(), data).map_err(|e| e.to_string())
}

fn direction(
    op: &TypedNode<'_>,
    kind: Kind,
    dims: &Dims,
    at: usize,
    activations: Vec<Activation>,
) -> Result<Direction, String> {
    let rows = dims.gates * dims.hidden;
    let weights = |index| constant(op, index, "weights")?.ok_or("it has no weights".to_owned());
    let (weight, recurrence) = (weights(1)?, weights(2)?);
    let bias = match constant(op, 3, "biases")? {
        None => None,
        Some(b) => {
            let both = part(b, at, &[2 * rows])?.to_f32().map_err(|e| e.to_string())?;
            Some(biases(kind, dims.hidden, &both))
        }
    };
    let peepholes = if kind == Kind::Lstm { constant(op, 7, "peepholes")? } else { None };
    let peepholes = match peepholes {
        None => None,
        Some(p) => {
            let gate = |n: usize| part(p, 3 * at + n, &[dims.hidden]);
            Some([gate(0)?, gate(1)?, gate(2)?])
        }
    };
    Ok(Direction {
        reverse: dims.way == Way::Reverse || at == 1,
        weight: part(weight, at, &[rows, dims.inputs])?,
        recurrence: part(recurrence, at, &[rows, dims.hidden])?,
        bias,
        peepholes,
        activations,
    })
}

/// Splits ONNX's list of biases, first those for W and then those for R. The two
/// are added up here, except where a gate multiplies the second one.
fn biases(kind: Kind, hidden: usize, both: &[f32]) -> [Vec<f32>; 2] {
    let (input, state) = both.split_at(both.len() / 2);
    let apart = match kind {
        Kind::Gru { linear_before_reset: true } => 2 * hidden,
        _ => state.len(),
    };
    let folded = |(row, (w, r)): (usize, (&f32, &f32))| if row < apart { w + r } else { *w };
    let rest = |(row, r): (usize, &f32)| if row < apart { 0.0 } else { *r };
    [
        input.iter().zip(state).enumerate().map(folded).collect(),
        state.iter().enumerate().map(rest).collect(),
    ]
}

fn start(
    op: &TypedNode<'_>,
    dims: &Dims,
    index: usize,
    varying: &BTreeSet<String>,
) -> Result<Start, String> {
    let Some(name) = op.node.input(index) else { return Ok(Start::Zero) };
    let Some(tensor) = op.constants.get(index).copied().flatten() else {
        // A layer that depends on no input would have nothing to wait for.
        if !varying.contains(name) {
            return Err(format!("initial state {name} depends on no input, but is no constant"));
        }
        return Ok(Start::Value(name.to_owned()));
    };
    let values = tensor.to_f32().map_err(|e| e.to_string())?;
    if values.iter().all(|&v| v == 0.0) {
        return Ok(Start::Zero);
    }
    let (batch, hidden, directions) = (dims.batch, dims.hidden, dims.directions());
    let products = (values.len() as u64).saturating_mul((dims.gates * hidden) as u64);
    if products > CONSTANT_PRODUCT_MAX {
        return Err(format!("initial state {name} is constant and too large"));
    }
    let of = |at: usize| {
        let row = |b: usize| if dims.batch_first { b * directions + at } else { at * batch + b };
        let rows = (0..batch).flat_map(|b| &values[row(b) * hidden..(row(b) + 1) * hidden]);
        let rows: Vec<f32> = rows.copied().collect();
        Tensor::from_f32(vec![batch, hidden], &rows).map_err(|e| e.to_string())
    };
    (0..directions).map(of).collect::<Result<_, String>>().map(Start::Constant)
}
