//! Layers: the nodes with constant weights, which are worth splitting.

use crate::graph::{Constant, Graph, Node};
use crate::model::Model;
use crate::operator::{self, Role};
use crate::tensor::DType;
use crate::window::{Sliding, Window};

/// What a layer computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// Fully connected: `Gemm` or `MatMul`.
    Fc,
    /// Convolution over so many dimensions.
    Conv {
        /// Spatial dimensions: 1, 2 or 3 mostly.
        dims: usize,
    },
}

/// How a layer's weights lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Orientation {
    /// One output row after the other, as in `Conv` and `Gemm` with `transB`.
    Rows,
    /// Output rows are columns: [k, n], or several such matrices, [.., k, n].
    Columns,
}

/// A node with constant weights that is linear in them.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The node's name, unique in the model.
    pub name: String,
    /// Operator: `Conv`, `Gemm` or `MatMul`.
    pub op: String,
    /// What it computes.
    pub kind: LayerKind,
    /// Index of its node in the graph.
    pub node: usize,
    /// The value it reads.
    pub input: String,
    /// The value it makes.
    pub output: String,
    /// The initializer that holds its weights.
    pub weight: String,
    /// The initializer that is added.
    pub bias: Option<String>,
    /// Whether its weights lie by output rows.
    pub orientation: Orientation,
    /// Shape of the weights in the file.
    pub weight_shape: Vec<usize>,
    /// Shape of the input.
    pub input_shape: Vec<usize>,
    /// Shape of the output.
    pub output_shape: Vec<usize>,
    /// The output's dimension that output rows lie along.
    pub axis: usize,
    /// Output rows: channels of a convolution, outputs of a matrix product.
    pub rows: usize,
    /// Input channels that a row reads, or inputs.
    pub columns: usize,
    /// Groups of a convolution, whose rows read channels of their own; else 1.
    pub groups: usize,
    /// Weights of one output row.
    pub row_len: usize,
    /// How a convolution slides over its input.
    pub(crate) window: Option<Window>,
    /// Weights and biases.
    pub params: u64,
    /// Floating-point operations for one request: two a multiply-accumulate.
    pub flops: u64,
}

impl Layer {
    /// The input's dimension that its columns lie along: channels of a
    /// convolution, inputs of a matrix product.
    pub(crate) fn input_axis(&self) -> usize {
        match self.kind {
            LayerKind::Conv { .. } => 1,
            LayerKind::Fc => self.input_shape.len() - 1,
        }
    }

    /// Are its weights several matrices, each for a matrix of the input?
    pub(crate) fn is_stacked(&self) -> bool {
        self.kind == LayerKind::Fc && self.weight_shape.len() > 2
    }
}

/// A node which computes like a layer but is treated as glue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsplit {
    /// Index of the node in the graph.
    pub node: usize,
    /// The node's name.
    pub name: String,
    /// Its operator.
    pub op: String,
    /// Why it is no layer.
    pub why: String,
}

/// The layers of `model` in topological order, and the nodes that look like
/// layers but are none.
pub(crate) fn layers(model: &Model) -> (Vec<Layer>, Vec<Unsplit>) {
    let graph = &model.graph;
    let (mut layers, mut others) = (Vec::new(), Vec::new());
    for (index, node) in graph.nodes.iter().enumerate() {
        match read(graph, index, node) {
            Some(Ok(layer)) => layers.push(layer),
            Some(Err(why)) => {
                let (name, op) = (node.name.clone(), node.op.clone());
                others.push(Unsplit { node: index, name, op, why });
            }
            None => {}
        }
    }
    (layers, others)
}

/// `None` for nodes of another kind, an explanation for those that cannot be
/// split.
fn read(graph: &Graph, index: usize, node: &Node) -> Option<Result<Layer, String>> {
    match operator::role(node) {
        Role::Layer => Some(read_layer(graph, index, node)),
        Role::Recurrent => Some(Err(match graph.unlowered.get(&node.name) {
            Some(why) => why.clone(),
            None => format!("{} is not split", node.op),
        })),
        Role::Glue => None,
    }
}

