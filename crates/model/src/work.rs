//! What computing a node asks of a device, apart from how fast the device is.

use crate::graph::{Graph, Node};
use crate::operator::{self, Role};
use crate::stage::{Stage, Staged};

/// Kinds of work that devices do at different rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// A convolution of 3x3 windows with stride 1 over 16 channels or more, for
    /// which engines have Winograd's algorithm.
    Winograd,
    /// Any other convolution in which an output channel reads several input
    /// channels.
    Conv,
    /// A convolution of each channel by itself.
    Depthwise,
    /// A product with a matrix.
    Product,
    /// Elements are read and written: pooling, sums, concatenation, softmax.
    Moving,
    /// Done on the way by the node before: activations, normalization with
    /// constants, other shapes for the same bytes.
    Fused,
}

/// What computing one node asks of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Of what kind it is.
    pub kind: WorkKind,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Size of its weights, in bytes.
    pub weight_bytes: u64,
    /// Bytes of the values that it reads and makes.
    pub moved_bytes: u64,
}

/// Input channels from which on Winograd's algorithm pays.
const WINOGRAD_CHANNELS: usize = 16;

impl Staged {
    /// What computing the whole of `stage` asks of a device, glue included,
    /// node by node.
    pub fn work(&self, stage: &Stage) -> Vec<Work> {
        let graph = &self.model.graph;
        stage.nodes().map(|node| of(graph, &graph.nodes[node])).collect()
    }
}

fn of(graph: &Graph, node: &Node) -> Work {
    let shape = |place: usize| {
        let name = node.input(place)?;
        graph.types.get(name).map(|known| known.shape.as_slice())
    };
    let constants = node.inputs.iter().filter(|name| graph.constant(name).is_some());
    let bytes = |name: &String| graph.types.get(name).map_or(0, |known| known.bytes());
    let weight_bytes = constants.map(bytes).fold(0, u64::saturating_add);
    let values = node.inputs.iter().filter(|name| graph.constant(name).is_none());
    let moved_bytes = values.chain(&node.outputs).map(bytes).fold(0, u64::saturating_add);
    let kind = match operator::role(node) {
        Role::Glue if is_fused(&node.op) => WorkKind::Fused,
        Role::Glue => WorkKind::Moving,
        _ if node.op.contains("Conv") => conv_kind(node, shape(1).unwrap_or(&[])),
        _ => WorkKind::Product,
    };
    let macs = match kind {
        WorkKind::Fused | WorkKind::Moving => 0,
        _ => operator::flops(graph, node) / 2,
    };
    Work { kind, macs, weight_bytes, moved_bytes }
}

/// The kind of a convolution with weights of this shape.
fn conv_kind(node: &Node, weights: &[usize]) -> WorkKind {
    let [_, channels, kernel @ ..] = weights else { return WorkKind::Conv };
    let groups = node.int("group", 1).unwrap_or(1);
    let steps = |name| node.ints(name).ok().flatten().is_none_or(|s| s.iter().all(|s| *s == 1));
    if groups > 1 && *channels == 1 {
        WorkKind::Depthwise
    } else if kernel == [3, 3]
        && *channels >= WINOGRAD_CHANNELS
        && steps("strides")
        && steps("dilations")
    {
        WorkKind::Winograd
    } else {
        WorkKind::Conv
    }
}

/// Does an engine compute this operator on the way, at no cost that shows?
fn is_fused(op: &str) -> bool {
    matches!(
        op,
        "Relu"
            | "Clip"
            | "LeakyRelu"
            | "PRelu"
            | "HardSwish"
            | "HardSigmoid"
            | "Sigmoid"
            | "Tanh"
            | "BatchNormalization"
            | "Identity"
            | "Dropout"
            | "Flatten"
            | "Reshape"
            | "Squeeze"
            | "Unsqueeze"
            | "Cast"
            | "Constant"
            | "Shape"
    )
}
