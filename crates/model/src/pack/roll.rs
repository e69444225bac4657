//! Writes the steps of a recurrent cell as one loop, where a task has them all.
//!
//! ```text
//! step 0 --> step 1 --> ... --> step T-1        step 0 --> Scan(step 1)
//!    ^          ^                  ^      ==>      ^          ^
//!  piece 0    piece 1    ...     piece T-1       piece 0    the others
//! ```
//!
//! An engine then loads the nodes of one step instead of those of hundreds. The
//! step that is taken first is another one than the rest where the state before
//! it is zero, and of the last not all may be needed: they stay as they are.

use std::collections::{BTreeMap, BTreeSet};

use super::looped::{Joined, Loop};
use crate::graph::Graph;
use crate::onnx::{
    AttributeProto, GraphProto, NodeProto, attribute_proto::AttributeType, inline_tensor,
    int_attribute, ints_attribute, node, value_info,
};
use crate::tensor::{DType, Tensor};

/// Writes steps of the model's cells in `graph`, a task's, as loops, where that
/// says the same.
pub(super) fn roll(graph: &mut GraphProto, model: &Graph) {
    for steps in model.cells.iter().flat_map(|cell| &cell.rounds) {
        if let Some(found) = Loop::find(graph, &model.types, steps) {
            Writer::new(graph, &found).write();
        }
    }
}

/// Names of what is written.
struct Names {
    /// The Scan itself; all others start with it.
    node: String,
    /// The steps' pieces, one after the other.
    rest: String,
    /// The same with the steps as their first dimension.
    sequence: String,
    /// What each step adds to what is joined, as the Scan makes it.
    each: String,
    /// The same, joined.
    joined: String,
}

struct Writer<'a> {
    graph: &'a mut GraphProto,
    found: &'a Loop,
    names: Names,
}