/// What a node computes, how its weights, of this shape, lie, and in how many
/// groups they are.
fn form(node: &Node, shape: &[usize]) -> Result<(LayerKind, Orientation, usize), String> {
    let int = |name: &str, default| node.int(name, default).map_err(|e| e.to_string());
    if node.op == "Conv" {
        let group = int("group", 1)?;
        if group != 1 && shape.get(1) == Some(&1) {
            let why = "so that there is little to compute for what would be sent";
            return Err(format!("its {group} groups are of one channel each, {why}"));
        }
        let groups = usize::try_from(group)
            .ok()
            .filter(|&n| n > 0 && shape.first().is_some_and(|rows| rows % n == 0));
        let groups = groups.ok_or_else(|| format!("its {group} groups do not divide its rows"))?;
        let kind = LayerKind::Conv { dims: shape.len().saturating_sub(2) };
        return Ok((kind, Orientation::Rows, groups));
    }
    if node.op == "MatMul" && shape.len() >= 2 {
        return Ok((LayerKind::Fc, Orientation::Columns, 1));
    }
    if shape.len() != 2 {
        return Err(format!("its weights have shape {shape:?}"));
    }
    if int("transA", 0)? != 0 {
        return Err("its input is transposed".to_owned());
    }
    let by_rows = int("transB", 0)? != 0;
    Ok((LayerKind::Fc, if by_rows { Orientation::Rows } else { Orientation::Columns }, 1))
}

/// The constant f32 weights and the constant bias of a node.
fn constants<'a>(
    graph: &'a Graph,
    node: &'a Node,
) -> Result<(&'a str, Constant<'a>, Option<&'a str>), String> {
    let weight = node.input(1).ok_or("it has no weights")?;
    let constant = graph.constant(weight);
    let constant = constant.ok_or_else(|| format!("weights {weight} are not constant"))?;
    if constant.dtype() != DType::F32 {
        return Err(format!("weights {weight} are {}, only f32 is split", constant.dtype()));
    }
    let bias = if node.op == "MatMul" { None } else { node.input(2) };
    match bias.filter(|b| graph.constant(b).is_none()) {
        Some(bias) => Err(format!("bias {bias} is not constant")),
        None => Ok((weight, constant, bias)),
    }
}

fn read_layer(graph: &Graph, index: usize, node: &Node) -> Result<Layer, String> {
    let (weight, weights, bias) = constants(graph, node)?;
    let input = node.input(0).ok_or("it has no input")?;
    if graph.constant(input).is_some() {
        return Err(format!("input {input} is constant"));
    }
    let shape = weights.shape();
    let (kind, orientation, groups) = form(node, shape)?;
    let type_of =
        |name: &str| graph.types.get(name).ok_or_else(|| format!("value {name} has no known type"));
    let output = node.outputs.first().ok_or("it has no output")?;
    let (input_type, output_type) = (type_of(input)?, type_of(output)?);
    let (rows, columns) = match orientation {
        Orientation::Rows => (shape[0], shape[1]),
        Orientation::Columns => (shape[shape.len() - 1], shape[shape.len() - 2]),
    };
    let row_len = weights.elements().checked_div(rows).unwrap_or(0);
    let axis = match node.op.as_str() {
        "MatMul" => output_type.shape.len().saturating_sub(1),
        _ => 1,
    };
    if output_type.shape.get(axis) != Some(&rows) || row_len == 0 {
        return Err(format!("its output has shape {:?}", output_type.shape));
    }
    let window = match kind {
        LayerKind::Fc => None,
        LayerKind::Conv { .. } => {
            let kernel: Vec<i64> = shape[2..].iter().map(|&length| length as i64).collect();
            let sliding = Sliding::read(node, &kernel);
            let window = sliding.and_then(|sliding| sliding.over(&input_type.shape[2..]));
            Some(window.map_err(|e| e.to_string())?)
        }
    };
    let bias_len = bias.and_then(|b| graph.constant(b)).map_or(0, Constant::elements);
    Ok(Layer {
        name: node.name.clone(),
        op: node.op.clone(),
        kind,
        node: index,
        input: input.to_owned(),
        output: output.clone(),
        weight: weight.to_owned(),
        bias: bias.map(str::to_owned),
        orientation,
        weight_shape: shape.to_vec(),
        input_shape: input_type.shape.clone(),
        output_shape: output_type.shape.clone(),
        axis,
        rows,
        columns,
        groups,
        row_len,
        window,
        params: (weights.elements() + bias_len) as u64,
        flops: operator::flops(graph, node),
    })
}
