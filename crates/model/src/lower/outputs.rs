//! What a recurrent node makes of the states of its steps.

use super::emit::Emitter;
use super::recurrent::Recurrent;
use crate::graph::Node;
use crate::onnx::{int_attribute, ints_attribute};

/// What one direction makes.
pub(super) struct Done {
    /// The hidden state of each step, in the order of the sequence.
    pub(super) hidden: Vec<String>,
    /// The hidden state of the step that is taken last.
    pub(super) last: String,
    /// The LSTM's cell state after that step.
    pub(super) last_cell: Option<String>,
}

/// Y, Y_h and Y_c as far as they are named.
pub(super) fn outputs(read: &Recurrent, node: &Node, done: &[Done], emit: &mut Emitter<'_>) {
    let dims = &read.dims;
    let last = done.iter().map(|d| d.last.clone());
    let cells = done.iter().filter_map(|d| d.last_cell.clone());
    let values: [(&str, Vec<String>); 3] =
        [("Y", Vec::new()), ("Y_h", last.collect()), ("Y_c", cells.collect())];
    for ((word, values), output) in values.into_iter().zip(&node.outputs) {
        if output.is_empty() {
            continue;
        }
        let name = format!("{}/{word}", node.name);
        let mut shape = vec![done.len(), dims.batch, dims.hidden];
        let mut perm: &[i64] = &[1, 0, 2];
        let all = if word == "Y" {
            shape.insert(0, dims.steps);
            perm = &[2, 0, 1, 3];
            sequence(read, done, &name, emit)
        } else {
            let all = joined(&values, read, &name, emit);
            emit.reshape(&name, &all, &shape)
        };
        if dims.batch_first {
            let turned: Vec<usize> = perm.iter().map(|&p| shape[p as usize]).collect();
            let perm = vec![ints_attribute("perm", perm)];
            emit.node(&format!("{name}/turned"), "Transpose", &[&all], &turned, perm);
        }
        emit.make(output);
    }
}

/// States one after the other: [values * batch, hidden].
fn joined(values: &[String], read: &Recurrent, name: &str, emit: &mut Emitter<'_>) -> String {
    if let [value] = values {
        return value.clone();
    }
    let names: Vec<&str> = values.iter().map(String::as_str).collect();
    let shape = [values.len() * read.dims.batch, read.dims.hidden];
    let axis = vec![int_attribute("axis", 0)];
    emit.node(&format!("{name}/joined"), "Concat", &names, &shape, axis)
}

/// The states of all steps: [steps, directions, batch, hidden]. Each direction's
/// are joined first: what makes them may be one loop.
fn sequence(read: &Recurrent, done: &[Done], name: &str, emit: &mut Emitter<'_>) -> String {
    let dims = &read.dims;
    let mut shape = vec![dims.steps, done.len(), dims.batch, dims.hidden];
    if let [done] = done {
        let all = joined(&done.hidden, read, name, emit);
        return emit.reshape(name, &all, &shape);
    }
    shape[1] = 1;
    let mut ways = Vec::with_capacity(done.len());
    for (word, done) in ["forward", "backward"].into_iter().zip(done) {
        let name = format!("{name}/{word}");
        let all = joined(&done.hidden, read, &name, emit);
        ways.push(emit.reshape(&name, &all, &shape));
    }
    shape[1] = done.len();
    let names: Vec<&str> = ways.iter().map(String::as_str).collect();
    emit.node(name, "Concat", &names, &shape, vec![int_attribute("axis", 1)])
}
