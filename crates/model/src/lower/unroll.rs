//! The nodes of an unrolled recurrent node.
//!
//! Equations and orders of gates are those of ONNX's operators `LSTM`, `GRU`
//! and `RNN`.

use super::activation::Activation;
use super::emit::Emitter;
use super::outputs::{Done, outputs};
use super::recurrent::{Direction, Kind, Recurrent, Start};
use crate::graph::{Node, RecurrentCell};
use crate::onnx::{float_attribute, int_attribute, ints_attribute};
use crate::tensor::Tensor;

/// Emits the nodes that do what `node` does.
pub(super) fn unroll(read: &Recurrent, node: &Node, emit: &mut Emitter<'_>) -> RecurrentCell {
    let mut cell = RecurrentCell {
        name: node.name.clone(),
        op: node.op.clone(),
        projections: Vec::new(),
        steps: Vec::new(),
        rounds: Vec::new(),
        outputs: node.outputs.iter().filter(|o| !o.is_empty()).cloned().collect(),
    };
    let x = sequence(read, node, emit);
    let hidden = start(read, &read.starts[0], &format!("{}/initial_h", node.name), emit);
    let inner = start(read, &read.starts[1], &format!("{}/initial_c", node.name), emit);
    let mut done = Vec::new();
    for (at, direction) in read.directions.iter().enumerate() {
        let scope = match (read.directions.len(), at) {
            (1, _) => format!("{}/", node.name),
            (_, 0) => format!("{}/forward/", node.name),
            _ => format!("{}/backward/", node.name),
        };
        let (projection, pieces) = project(read, direction, &x, &scope, emit);
        cell.projections.push(projection);
        let mut steps = Steps::new(read, direction, scope, emit);
        done.push(steps.run(&pieces, hidden[at].clone(), inner[at].clone()));
        cell.steps.append(&mut steps.products);
        cell.rounds.push(steps.rounds);
    }
    outputs(read, node, &done, emit);
    cell
}

/// X as a matrix [steps * batch, inputs].
fn sequence(read: &Recurrent, node: &Node, emit: &mut Emitter<'_>) -> String {
    let dims = &read.dims;
    let mut x = node.inputs[0].clone();
    if dims.batch_first {
        let shape = [dims.steps, dims.batch, dims.inputs];
        let perm = vec![ints_attribute("perm", &[1, 0, 2])];
        x = emit.node(&format!("{}/steps_first", node.name), "Transpose", &[&x], &shape, perm);
    }
    let shape = [dims.steps * dims.batch, dims.inputs];
    emit.reshape(&format!("{}/sequence", node.name), &x, &shape)
}

/// A state [batch, hidden].
#[derive(Clone, Debug)]
enum State {
    Zero,
    Constant { name: String, tensor: Tensor },
    Value(String),
}

impl State {
    /// The value that holds it; `None` for zeros.
    fn name(&self) -> Option<&str> {
        match self {
            State::Zero => None,
            State::Constant { name, .. } | State::Value(name) => Some(name),
        }
    }
}

/// The state that each direction starts from.
fn start(read: &Recurrent, start: &Start, name: &str, emit: &mut Emitter<'_>) -> Vec<State> {
    let dims = &read.dims;
    let directions = dims.directions();
    let value = match start {
        Start::Zero => return vec![State::Zero; directions],
        Start::Constant(tensors) => {
            let each = tensors.iter().enumerate().map(|(at, tensor)| {
                let name = emit.initializer(&format!("{name}_{at}"), tensor.clone());
                State::Constant { name, tensor: tensor.clone() }
            });
            return each.collect();
        }
        Start::Value(value) => value,
    };
    let mut value = value.clone();
    if dims.batch_first && directions > 1 {
        let shape = [directions, dims.batch, dims.hidden];
        let perm = vec![ints_attribute("perm", &[1, 0, 2])];
        value = emit.node(&format!("{name}/turned"), "Transpose", &[&value], &shape, perm);
    }
    let value = emit.reshape(name, &value, &[directions * dims.batch, dims.hidden]);
    if directions == 1 {
        return vec![State::Value(value)];
    }
    let pieces = emit.split(&format!("{name}/split"), &value, 0, &vec![dims.batch; directions]);
    pieces.into_iter().map(State::Value).collect()
}

