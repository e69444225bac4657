//! A task as an ordinary ONNX file.

use std::collections::BTreeSet;

use prost::Message;

use super::{Layout, PackError, Place, Task, TaskValue, Work};
use crate::graph::ValueType;
use crate::layer::{Layer, Orientation};
use crate::onnx::{
    GEMM_WITHOUT_C, GraphProto, IR_MIN, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    ValueInfoProto, external_tensor, inline_tensor, int_attribute, ints_attribute, value_info,
};
use crate::shard::Part;
use crate::stage::{Stage, Staged};
use crate::tensor::DType;

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
            TaskValue { name, dtype: value.dtype, shape: value.shape.clone() }
        })
        .collect()
}

/// What `task` makes.
pub(super) fn outputs(staged: &Staged, task: &Task) -> Result<Vec<TaskValue>, PackError> {
    match &task.spec.work {
        Work::Stage { stage, part } => {
            let value = &staged.values[staged.stages[*stage].value];
            let mut shape = value.shape.clone();
            shape[value.axis] = part.rows();
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

fn type_of<'a>(staged: &'a Staged, name: &str) -> Result<&'a ValueType, PackError> {
    let found = staged.model.graph.types.get(name);
    found.ok_or_else(|| PackError::Absent { name: name.to_owned() })
}

/// Names that the task's graph has before its own are added.
fn taken<'a>(staged: &'a Staged, task: &Task) -> BTreeSet<&'a str> {
    let (reads, glue) = match &task.spec.work {
        Work::Stage { stage, .. } => {
            let stage = &staged.stages[*stage];
            (&stage.reads, &stage.glue)
        }
        Work::Output => (&staged.output.reads, &staged.output.glue),
    };
    let mut names: BTreeSet<&str> = reads.iter().map(|&v| staged.values[v].name.as_str()).collect();
    for &node in glue {
        let node = &staged.model.graph.nodes[node];
        names.extend(node.inputs.iter().chain(&node.outputs).map(String::as_str));
    }
    match &task.spec.work {
        Work::Stage { stage, .. } => {
            names.insert(&staged.values[staged.stages[*stage].value].name);
        }
        Work::Output => names.extend(staged.output.outputs.iter().map(String::as_str)),
    }
    names
}

/// `name`, with `word` and more at its end until nothing else has it.
fn fresh(name: &str, word: &str, taken: &BTreeSet<&str>) -> String {
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
    let glue = match &task.spec.work {
        Work::Stage { stage, .. } => &staged.stages[*stage].glue,
        Work::Output => &staged.output.glue,
    };
    let inputs = inputs(staged, task);
    let outputs = outputs(staged, task)?;
    let mut domains = BTreeSet::from([""]);
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
    for &node in glue {
        let node = &staged.model.graph.nodes[node];
        if !node.is_standard() {
            domains.insert(&node.domain);
        }
        graph.graph.node.push(node.to_proto());
        for output in node.outputs.iter().filter(|o| !o.is_empty()) {
            if outputs.iter().all(|o| o.name != *output) {
                let ValueType { dtype, shape } = type_of(staged, output)?;
                graph.graph.value_info.push(value_info(output, *dtype, shape));
            }
        }
    }
    if let Work::Stage { stage, part } = &task.spec.work {
        graph.layer(&staged.stages[*stage], part, task)?;
    }
    let mut graph = graph.graph;
    graph.name = Some(task.spec.name.clone());
    graph.input = inputs.iter().map(info).collect();
    graph.output = outputs.iter().map(info).collect();
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
        Work::Stage { stage, part } => {
            let layer = &staged.stages[*stage].layer;
            match part {
                Part::Data { rows } => format!(
                    "rows {}..{} of {} of layer {}",
                    rows.start, rows.end, layer.rows, layer.name
                ),
                Part::Parity { terms } => {
                    let term = |(c, r): &(f64, std::ops::Range<usize>)| {
                        format!("{c} * rows {}..{}", r.start, r.end)
                    };
                    let terms: Vec<String> = terms.iter().map(term).collect();
                    format!("parity of layer {}: {}", layer.name, terms.join(" + "))
                }
            }
        }
    }
}

