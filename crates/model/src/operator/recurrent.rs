//! The recurrent operators LSTM, GRU and RNN.

use super::TypedNode;
use crate::graph::{NodeError, ValueType};
use crate::tensor::DType;

/// Position of the input that gives each sequence's length.
pub(crate) const SEQUENCE_LENS: usize = 4;

/// Which way a recurrent node goes through its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Forward,
    Reverse,
    Both,
}

/// The lengths that a recurrent node's inputs imply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dims {
    /// Blocks of the weights: 4 for LSTM, 3 for GRU, 1 for RNN.
    pub gates: usize,
    pub way: Way,
    pub steps: usize,
    pub batch: usize,
    /// Elements of one step's input.
    pub inputs: usize,
    /// Elements of the state.
    pub hidden: usize,
    /// Whether the batch is the first dimension of inputs, outputs and states.
    pub batch_first: bool,
}

impl Dims {
    pub(crate) fn directions(&self) -> usize {
        if self.way == Way::Both { 2 } else { 1 }
    }

    /// Shape of an initial or a last state.
    pub(crate) fn state(&self) -> Vec<usize> {
        match self.batch_first {
            true => vec![self.batch, self.directions(), self.hidden],
            false => vec![self.directions(), self.batch, self.hidden],
        }
    }
}

/// Reads the lengths off X [T, B, I], W [dirs, gates * H, I] and
/// R [dirs, gates * H, H], and checks all inputs against them.
pub(crate) fn dims(op: &TypedNode<'_>) -> Result<Dims, NodeError> {
    let gates = match op.node.op.as_str() {
        "LSTM" => 4,
        "GRU" => 3,
        _ => 1,
    };
    let way = match op.node.text("direction", "forward")? {
        "forward" => Way::Forward,
        "reverse" => Way::Reverse,
        "bidirectional" => Way::Both,
        other => return Err(op.bad("direction", other, "forward, reverse or bidirectional")),
    };
    let batch_first = match op.node.int("layout", 0)? {
        0 => false,
        1 => true,
        other => return Err(op.bad("layout", other, "0 or 1")),
    };
    let rank3 = |index: usize| match op.input(index)?.shape[..] {
        [a, b, c] => Ok([a, b, c]),
        _ => Err(op.bad_shape(index, "3 dimensions")),
    };
    let ([first, second, inputs], [_, _, hidden]) = (rank3(0)?, rank3(2)?);
    let (steps, batch) = if batch_first { (second, first) } else { (first, second) };
    let dims = Dims { gates, way, steps, batch, inputs, hidden, batch_first };
    let declared = op.node.int("hidden_size", hidden as i64)?;
    if declared != hidden as i64 {
        return Err(op.bad("hidden_size", declared, "the length of R's rows"));
    }
    check(op, &dims)?;
    Ok(dims)
}

fn check(op: &TypedNode<'_>, dims: &Dims) -> Result<(), NodeError> {
    let (directions, hidden) = (dims.directions(), dims.hidden);
    let rows = dims.gates.saturating_mul(hidden);
    let mut shapes = vec![
        (1, vec![directions, rows, dims.inputs]),
        (2, vec![directions, rows, hidden]),
        (3, vec![directions, rows.saturating_mul(2)]),
        (SEQUENCE_LENS, vec![dims.batch]),
        (5, dims.state()),
    ];
    if op.node.op == "LSTM" {
        shapes.push((6, dims.state()));
        shapes.push((7, vec![directions, hidden.saturating_mul(3)]));
    }
    let dtype = op.input(0)?.dtype;
    for (index, shape) in shapes {
        let given = match op.optional(index) {
            None if index <= 2 => return Err(NodeError::MissingInput { index }),
            None => continue,
            Some(given) => given,
        };
        let expected = if index == SEQUENCE_LENS { DType::I32 } else { dtype };
        if given.dtype != expected {
            let expected = expected.to_string();
            return Err(NodeError::InputType { index, got: given.dtype, expected });
        }
        if given.shape != shape {
            return Err(op.bad_shape(index, format!("{shape:?}")));
        }
    }
    Ok(())
}

/// Y, Y_h and, for an LSTM, Y_c.
pub(super) fn infer(op: &TypedNode<'_>) -> Result<Vec<ValueType>, NodeError> {
    let dims = dims(op)?;
    let Dims { steps, batch, hidden, .. } = dims;
    let all = match dims.batch_first {
        true => vec![batch, steps, dims.directions(), hidden],
        false => vec![steps, dims.directions(), batch, hidden],
    };
    let dtype = op.input(0)?.dtype;
    let mut types = vec![ValueType { dtype, shape: all }];
    let states = if op.node.op == "LSTM" { 2 } else { 1 };
    types.extend((0..states).map(|_| ValueType { dtype, shape: dims.state() }));
    Ok(types)
}
