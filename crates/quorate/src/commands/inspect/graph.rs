//! The graph of a model's stages, in the words that a drawing shows.
//!
//! Box `v` makes value `v`, as in [`Staged::values`]: inputs first, then
//! stages. The last box is the output stage, which makes none.

use quorate::bundle::ModelFile;
use quorate_core::cost::params;
use quorate_model::division::{Codable, method::Method};
use quorate_model::layer::LayerKind;
use quorate_model::stage::{Stage, Staged};
use quorate_model::value::Value;

use super::costs::{bytes, dims, heading, short, stage_kind, tail};

/// What a box stands for, which decides how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Look {
    /// An input of the model, or the stage that makes its outputs.
    Border,
    /// A convolution.
    Conv,
    /// A fully-connected layer.
    Fc,
    /// A stage without a layer to divide.
    Whole,
}

/// An input, a stage or the output stage.
#[derive(Debug)]
pub(crate) struct Node {
    /// What it is.
    pub look: Look,
    /// Its name in the model.
    pub name: String,
    /// What to say below the name.
    pub lines: Vec<String>,
    /// Values that it reads.
    pub reads: Vec<usize>,
}

/// What a value says on the wire.
#[derive(Debug)]
pub(crate) struct Wire {
    /// Its name in the model.
    pub name: String,
    /// Shape and type.
    pub shape: String,
    /// Size.
    pub bytes: String,
}

/// Boxes, and the values between them.
#[derive(Debug)]
pub(crate) struct Graph {
    /// File name of the model.
    pub model: String,
    /// A line about the whole model.
    pub heading: String,
    /// Inputs, stages, the output stage.
    pub nodes: Vec<Node>,
    /// The values that they make.
    pub wires: Vec<Wire>,
}

impl Graph {
    /// The graph of the stages of `model`.
    pub(crate) fn new(model: &ModelFile) -> Graph {
        let staged = &model.staged;
        let inputs = staged.values.len() - staged.stages.len();
        let input = |value: &Value| Node {
            look: Look::Border,
            name: value.name.clone(),
            lines: vec!["input".to_owned()],
            reads: Vec::new(),
        };
        let mut nodes: Vec<Node> = staged.values[..inputs].iter().map(input).collect();
        nodes.extend(staged.stages.iter().map(|stage| node(staged, stage)));
        let glue = format!("output: {} FLOPs of glue", short(staged.output.glue_flops));
        nodes.push(Node {
            look: Look::Border,
            name: staged.output.outputs.join(", "),
            lines: vec![glue],
            reads: staged.output.reads.clone(),
        });
        let wires = staged.values.iter().map(|value| Wire {
            name: value.name.clone(),
            shape: format!("{} {}", dims(&value.shape), value.dtype),
            bytes: bytes(value.bytes() as u64),
        });
        Graph {
            model: model.name.clone(),
            heading: heading(&model.name, staged),
            nodes,
            wires: wires.collect(),
        }
    }
}

fn node(staged: &Staged, stage: &Stage) -> Node {
    let look = match stage.layer().map(|layer| layer.kind) {
        Some(LayerKind::Conv { .. }) => Look::Conv,
        Some(LayerKind::Fc) => Look::Fc,
        None => Look::Whole,
    };
    let kind = [vec![stage_kind(staged, stage)], tail(staged, stage)].concat().join(", then ");
    let (params, flops) = (short(params(staged, stage)), short(staged.stage_flops(stage)));
    Node {
        look,
        name: stage.name.clone(),
        lines: vec![kind, codes(stage), format!("{params} params, {flops} FLOPs")],
        reads: stage.reads.clone(),
    }
}

/// The methods by which a stage can be coded.
fn codes(stage: &Stage) -> String {
    let Some(layer) = stage.layer() else { return "whole: replicas only".to_owned() };
    let methods = Method::all_for(layer).filter(|method| method.fits(stage));
    let say = |method: Method| match method.facts().codable {
        Codable::Offline => Some(method.to_string()),
        Codable::AtRunTime => Some(format!("{method} at run time")),
        Codable::No => None,
    };
    format!("coded: {}", methods.filter_map(say).collect::<Vec<_>>().join(", "))
}