struct Writer<'a> {
    layout: &'a Layout<'a>,
    graph: GraphProto,
}

impl Writer<'_> {
    fn initializer(&mut self, name: &str, dtype: DType, shape: &[usize], place: &Place) {
        let tensor: TensorProto = match place {
            Place::Inline(data) => inline_tensor(name, dtype, shape, data.clone()),
            Place::File { offset, length } => {
                let file = &self.layout.weights_file;
                external_tensor(name, dtype, shape, file, *offset, *length)
            }
        };
        self.graph.initializer.push(tensor);
    }

    fn node(&mut self, name: &str, op: &str, inputs: &[&str], output: &str) -> &mut NodeProto {
        self.graph.node.push(NodeProto {
            name: Some(name.to_owned()),
            op_type: Some(op.to_owned()),
            input: inputs.iter().map(|&i| i.to_owned()).collect(),
            output: vec![output.to_owned()],
            ..Default::default()
        });
        let last = self.graph.node.len() - 1;
        &mut self.graph.node[last]
    }

    fn identity(&mut self, from: &str, to: &str) {
        self.node(&format!("{to}_pass"), "Identity", &[from], to);
    }

    /// The layer with the part's weights, by rows whatever they were before.
    fn layer(&mut self, stage: &Stage, part: &Part, task: &Task) -> Result<(), PackError> {
        let layer = &stage.layer;
        let staged = self.layout.staged;
        let taken = taken(staged, task);
        let absent = || PackError::Absent { name: layer.weight.clone() };
        let weight = fresh(&layer.weight, "rows", &taken);
        let shape = part_shape(layer, part.rows());
        self.initializer(&weight, DType::F32, &shape, task.weight.as_ref().ok_or_else(absent)?);
        let mut inputs = vec![layer.input.as_str(), &weight];
        let bias = fresh(layer.bias.as_deref().unwrap_or("bias"), "part", &taken);
        if let Some((shape, place)) = &task.bias {
            self.initializer(&bias, DType::F32, shape, place);
            inputs.push(&bias);
        }
        let mut attributes = staged.model.graph.nodes[layer.node].attributes.clone();
        let matrix = layer.input_shape.len() == 2 && staged.model.opset >= GEMM_WITHOUT_C;
        match layer.op.as_str() {
            "MatMul" if matrix => {
                // Both need no transposed copy of the weights.
                let node = self.node(&layer.name, "Gemm", &inputs, &layer.output);
                node.attribute = vec![int_attribute("transB", 1)];
            }
            "MatMul" => {
                let columns = fresh(&layer.weight, "columns", &taken);
                let turn = format!("{}_transpose", layer.name);
                let node = self.node(&turn, "Transpose", &[&weight], &columns);
                node.attribute = vec![ints_attribute("perm", &[1, 0])];
                let turned = value_info(&columns, DType::F32, &[shape[1], shape[0]]);
                self.graph.value_info.push(turned);
                self.node(&layer.name, "MatMul", &[&layer.input, &columns], &layer.output);
            }
            op => {
                if layer.orientation == Orientation::Columns {
                    attributes.retain(|a| a.name() != "transB");
                    attributes.push(int_attribute("transB", 1));
                }
                self.node(&layer.name, op, &inputs, &layer.output).attribute = attributes;
            }
        }
        Ok(())
    }
}

/// Shape of `rows` rows of the layer's weights.
fn part_shape(layer: &Layer, rows: usize) -> Vec<usize> {
    match layer.orientation {
        Orientation::Columns => vec![rows, layer.row_len],
        Orientation::Rows => {
            let mut shape = layer.weight_shape.clone();
            shape[0] = rows;
            shape
        }
    }
}