/// A Gemm by the rows of `weight`.
fn gemm(
    emit: &mut Emitter<'_>,
    name: &str,
    input: &str,
    weight: &str,
    bias: Option<&str>,
) -> String {
    let lines = emit.graph.types[input].shape[0];
    let rows = emit.graph.types[weight].shape[0];
    let mut inputs = vec![input, weight];
    inputs.extend(bias);
    emit.node(name, "Gemm", &inputs, &[lines, rows], vec![int_attribute("transB", 1)])
}

/// The product of W with all steps: the name of its node, and the value
/// [batch, gates * hidden] of each step.
fn project(
    read: &Recurrent,
    direction: &Direction,
    x: &str,
    scope: &str,
    emit: &mut Emitter<'_>,
) -> (String, Vec<String>) {
    let dims = &read.dims;
    let weight = emit.initializer(&format!("{scope}W"), direction.weight.clone());
    let bias = direction
        .bias
        .as_ref()
        .map(|[input, _]| emit.floats(&format!("{scope}B"), &[input.len()], input));
    let all = gemm(emit, &format!("{scope}input"), x, &weight, bias.as_deref());
    if dims.steps == 1 {
        return (all.clone(), vec![all]);
    }
    let lengths = vec![dims.batch; dims.steps];
    let pieces = emit.split(&format!("{scope}pieces"), &all, 0, &lengths);
    (all, pieces)
}

/// A part of R, to be multiplied with a state.
struct Weight {
    name: String,
    tensor: Tensor,
    /// The initializer that is added, and its values.
    bias: Option<(String, Vec<f32>)>,
}

/// The steps of one direction.
struct Steps<'a, 'g> {
    emit: &'a mut Emitter<'g>,
    kind: Kind,
    batch: usize,
    hidden: usize,
    direction: &'a Direction,
    /// Names of the bounds of what goes into an activation.
    clip: Option<[String; 2]>,
    coupled: bool,
    scope: String,
    /// All of R, or for a GRU that resets first: rows of z and r, rows of h.
    weights: Vec<Weight>,
    /// The initializers of the peepholes for i, o, f.
    peepholes: Vec<String>,
    /// Where new names start: scope and step.
    at: String,
    /// Names of the nodes that multiply a state.
    products: Vec<String>,
    /// Names of all nodes, by step.
    rounds: Vec<Vec<String>>,
}

impl<'a, 'g> Steps<'a, 'g> {
    fn new(
        read: &Recurrent,
        direction: &'a Direction,
        scope: String,
        emit: &'a mut Emitter<'g>,
    ) -> Steps<'a, 'g> {
        let hidden = read.dims.hidden;
        let r = &direction.recurrence;
        let rows = |range: std::ops::Range<usize>| {
            let (shape, row) = (vec![range.len(), hidden], hidden * 4);
            let data = r.data().slice(range.start * row..range.end * row);
            Tensor::new(r.dtype(), shape, data).expect("rows of R")
        };
        let parts = match read.kind {
            Kind::Gru { linear_before_reset: false } => {
                vec![("R_zr", rows(0..2 * hidden)), ("R_h", rows(2 * hidden..3 * hidden))]
            }
            _ => vec![("R", r.clone())],
        };
        let mut weights: Vec<Weight> = Vec::new();
        for (name, tensor) in parts {
            let name = emit.initializer(&format!("{scope}{name}"), tensor.clone());
            weights.push(Weight { name, tensor, bias: None });
        }
        if let (Kind::Gru { linear_before_reset: true }, Some([_, b])) =
            (read.kind, &direction.bias)
        {
            let name = emit.floats(&format!("{scope}R_B"), &[b.len()], b);
            weights[0].bias = Some((name, b.clone()));
        }
        let mut peepholes = Vec::new();
        for (gate, p) in ["i", "o", "f"].into_iter().zip(direction.peepholes.iter().flatten()) {
            peepholes.push(emit.initializer(&format!("{scope}P_{gate}"), p.clone()));
        }
        let clip = read.clip.map(|bound| {
            [("low", -bound), ("high", bound)].map(|(word, bound)| {
                let name = format!("{scope}clip_{word}");
                emit.floats(&name, &[], &[bound])
            })
        });
        let (kind, batch, coupled) = (read.kind, read.dims.batch, read.coupled);
        let (at, products, rounds) = (String::new(), Vec::new(), Vec::new());
        Steps {
            emit,
            kind,
            batch,
            hidden,
            direction,
            clip,
            coupled,
            scope,
            weights,
            peepholes,
            at,
            products,
            rounds,
        }
    }

