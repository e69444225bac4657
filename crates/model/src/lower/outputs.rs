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
    let each_step = (0..dims.steps).flat_map(|t| done.iter().map(move |d| d.hidden[t].clone()));
    let last = done.iter().map(|d| d.last.clone());
    let cells = done.iter().filter_map(|d| d.last_cell.clone());
    let values: [(&str, Vec<String>); 3] =
        [("Y", each_step.collect()), ("Y_h", last.collect()), ("Y_c", cells.collect())];
    for ((word, values), output) in values.into_iter().zip(&node.outputs) {
        if output.is_empty() {
            continue;
        }
        let name = format!("{}/{word}", node.name);
        let mut shape = vec![done.len(), dims.batch, dims.hidden];
        let mut perm: &[i64] = &[1, 0, 2];
        if word == "Y" {
            shape.insert(0, dims.steps);
            perm = &[2, 0, 1, 3];
        }
        let mut all = values[0].clone();
        if values.len() > 1 {
            let names: Vec<&str> = values.iter().map(String::as_str).collect();
            let joined = [values.len() * dims.batch, dims.hidden];
            let axis = vec![int_attribute("axis", 0)];
            all = emit.node(&format!("{name}/joined"), "Concat", &names, &joined, axis);
        }
        all = emit.reshape(&name, &all, &shape);
        if dims.batch_first {
            let turned: Vec<usize> = perm.iter().map(|&p| shape[p as usize]).collect();
            let perm = vec![ints_attribute("perm", perm)];
            emit.node(&format!("{name}/turned"), "Transpose", &[&all], &turned, perm);
        }
        emit.make(output);
    }
}
