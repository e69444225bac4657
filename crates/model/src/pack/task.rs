//! A task as an ordinary ONNX file.

use std::collections::BTreeSet;

use prost::Message;

use super::error::PackError;
use super::layout::{Layout, Place, Task};
use super::roll::roll;
use super::spec::{TaskValue, Work};
use crate::graph::ValueType;
use crate::onnx::{
    self, GraphProto, IR_MIN, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    ValueInfoProto, external_tensor, inline_tensor, value_info,
};
use crate::region::{Region, shape};
use crate::stage::Staged;
use crate::tensor::DType;

impl Layout<'_> {
    /// The task file: an ONNX model whose weights lie in the weights file.
    pub fn task_onnx(&self, task: usize) -> Result<Vec<u8>, PackError> {
        onnx(self, self.task(task)?)
    }

    /// What the task reads: its wire values in the order of the stage's
    /// `reads`, whole.
    #[cfg(test)]
    pub(crate) fn task_inputs(&self, task: usize) -> Result<Vec<TaskValue>, PackError> {
        Ok(inputs(self.staged, self.task(task)?))
    }

    /// What the task makes: one shard, or the graph's outputs in their order.
    #[cfg(test)]
    pub(crate) fn task_outputs(&self, task: usize) -> Result<Vec<TaskValue>, PackError> {
        outputs(self.staged, self.task(task)?)
    }
}

/// The wire values that `task` reads.
pub(super) fn inputs(staged: &Staged, task: &Task) -> Vec<TaskValue> {
    let reads = match &task.spec.work {
        Work::Stage { stage, .. } => &staged.stages[*stage].reads,
        Work::Output => &staged.output.reads,
    };
    reads
        .iter()
        .map(|&v| {
            let value = &staged.values[v];
            let name = match &task.spec.work {
                // A file's input and output cannot have one name.
                Work::Output if staged.output.outputs.contains(&value.name) => {
                    fresh(&value.name, "wire", &taken(staged, task))
                }
                _ => value.name.clone(),
            };
            let shape = given(staged, &task.spec.work, v).map(|region| shape(&region));
            let shape = shape.unwrap_or_else(|| value.shape.clone());
            TaskValue { name, dtype: value.dtype, shape }
        })
        .collect()
}

/// What a task is given of the wire value `value`; `None` where that is all.
fn given(staged: &Staged, work: &Work, value: usize) -> Option<Region> {
    let Work::Stage { stage, part, cut: true } = work else { return None };
    staged.need(&staged.stages[*stage], part, value)
}

/// Shape of what a task is given of its only input, and of all that
/// element-wise glue makes of it; `None` where it is given all.
pub(super) fn cut_shape(staged: &Staged, work: &Work) -> Option<Vec<usize>> {
    let Work::Stage { stage, .. } = work else { return None };
    let read = staged.stages[*stage].reads.first()?;
    given(staged, work, *read).map(|region| shape(&region))
}

/// What `task` makes.
pub(super) fn outputs(staged: &Staged, task: &Task) -> Result<Vec<TaskValue>, PackError> {
    match &task.spec.work {
        Work::Stage { stage, part, .. } => {
            let value = &staged.values[staged.stages[*stage].value];
            let shape = part.output_shape(&value.shape, value.axis);
            Ok(vec![TaskValue { name: value.name.clone(), dtype: value.dtype, shape }])
        }
        Work::Output => {
            let value = |name: &String| {
                let ValueType { dtype, shape } = type_of(staged, name)?.clone();
                Ok(TaskValue { name: name.clone(), dtype, shape })
            };
            staged.output.outputs.iter().map(value).collect()
        }
    }
}

/// Nodes of the graph that a task takes over as they are.
pub(super) fn nodes<'a>(staged: &'a Staged, work: &Work) -> impl Iterator<Item = usize> + 'a {
    let (glue, tail) = match work {
        Work::Stage { stage, .. } => {
            let stage = &staged.stages[*stage];
            (&stage.glue, stage.tail.as_slice())
        }
        Work::Output => (&staged.output.glue, &[][..]),
    };
    glue.iter().chain(tail).copied()
}

pub(super) fn type_of<'a>(staged: &'a Staged, name: &str) -> Result<&'a ValueType, PackError> {
    let found = staged.model.graph.types.get(name);
    found.ok_or_else(|| PackError::Absent { name: name.to_owned() })
}

/// Names that the task's graph has before its own are added.
pub(super) fn taken<'a>(staged: &'a Staged, task: &Task) -> BTreeSet<&'a str> {
    let reads = match &task.spec.work {
        Work::Stage { stage, .. } => &staged.stages[*stage].reads,
        Work::Output => &staged.output.reads,
    };
    let mut names: BTreeSet<&str> = reads.iter().map(|&v| staged.values[v].name.as_str()).collect();
    for node in nodes(staged, &task.spec.work) {
        let node = &staged.model.graph.nodes[node];
        names.extend(node.inputs.iter().chain(&node.outputs).map(String::as_str));
    }
    match &task.spec.work {
        Work::Stage { stage, .. } => {
            let stage = &staged.stages[*stage];
            names.insert(&staged.values[stage.value].name);
            names.extend(stage.layer().map(|layer| layer.output.as_str()));
        }
        Work::Output => names.extend(staged.output.outputs.iter().map(String::as_str)),
    }
    names
}