    /// Goes through all `pieces`, in the direction's order.
    fn run(&mut self, pieces: &[String], start: State, start_cell: State) -> Done {
        let mut state = start;
        let mut cell = start_cell.name().map(str::to_owned);
        let mut hidden = Vec::with_capacity(pieces.len());
        let mut last = String::new();
        for step in 0..pieces.len() {
            let piece = if self.direction.reverse { pieces.len() - 1 - step } else { step };
            self.at = format!("{}step_{step}", self.scope);
            let x = &pieces[piece];
            let before = self.emit.graph.nodes.len();
            last = match self.kind {
                Kind::Rnn => self.rnn(x, &state),
                Kind::Lstm => {
                    let (hidden, next) = self.lstm(x, &state, cell.as_deref());
                    cell = Some(next);
                    hidden
                }
                Kind::Gru { linear_before_reset: false } => self.gru(x, &state),
                Kind::Gru { linear_before_reset: true } => self.gru_linear(x, &state),
            };
            let nodes = &self.emit.graph.nodes[before..];
            self.rounds.push(nodes.iter().map(|node| node.name.clone()).collect());
            hidden.push(last.clone());
            state = State::Value(last.clone());
        }
        if self.direction.reverse {
            hidden.reverse();
        }
        Done { hidden, last, last_cell: cell }
    }

    /// An elementwise node over values of `width` columns.
    fn wide(&mut self, op: &str, name: &str, inputs: &[&str], width: usize) -> String {
        let name = format!("{}/{name}", self.at);
        self.emit.node(&name, op, inputs, &[self.batch, width], Vec::new())
    }

    /// An elementwise node over states.
    fn op(&mut self, op: &str, name: &str, inputs: &[&str]) -> String {
        self.wide(op, name, inputs, self.hidden)
    }

    fn activate(&mut self, name: &str, which: usize, value: &str) -> String {
        let value = self.clipped(name, value, self.hidden);
        self.function(name, which, &value, self.hidden)
    }

    /// `value`, of `width` columns, within the bounds where there are any.
    fn clipped(&mut self, name: &str, value: &str, width: usize) -> String {
        match self.clip.clone() {
            None => value.to_owned(),
            Some([low, high]) => {
                self.wide("Clip", &format!("{name}_clipped"), &[value, &low, &high], width)
            }
        }
    }

    /// An activation function of `value`, of `width` columns.
    fn function(&mut self, name: &str, which: usize, value: &str, width: usize) -> String {
        let Activation { word, alpha, beta } = self.direction.activations[which];
        let attributes = match word {
            "Elu" | "LeakyRelu" | "ThresholdedRelu" => vec![float_attribute("alpha", alpha)],
            "HardSigmoid" => vec![float_attribute("alpha", alpha), float_attribute("beta", beta)],
            _ => Vec::new(),
        };
        let number = |steps: &mut Self, word: &str, number: f32| {
            steps.emit.floats(&format!("{}/{name}_{word}", steps.at), &[], &[number])
        };
        match word {
            "Affine" => {
                let (alpha, beta) = (number(self, "alpha", alpha), number(self, "beta", beta));
                let product = self.wide("Mul", &format!("{name}_product"), &[value, &alpha], width);
                self.wide("Add", name, &[&product, &beta], width)
            }
            "ScaledTanh" => {
                let (alpha, beta) = (number(self, "alpha", alpha), number(self, "beta", beta));
                let inner = self.wide("Mul", &format!("{name}_inner"), &[value, &beta], width);
                let bent = self.wide("Tanh", &format!("{name}_bent"), &[&inner], width);
                self.wide("Mul", name, &[&bent, &alpha], width)
            }
            _ => {
                let name = format!("{}/{name}", self.at);
                self.emit.node(&name, word, &[value], &[self.batch, width], attributes)
            }
        }
    }

