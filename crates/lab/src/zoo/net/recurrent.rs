//! Recurrent layers: LSTM, GRU and the RNN of Elman.

use quorate_model::onnx::int_attribute;

use super::{Net, Value};
use crate::zoo::weights::Fill;

/// What a recurrent layer does at each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecurrentOp {
    /// Elman's: tanh of one product.
    Rnn,
    /// Gated recurrent unit, reset after the product as PyTorch does.
    Gru,
    /// Long short-term memory.
    Lstm,
}

impl RecurrentOp {
    /// The operator, as ONNX names it.
    pub(crate) fn op(self) -> &'static str {
        match self {
            RecurrentOp::Rnn => "RNN",
            RecurrentOp::Gru => "GRU",
            RecurrentOp::Lstm => "LSTM",
        }
    }

    /// Products a step, each of as many rows as the state has.
    fn gates(self) -> usize {
        match self {
            RecurrentOp::Rnn => 1,
            RecurrentOp::Gru => 3,
            RecurrentOp::Lstm => 4,
        }
    }

    /// The mean square of a state, as measured with these weights.
    fn square(self) -> f32 {
        match self {
            RecurrentOp::Rnn => 0.4,
            RecurrentOp::Gru => 0.25,
            RecurrentOp::Lstm => 0.1,
        }
    }
}

/// What is read of a recurrent layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Sequence,
    Last,
}

impl Net {
    /// All states of a layer over [steps, batch, inputs]: [steps, batch, hidden].
    pub(crate) fn recurrent(
        &mut self,
        name: &str,
        x: &Value,
        op: RecurrentOp,
        hidden: usize,
    ) -> Value {
        let states = self.any_recurrent(name, x, op, hidden, Read::Sequence);
        let shape = [states.shape[0], states.shape[2], hidden];
        // The second dimension is the direction, of which there is one.
        let axes = self.list(format!("{name}.squeeze.axes"), &[1]);
        let made = (shape.to_vec(), states.square);
        let squeeze = format!("{name}.squeeze");
        self.node("Squeeze", &squeeze, &[&states.name, &axes], Vec::new(), made)
    }

    /// The last state of a layer over [steps, batch, inputs]: [batch, hidden].
    pub(crate) fn last_state(
        &mut self,
        name: &str,
        x: &Value,
        op: RecurrentOp,
        hidden: usize,
    ) -> Value {
        let state = self.any_recurrent(name, x, op, hidden, Read::Last);
        let axes = self.list(format!("{name}.squeeze.axes"), &[0]);
        let made = (vec![x.shape[1], hidden], state.square);
        let squeeze = format!("{name}.squeeze");
        self.node("Squeeze", &squeeze, &[&state.name, &axes], Vec::new(), made)
    }

    fn any_recurrent(
        &mut self,
        name: &str,
        x: &Value,
        op: RecurrentOp,
        hidden: usize,
        read: Read,
    ) -> Value {
        let (steps, batch, inputs) = (x.shape[0], x.shape[1], x.shape[2]);
        let rows = op.gates() * hidden;
        let from_input = Fill::Normal((1.0 / (inputs as f32 * x.square)).sqrt());
        // Spectral radius below one: what was long ago fades.
        let from_state = Fill::Normal(0.6 / (hidden as f32).sqrt());
        let w = self.weight(format!("{name}.weight_ih"), &[1, rows, inputs], from_input, true);
        let r = self.weight(format!("{name}.weight_hh"), &[1, rows, hidden], from_state, true);
        let b = self.weight(format!("{name}.bias"), &[1, 2 * rows], Fill::Normal(0.1), true);
        let mut attributes = vec![int_attribute("hidden_size", hidden as i64)];
        if op == RecurrentOp::Gru {
            attributes.push(int_attribute("linear_before_reset", 1));
        }
        let (outputs, shape) = match read {
            Read::Sequence => (vec![name.to_owned()], vec![steps, 1, batch, hidden]),
            Read::Last => (vec![String::new(), name.to_owned()], vec![1, batch, hidden]),
        };
        self.add(op.op(), name, &[&x.name, &w, &r, &b], attributes, outputs);
        self.declare(name, shape, op.square())
    }
}