/// `name`, with `word` and more at its end until nothing else has it.
pub(super) fn fresh(name: &str, word: &str, taken: &BTreeSet<&str>) -> String {
    let mut name = format!("{name}_{word}");
    while taken.contains(name.as_str()) {
        name.push('_');
    }
    name
}

/// The task's file.
pub(super) fn onnx(layout: &Layout<'_>, task: &Task) -> Result<Vec<u8>, PackError> {
    let staged = layout.staged;
    let mut graph = Writer { layout, graph: GraphProto::default() };
    let inputs = inputs(staged, task);
    let outputs = outputs(staged, task)?;
    let others = nodes(staged, &task.spec.work).map(|node| &staged.model.graph.nodes[node]);
    let others = others.filter(|node| !node.is_standard()).map(|node| node.domain.as_str());
    let domains: BTreeSet<&str> = others.chain([""]).collect();
    for (name, place) in &task.constants {
        let ValueType { dtype, shape } = type_of(staged, name)?;
        // An output that is constant needs a node that makes it.
        if outputs.iter().any(|o| o.name == *name) {
            let source = fresh(name, "constant", &taken(staged, task));
            graph.initializer(&source, *dtype, shape, place);
            graph.identity(&source, name);
        } else {
            graph.initializer(name, *dtype, shape, place);
        }
    }
    if let Work::Output = task.spec.work {
        for (input, &v) in inputs.iter().zip(&staged.output.reads) {
            let value = &staged.values[v];
            if input.name != value.name {
                graph.identity(&input.name, &value.name);
            }
        }
    }
    let made = outputs.as_slice();
    match &task.spec.work {
        Work::Output => graph.glue(&staged.output.glue, made, None)?,
        Work::Stage { stage, part, .. } => {
            let stage = &staged.stages[*stage];
            if let Some(field) = staged.field(stage, part) {
                graph.area(stage, part, &field, task)?;
            } else {
                let cut = cut_shape(staged, &task.spec.work);
                graph.glue(&stage.glue, made, cut.as_deref())?;
                if let Some(layer) = stage.layer() {
                    graph.layer(layer, part, task)?;
                    graph.tail(stage, layer, part)?;
                }
            }
        }
    }
    let mut graph = graph.graph;
    graph.name = Some(task.spec.name.clone());
    graph.input = inputs.iter().map(info).collect();
    graph.output = outputs.iter().map(info).collect();
    roll(&mut graph, &staged.model.graph);
    let opset_import = domains
        .into_iter()
        .map(|domain| OperatorSetIdProto {
            domain: Some(domain.to_owned()),
            version: Some(staged.model.opsets.get(domain).copied().unwrap_or(1)),
        })
        .collect();
    let model = ModelProto {
        ir_version: Some(staged.model.ir_version.max(IR_MIN)),
        opset_import,
        producer_name: Some("quorate".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        doc_string: Some(explain(staged, &task.spec.work)),
        graph: Some(graph),
        ..Default::default()
    };
    Ok(model.encode_to_vec())
}

fn info(value: &TaskValue) -> ValueInfoProto {
    value_info(&value.name, value.dtype, &value.shape)
}

fn explain(staged: &Staged, work: &Work) -> String {
    match work {
        Work::Output => "output stage".to_owned(),
        Work::Stage { stage, part, .. } => {
            let stage = &staged.stages[*stage];
            part.explain(&stage.name, stage.layer())
        }
    }
}

/// Writes the nodes of a task.
pub(super) struct Writer<'a> {
    pub(super) layout: &'a Layout<'a>,
    pub(super) graph: GraphProto,
}

impl Writer<'_> {
    pub(super) fn initializer(&mut self, name: &str, dtype: DType, shape: &[usize], place: &Place) {
        let tensor: TensorProto = match place {
            Place::Inline(data) => inline_tensor(name, dtype, shape, data.clone()),
            Place::File { offset, length } => {
                let file = &self.layout.weights_file;
                external_tensor(name, dtype, shape, file, *offset, *length)
            }
        };
        self.graph.initializer.push(tensor);
    }

    pub(super) fn node(
        &mut self,
        name: &str,
        op: &str,
        inputs: &[&str],
        output: &str,
    ) -> &mut NodeProto {
        self.graph.node.push(onnx::node(name, op, inputs, &[output]));
        let last = self.graph.node.len() - 1;
        &mut self.graph.node[last]
    }

    /// Says what type an inner value has.
    pub(super) fn info(&mut self, name: &str, dtype: DType, shape: &[usize]) {
        self.graph.value_info.push(value_info(name, dtype, shape));
    }

    fn identity(&mut self, from: &str, to: &str) {
        self.node(&format!("{to}_pass"), "Identity", &[from], to);
    }

    /// Nodes as they are in the model; what they make has the shape `cut`, if
    /// there is one.
    fn glue(
        &mut self,
        nodes: &[usize],
        outputs: &[TaskValue],
        cut: Option<&[usize]>,
    ) -> Result<(), PackError> {
        let staged = self.layout.staged;
        for &node in nodes {
            let node = &staged.model.graph.nodes[node];
            self.graph.node.push(node.to_proto());
            for output in node.outputs.iter().filter(|o| !o.is_empty()) {
                if outputs.iter().all(|o| o.name != *output) {
                    let ValueType { dtype, shape } = type_of(staged, output)?;
                    self.info(output, *dtype, cut.unwrap_or(shape));
                }
            }
        }
        Ok(())
    }
}