impl<'a> Writer<'a> {
    fn new(graph: &'a mut GraphProto, found: &'a Loop) -> Writer<'a> {
        let first = &graph.node[found.steps[0][0]];
        let mut node = format!("{}/rolled", first.name());
        let starts = |node: &str| {
            let values = graph.node.iter().flat_map(|n| n.input.iter().chain(&n.output));
            let mut all = values.map(String::as_str).chain(graph.node.iter().map(NodeProto::name));
            all.any(|name| name.starts_with(node))
        };
        while starts(&node) {
            node.push('_');
        }
        let name = |word: &str| format!("{node}/{word}");
        let names = Names {
            rest: name("rest"),
            sequence: name("sequence"),
            each: name("each"),
            joined: name("joined"),
            node,
        };
        Writer { graph, found, names }
    }

    fn write(mut self) {
        let body = self.body();
        let pieces = self.pieces();
        let (scan, flat) = self.scan(body);
        let found = self.found;
        let place = found.steps[0].iter().copied().max().unwrap_or_default();
        let rolled: BTreeSet<usize> = found.steps.iter().flatten().copied().collect();
        let old = std::mem::take(&mut self.graph.node);
        let mut between = Some(vec![scan].into_iter().chain(flat));
        let mut pieces = Some(pieces);
        for (at, mut node) in old.into_iter().enumerate() {
            if at == found.split {
                self.graph.node.extend(pieces.take().into_iter().flatten());
            } else if rolled.contains(&at) {
                if at == place {
                    self.graph.node.extend(between.take().into_iter().flatten());
                }
            } else {
                for Joined { start, .. } in found.joined.iter().filter(|j| j.node == at) {
                    let run = *start..*start + found.steps.len();
                    node.input.splice(run, [self.names.joined.clone()]);
                }
                self.graph.node.push(node);
            }
        }
        self.forget();
    }

    fn constant(&mut self, name: &str, values: &[usize]) -> String {
        let name = format!("{}/{name}", self.names.node);
        let values: Vec<i64> = values.iter().map(|&v| v as i64).collect();
        let tensor = Tensor::from_i64(vec![values.len()], &values).expect("a list of its length");
        let data = tensor.data().clone();
        self.graph.initializer.push(inline_tensor(&name, DType::I64, &[values.len()], data));
        name
    }

    fn info(&mut self, name: &str, shape: &[usize]) {
        self.graph.value_info.push(value_info(name, DType::F32, shape));
    }

    /// The nodes that make the steps' pieces as one sequence, and those of other
    /// steps one by one.
    fn pieces(&mut self) -> Vec<NodeProto> {
        let (steps, lines, width) = (self.found.steps.len(), self.found.lines, self.found.width);
        let mut split = self.graph.node[self.found.split].clone();
        let run = self.found.start..self.found.start + steps;
        let mut lengths = vec![lines; split.output.len()];
        lengths.splice(run.clone(), [steps * lines]);
        split.output.splice(run, [self.names.rest.clone()]);
        split.input[1] = self.constant("lengths", &lengths);
        let shape = self.constant("steps", &[steps, lines, width]);
        let (rest, sequence) = (self.names.rest.clone(), self.names.sequence.clone());
        self.info(&rest, &[steps * lines, width]);
        self.info(&sequence, &[steps, lines, width]);
        vec![split, node(&sequence, "Reshape", &[&rest, &shape], &[&sequence])]
    }

    /// The Scan, and the node that joins what its steps make.
    fn scan(&mut self, body: GraphProto) -> (NodeProto, Option<NodeProto>) {
        let found = self.found;
        let steps = found.steps.len();
        let name = self.names.node.clone();
        let mut inputs: Vec<String> = found.states.iter().map(|s| s.initial.clone()).collect();
        inputs.push(self.names.sequence.clone());
        let last = |value| found.name(self.graph, steps - 1, value).to_owned();
        let mut outputs: Vec<String> = found.states.iter().map(|s| last(s.next)).collect();
        let mut flat = None;
        let mut directions = Vec::new();
        if let Some(Joined { reverse, shape, .. }) = found.joined.first() {
            let each = self.names.each.clone();
            let joined = [steps * shape[0], shape[1]];
            self.info(&each, &[steps, shape[0], shape[1]]);
            let name = self.names.joined.clone();
            self.info(&name, &joined);
            let list = self.constant("joined_shape", &joined);
            flat = Some(node(&name, "Reshape", &[&each, &list], &[&name]));
            outputs.push(each);
            directions.push(ints_attribute("scan_output_directions", &[i64::from(*reverse)]));
        }
        let mut scan = node(&name, "Scan", &inputs, &outputs);
        scan.attribute = directions;
        scan.attribute.push(int_attribute("num_scan_inputs", 1));
        let direction = i64::from(found.reverse);
        scan.attribute.push(ints_attribute("scan_input_directions", &[direction]));
        scan.attribute.push(AttributeProto {
            name: Some("body".to_owned()),
            r#type: Some(AttributeType::Graph as i32),
            g: Some(body),
            ..Default::default()
        });
        (scan, flat)
    }

    /// One step, with its constants.
    fn body(&self) -> GraphProto {
        let found = self.found;
        let inner = |word: &str| format!("{}/{word}", self.names.node);
        let mut renamed: BTreeMap<&str, String> = BTreeMap::new();
        let mut body = GraphProto { name: Some(self.names.node.clone()), ..Default::default() };
        let constant = |name: &str| self.graph.initializer.iter().find(|t| t.name() == name);
        for name in &found.constants {
            let own = inner(name);
            body.initializer.extend(constant(name).cloned().map(|mut tensor| {
                tensor.name = Some(own.clone());
                tensor
            }));
            renamed.insert(name, own);
        }
        for (at, state) in found.states.iter().enumerate() {
            let own = inner(&format!("state_{at}"));
            body.input.push(value_info(&own, DType::F32, &state.shape));
            renamed.insert(&state.initial, own);
        }
        let piece = inner("piece");
        body.input.push(value_info(&piece, DType::F32, &[found.lines, found.width]));
        renamed.insert(&found.piece, piece);
        for &at in &found.steps[0] {
            let mut node = self.graph.node[at].clone();
            for input in &mut node.input {
                if let Some(own) = renamed.get(input.as_str()) {
                    input.clone_from(own);
                }
            }
            body.node.push(node);
        }
        let made: BTreeSet<&String> = body.node.iter().flat_map(|node| &node.output).collect();
        let infos = self.graph.value_info.iter();
        body.value_info =
            infos.filter(|info| made.contains(&info.name().to_owned())).cloned().collect();
        for state in &found.states {
            let name = found.name(self.graph, 0, state.next);
            body.output.push(value_info(name, DType::F32, &state.shape));
            body.value_info.retain(|info| info.name() != name);
        }
        if let Some(Joined { value, shape, .. }) = found.joined.first() {
            // A graph has no output twice.
            let own = inner("made");
            let from = found.name(self.graph, 0, *value);
            body.node.push(node(&own, "Identity", &[from], &[&own]));
            body.output.push(value_info(&own, DType::F32, shape));
        }
        body
    }

    /// Takes away constants that nobody reads, and types of values that nobody makes.
    fn forget(self) {
        let graph = self.graph;
        let names = |of: fn(&NodeProto) -> &Vec<String>| -> BTreeSet<String> {
            graph.node.iter().flat_map(|node| of(node).iter().cloned()).collect()
        };
        let (read, made) = (names(|node| &node.input), names(|node| &node.output));
        graph.initializer.retain(|tensor| read.contains(tensor.name()));
        graph.value_info.retain(|info| made.contains(info.name()));
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::onnx::ModelProto;
    use crate::pack::{TaskSpec, Work, lay_out};
    use crate::part::Part;
    use crate::sample::Sample;
    use crate::stage::Staged;

    /// The graphs of the stages that make all and the last states of an operator.
    fn packed(op: &str, gates: usize, steps: usize) -> Vec<GraphProto> {
        let sample = Sample::new(&[("x", &[steps, 2, 3])], &["y", "y_h"])
            .counting("w", &[1, gates * 4, 3])
            .counting("r", &[1, gates * 4, 4])
            .node(op, &["x", "w", "r"], &["y", "y_h"], &[]);
        let staged = Staged::new(sample.read().unwrap()).unwrap();
        let whole = |stage: usize| TaskSpec {
            name: staged.stages[stage].name.clone(),
            work: Work::Stage { stage, part: Part::whole(), cut: false },
        };
        let specs: Vec<TaskSpec> = (1..staged.stages.len()).map(whole).collect();
        let layout = lay_out(&staged, &specs, "weights.bin").unwrap();
        let graph = |task: usize| {
            let bytes = layout.task_onnx(task).unwrap();
            ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap()
        };
        (0..specs.len()).map(graph).collect()
    }

    fn operators(graph: &GraphProto) -> Vec<&str> {
        let mut all: Vec<&str> = graph.node.iter().map(NodeProto::op_type).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn alike_steps_are_a_loop() {
        for (op, gates) in [("RNN", 1), ("GRU", 3), ("LSTM", 4)] {
            let (few, many) = (packed(op, gates, 10), packed(op, gates, 200));
            for (few, many) in few.iter().zip(&many) {
                // However many steps there are, the graph is as large.
                assert_eq!(operators(few), operators(many), "{op}");
                let scan = many.node.iter().find(|node| node.op_type() == "Scan").unwrap();
                let body = scan.attribute.iter().find_map(|a| a.g.as_ref()).unwrap();
                let states = if op == "LSTM" { 2 } else { 1 };
                assert_eq!(body.input.len(), states + 1, "{op}");
                let products = body.node.iter().filter(|node| node.op_type() == "Gemm");
                assert_eq!(products.count(), if op == "GRU" { 2 } else { 1 }, "{op}");
            }
            // All states are read of one of the stages only.
            let outputs = |graph: &GraphProto| {
                let scan = graph.node.iter().find(|node| node.op_type() == "Scan");
                scan.map_or(0, |scan| scan.output.len())
            };
            let [all, last] = many.as_slice() else { panic!("two stages") };
            assert_eq!(outputs(all), outputs(last) + 1, "{op}");
        }
    }

    #[test]
    fn few_steps_stay_as_they_are() {
        for graph in packed("LSTM", 4, 8) {
            assert!(!operators(&graph).contains(&"Scan"));
        }
    }
}
