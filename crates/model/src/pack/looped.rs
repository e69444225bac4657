//! Finds steps of a recurrent cell that are alike.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::ValueType;
use crate::onnx::{GraphProto, NodeProto, TensorProto};
use crate::tensor::DType;

/// Fewer alike steps than this are not worth a loop.
const STEPS_MIN: usize = 8;
/// What a step may consist of: operators that engines compute alike inside and
/// outside of a loop.
const OPERATORS: [&str; 7] = ["Add", "Gemm", "Mul", "Sigmoid", "Split", "Sub", "Tanh"];

/// Steps that are alike.
pub(super) struct Loop {
    /// Places in the graph of each step's nodes, in the same order.
    pub(super) steps: Vec<Vec<usize>>,
    /// Place of the node that makes the pieces which the steps read: one a step.
    pub(super) split: usize,
    /// The first of the node's outputs that is one of these pieces.
    pub(super) start: usize,
    /// The piece that the first of the steps reads.
    pub(super) piece: String,
    /// A piece's shape.
    pub(super) lines: usize,
    pub(super) width: usize,
    /// Is the last piece read first?
    pub(super) reverse: bool,
    /// What a step takes over from the step before.
    pub(super) states: Vec<State>,
    /// Constants, by the names that the first step reads them under.
    pub(super) constants: BTreeSet<String>,
    /// Where others read what all steps make; of one value, in one order.
    pub(super) joined: Vec<Joined>,
}

/// A value of a step: the node that makes it, by its place in the step, and its
/// place among the node's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Value {
    node: usize,
    output: usize,
}

/// What a step takes over from the step before.
pub(super) struct State {
    /// What the first step reads.
    pub(super) initial: String,
    /// What the other steps read of the step before.
    pub(super) next: Value,
    pub(super) shape: [usize; 2],
}

/// A Concat that reads one value of each step, one after the other.
pub(super) struct Joined {
    /// The Concat's place in the graph.
    pub(super) node: usize,
    /// The first of its inputs that is one of these.
    pub(super) start: usize,
    pub(super) value: Value,
    /// Is the last step's the first of them?
    pub(super) reverse: bool,
    pub(super) shape: [usize; 2],
}

/// Where a value is made that a step reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Own(Value),
    Before(Value),
    Outside,
}

impl Loop {
    /// The loop that the nodes of these names are, each step's in its order;
    /// `None` where not all are there, or something is not alike, or is read by
    /// others.
    pub(super) fn find(graph: &GraphProto, types: &Types, steps: &[Vec<String>]) -> Option<Loop> {
        let steps = steps.get(1..)?;
        let places: BTreeMap<&str, usize> =
            graph.node.iter().enumerate().map(|(at, node)| (node.name(), at)).collect();
        let place = |name: &String| places.get(name.as_str()).copied();
        // Of the last step not all may be needed.
        let steps: Vec<Vec<usize>> =
            steps.iter().map_while(|names| names.iter().map(place).collect()).collect();
        if steps.len() < STEPS_MIN {
            return None;
        }
        let alike = Alike::new(graph, &steps)?;
        let read = alike.inputs()?;
        let piece = alike.pieces(read.pieces, types)?;
        let mut states = Vec::with_capacity(read.states.len());
        for (next, initial) in read.states {
            let shape = matrix(types, alike.name(0, next))?;
            states.push(State { initial, next, shape });
        }
        let is_state = |value: Value| states.iter().any(|state| state.next == value);
        let joined = alike.readers(&is_state, types)?;
        let Piece { split, start, first: piece, reverse, shape: [lines, width] } = piece;
        let constants = read.constants;
        Some(Loop { steps, split, start, piece, lines, width, reverse, states, constants, joined })
    }

    /// The name of a value of step `step`.
    pub(super) fn name<'g>(&self, graph: &'g GraphProto, step: usize, value: Value) -> &'g str {
        &graph.node[self.steps[step][value.node]].output[value.output]
    }
}

/// Types of values, by name.
type Types = BTreeMap<String, ValueType>;

/// Rows and columns of a matrix of f32.
fn matrix(types: &Types, name: &str) -> Option<[usize; 2]> {
    let ValueType { dtype: DType::F32, shape } = types.get(name)? else { return None };
    shape.as_slice().try_into().ok()
}