    /// The gates in the columns of `value`.
    fn gates<const N: usize>(
        &mut self,
        name: &str,
        value: &str,
        lengths: [usize; N],
    ) -> [String; N] {
        let name = format!("{}/{name}", self.at);
        let mut pieces = self.emit.split(&name, value, 1, &lengths).into_iter();
        std::array::from_fn(|_| pieces.next().unwrap_or_default())
    }

    /// state * weight^T + bias, under the step's own name and `suffix`;
    /// `None` for a state of zeros.
    fn product(&mut self, suffix: &str, state: &State, weight: usize) -> Option<String> {
        let name = format!("{}{suffix}", self.at);
        let weight = &self.weights[weight];
        match state {
            State::Zero => None,
            State::Constant { tensor, .. } => {
                let values = multiply(tensor, weight);
                let rows = values.len() / self.batch;
                Some(self.emit.floats(&name, &[self.batch, rows], &values))
            }
            State::Value(state) => {
                let bias = weight.bias.as_ref().map(|(name, _)| name.as_str());
                let product = gemm(self.emit, &name, state, &weight.name, bias);
                self.products.push(product.clone());
                Some(product)
            }
        }
    }

    /// `x` plus `product`, of `width` columns.
    fn sum(&mut self, name: &str, x: &str, product: Option<String>, width: usize) -> String {
        match product {
            Some(product) => self.wide("Add", name, &[x, &product], width),
            None => x.to_owned(),
        }
    }

    /// H' = f(X W^T + H R^T + b)
    fn rnn(&mut self, x: &str, state: &State) -> String {
        let product = self.product("", state, 0);
        let sum = self.sum("sum", x, product, self.hidden);
        self.activate("hidden", 0, &sum)
    }

    /// A gate of an LSTM: f(sum + P * cell).
    fn gate(&mut self, name: &str, which: usize, sum: &str, cell: Option<&str>) -> String {
        let seen = match (cell, self.peepholes.get(which).cloned()) {
            (Some(cell), Some(p)) => Some(self.op("Mul", &format!("{name}_peephole"), &[cell, &p])),
            _ => None,
        };
        let sum = self.sum(&format!("{name}_sum"), sum, seen, self.hidden);
        self.activate(name, 0, &sum)
    }

    /// C' = f * C + i * c, H' = o * h(C'); gives H' and C'.
    fn lstm(&mut self, x: &str, state: &State, cell: Option<&str>) -> (String, String) {
        let product = self.product("", state, 0);
        let sum = self.sum("sum", x, product, 4 * self.hidden);
        let [i, o, f, c] = self.gates("gates", &sum, [self.hidden; 4]);
        let i = self.gate("i", 0, &i, cell);
        let c = self.activate("c", 1, &c);
        let mut next = self.op("Mul", "new", &[&i, &c]);
        if let Some(cell) = cell {
            let f = match self.coupled {
                true => self.rest_of_one("f", &i),
                false => self.gate("f", 2, &f, Some(cell)),
            };
            let kept = self.op("Mul", "kept", &[&f, cell]);
            next = self.op("Add", "cell", &[&kept, &next]);
        }
        let o = self.gate("o", 1, &o, Some(&next));
        let shown = self.function("shown", 2, &next, self.hidden);
        (self.op("Mul", "hidden", &[&o, &shown]), next)
    }