/// What steps read from outside.
#[derive(Default)]
struct Read {
    /// What the first step reads where the others read a value of the step before.
    states: BTreeMap<Value, String>,
    constants: BTreeSet<String>,
    /// The pieces of each step, in the steps' order.
    pieces: BTreeSet<Vec<String>>,
}

struct Piece {
    split: usize,
    start: usize,
    first: String,
    reverse: bool,
    shape: [usize; 2],
}

/// Steps whose nodes are alike but for the names that they read.
struct Alike<'a> {
    graph: &'a GraphProto,
    steps: &'a [Vec<usize>],
    /// Places of all their nodes.
    places: BTreeSet<usize>,
    /// Who makes a value: step, and value of the step.
    made: BTreeMap<&'a str, (usize, Value)>,
    constants: BTreeMap<&'a str, &'a TensorProto>,
}

impl<'a> Alike<'a> {
    fn new(graph: &'a GraphProto, steps: &'a [Vec<usize>]) -> Option<Alike<'a>> {
        let first = steps.first()?;
        let mut made = BTreeMap::new();
        for (at, step) in steps.iter().enumerate() {
            if step.len() != first.len() {
                return None;
            }
            for (place, (&node, &like)) in step.iter().zip(first).enumerate() {
                let (node, like) = (&graph.node[node], &graph.node[like]);
                if !are_alike(node, like) || !OPERATORS.contains(&node.op_type()) {
                    return None;
                }
                for (output, name) in node.output.iter().enumerate() {
                    made.insert(name.as_str(), (at, Value { node: place, output }));
                }
            }
        }
        let constants = graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).collect();
        let places = steps.iter().flatten().copied().collect();
        Some(Alike { graph, steps, places, made, constants })
    }

    /// The graph's other nodes, with their places.
    fn others(&self) -> impl Iterator<Item = (usize, &'a NodeProto)> {
        self.graph.node.iter().enumerate().filter(|(at, _)| !self.places.contains(at))
    }

    fn name(&self, step: usize, value: Value) -> &'a str {
        &self.graph.node[self.steps[step][value.node]].output[value.output]
    }

    fn source(&self, step: usize, name: &str) -> Option<Source> {
        match self.made.get(name) {
            None => Some(Source::Outside),
            Some(&(at, value)) if at == step => Some(Source::Own(value)),
            Some(&(at, value)) if at + 1 == step => Some(Source::Before(value)),
            Some(_) => None,
        }
    }

    /// Takes apart what the nodes read.
    fn inputs(&self) -> Option<Read> {
        let mut read = Read::default();
        for node in 0..self.steps[0].len() {
            for input in 0..self.graph.node[self.steps[0][node]].input.len() {
                let name = |step: &Vec<usize>| self.graph.node[step[node]].input[input].as_str();
                let names: Vec<&str> = self.steps.iter().map(name).collect();
                self.input(&names, &mut read)?;
            }
        }
        Some(read)
    }

    /// Takes apart what the steps read at one place.
    fn input(&self, names: &[&str], read: &mut Read) -> Option<()> {
        let source = self.source(1, names[1])?;
        for (step, name) in names.iter().enumerate().skip(1) {
            if self.source(step, name)? != source {
                return None;
            }
        }
        let first = self.source(0, names[0])?;
        match source {
            Source::Own(_) => (first == source).then_some(()),
            Source::Before(value) if first == Source::Outside => {
                let initial = read.states.entry(value).or_insert_with(|| names[0].to_owned());
                (initial == names[0]).then_some(())
            }
            Source::Outside if first == Source::Outside => {
                let first = self.constants.get(names[0]);
                let same = |name: &&str| {
                    let constants = (self.constants.get(name), first);
                    matches!(constants, (Some(one), Some(other)) if are_equal(one, other))
                };
                if names.iter().all(same) {
                    read.constants.insert(names[0].to_owned());
                } else {
                    read.pieces.insert(names.iter().map(|&name| name.to_owned()).collect());
                }
                Some(())
            }
            _ => None,
        }
    }

    /// The node that makes the pieces for these steps, in their order or the other
    /// way round.
    fn pieces(&self, pieces: BTreeSet<Vec<String>>, types: &Types) -> Option<Piece> {
        let mut all = pieces.into_iter();
        let (names, None) = (all.next()?, all.next()) else { return None };
        let makes = |node: &NodeProto| node.output.contains(&names[0]);
        let split = self.graph.node.iter().position(makes)?;
        let node = &self.graph.node[split];
        let is_plain = node.op_type() == "Split" && node.input.len() == 2 && axis(node) == 0;
        let place = |name| node.output.iter().position(|output| output == name);
        let (one, other) = (place(&names[0])?, place(&names[names.len() - 1])?);
        let (start, reverse) = (one.min(other), one > other);
        let run = node.output.get(start..start + names.len())?;
        let is_run = if reverse { run.iter().rev().eq(&names) } else { run == names };
        if !is_plain || !is_run {
            return None;
        }
        let pieces: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let mut read = self.others().flat_map(|(_, node)| &node.input).map(String::as_str);
        let mut outputs = self.graph.output.iter().map(|output| output.name());
        let read_elsewhere =
            read.any(|name| pieces.contains(name)) || outputs.any(|name| pieces.contains(name));
        // One node takes them all only where they are as long.
        let shape = matrix(types, &names[0])?;
        let is_even = names.iter().all(|name| matrix(types, name) == Some(shape));
        let first = names.into_iter().next()?;
        (is_even && !read_elsewhere).then_some(Piece { split, start, first, reverse, shape })
    }

    /// What others read of the steps; `None` where that is more than the last
    /// step's states, and one value of all steps one after the other.
    fn readers(&self, is_state: &dyn Fn(Value) -> bool, types: &Types) -> Option<Vec<Joined>> {
        let last = self.steps.len() - 1;
        let is_end = |step: usize, value: Value| step == last && is_state(value);
        for output in &self.graph.output {
            if let Some(&(step, value)) = self.made.get(output.name())
                && !is_end(step, value)
            {
                return None;
            }
        }
        let mut joined: Vec<Joined> = Vec::new();
        for (at, node) in self.others() {
            let made: Vec<Option<(usize, Value)>> =
                node.input.iter().map(|name| self.made.get(name.as_str()).copied()).collect();
            if made.iter().flatten().all(|&(step, value)| is_end(step, value)) {
                continue;
            }
            let found = self.join(at, &made, types)?;
            let like = joined.first().unwrap_or(&found);
            if (like.value, like.reverse) != (found.value, found.reverse) {
                return None;
            }
            joined.push(found);
        }
        Some(joined)
    }

    /// The node at place `at` as one that joins one value of all steps.
    fn join(&self, at: usize, made: &[Option<(usize, Value)>], types: &Types) -> Option<Joined> {
        let node = &self.graph.node[at];
        let start = made.iter().position(Option::is_some)?;
        let run: Vec<(usize, Value)> = made.iter().flatten().copied().collect();
        let value = run.first()?.1;
        let is_run = made.get(start..start + run.len())?.iter().all(Option::is_some)
            && run.iter().all(|(_, other)| *other == value)
            && run.len() == self.steps.len();
        let forward = run.iter().map(|(step, _)| *step).eq(0..self.steps.len());
        let reverse = run.iter().map(|(step, _)| *step).eq((0..self.steps.len()).rev());
        let fits = node.op_type() == "Concat" && axis(node) == 0 && is_run && (forward || reverse);
        let shape = matrix(types, self.name(0, value))?;
        fits.then_some(Joined { node: at, start, value, reverse, shape })
    }
}

/// The attribute `axis`, 0 where there is none.
fn axis(node: &NodeProto) -> i64 {
    node.attribute.iter().find(|a| a.name() == "axis").map_or(0, |a| a.i())
}

fn are_alike(node: &NodeProto, like: &NodeProto) -> bool {
    node.op_type == like.op_type
        && node.domain().is_empty()
        && like.domain().is_empty()
        && node.attribute == like.attribute
        && node.input.len() == like.input.len()
        && node.output.len() == like.output.len()
}

fn are_equal(one: &TensorProto, other: &TensorProto) -> bool {
    let named = |tensor: &TensorProto| TensorProto { name: None, ..tensor.clone() };
    one.name == other.name || named(one) == named(other)
}