    /// 1 - value
    fn rest_of_one(&mut self, name: &str, value: &str) -> String {
        let one = self.emit.floats(&format!("{}/{name}_one", self.at), &[], &[1.0]);
        self.op("Sub", name, &[&one, value])
    }

    /// h = g(Xh + (r * H) Rh^T): the reset gate comes first.
    fn gru(&mut self, x: &str, state: &State) -> String {
        let width = 2 * self.hidden;
        let [x_zr, x_h] = self.gates("input", x, [width, self.hidden]);
        let product = self.product("", state, 0);
        let sum = self.sum("zr_sum", &x_zr, product, width);
        let sum = self.clipped("zr", &sum, width);
        let zr = self.function("zr", 0, &sum, width);
        let [z, r] = self.gates("gates", &zr, [self.hidden; 2]);
        let product = state.name().and_then(|state| {
            let reset = self.op("Mul", "reset", &[&r, state]);
            self.product("/candidate", &State::Value(reset), 1)
        });
        let sum = self.sum("h_sum", &x_h, product, self.hidden);
        let h = self.activate("h", 1, &sum);
        self.mix(&z, &h, state)
    }

    /// h = g(Xh + r * (H Rh^T + b)): the reset gate comes after the product.
    fn gru_linear(&mut self, x: &str, state: &State) -> String {
        let width = 2 * self.hidden;
        let [x_zr, x_h] = self.gates("input", x, [width, self.hidden]);
        let (zr, h) = match self.product("", state, 0) {
            Some(product) => {
                let [zr, h] = self.gates("product", &product, [width, self.hidden]);
                (Some(zr), Some(h))
            }
            // Of a product with zeros the bias is left.
            None => (None, self.bias_alone(width)),
        };
        let sum = self.sum("zr_sum", &x_zr, zr, width);
        let sum = self.clipped("zr", &sum, width);
        let zr = self.function("zr", 0, &sum, width);
        let [z, r] = self.gates("gates", &zr, [self.hidden; 2]);
        let reset = h.map(|h| self.op("Mul", "reset", &[&r, &h]));
        let sum = self.sum("h_sum", &x_h, reset, self.hidden);
        let h = self.activate("h", 1, &sum);
        self.mix(&z, &h, state)
    }

    /// The state's bias from row `from` on, as an initializer.
    fn bias_alone(&mut self, from: usize) -> Option<String> {
        let (_, values) = self.weights[0].bias.as_ref()?;
        Some(self.emit.floats(&format!("{}/bias", self.at), &[self.hidden], &values[from..]))
    }

    /// H' = (1 - z) * h + z * H
    fn mix(&mut self, z: &str, h: &str, state: &State) -> String {
        match state.name() {
            Some(state) => {
                let apart = self.op("Sub", "apart", &[state, h]);
                let kept = self.op("Mul", "kept", &[z, &apart]);
                self.op("Add", "hidden", &[h, &kept])
            }
            None => {
                let lost = self.op("Mul", "lost", &[z, h]);
                self.op("Sub", "hidden", &[h, &lost])
            }
        }
    }
}

/// The product of a constant state with the rows of a weight, plus its bias;
/// sums are made in f64 and rounded once.
fn multiply(state: &Tensor, weight: &Weight) -> Vec<f32> {
    let read = |tensor: &Tensor| tensor.to_f32().expect("f32, as was checked");
    let (states, rows) = (read(state), read(&weight.tensor));
    let columns = weight.tensor.shape()[1];
    let mut out = Vec::with_capacity(state.shape()[0] * weight.tensor.shape()[0]);
    for state in states.chunks_exact(columns) {
        for (n, row) in rows.chunks_exact(columns).enumerate() {
            let terms = state.iter().zip(row).map(|(&s, &w)| f64::from(s) * f64::from(w));
            let bias = weight.bias.as_ref().map_or(0.0, |(_, values)| f64::from(values[n]));
            out.push((terms.sum::<f64>() + bias) as f32);
        }
    }
    out
}
