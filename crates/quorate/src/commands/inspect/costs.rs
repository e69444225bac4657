//! What a stage is, what it costs, and what a part of it costs a device.

use std::collections::BTreeSet;

use quorate_model::layer::{Kind, Layer};
use quorate_model::method::{Codable, Method, Split};
use quorate_model::shard::{Part, even};
use quorate_model::stage::{Stage, Staged};
use quorate_model::tensor::DType;
use quorate_model::window::{grid, tiles};

/// One method for one layer, over some devices.
pub(crate) struct Work {
    /// What the method divides.
    pub split: Split,
    /// Shards over which the layer is divided: no more than it has.
    pub shards: usize,
    /// Floating-point operations of the largest shard, without glue.
    pub flops: u64,
    /// Size of the weights that the largest shard needs, in bytes.
    pub weight_bytes: u64,
}

/// The methods that fit `stage`, and what each costs one of `devices`.
pub(crate) fn works(stage: &Stage, devices: usize) -> Vec<Work> {
    let Some(layer) = &stage.layer else { return Vec::new() };
    let fits = |split: &Split| split.method != Method::Spatial || stage.tail.is_empty();
    let work = |split: Split| {
        let parts = parts(layer, split.method, devices);
        let most = |of: &dyn Fn(&Part) -> u64| parts.iter().map(of).max().unwrap_or(0);
        let flops = most(&|part| part.flops(layer));
        let weight_bytes = most(&|part| part.weight_bytes(layer));
        Work { split, shards: parts.len(), flops, weight_bytes }
    };
    layer.splits().into_iter().filter(fits).map(work).collect()
}

/// `layer` divided evenly over at most `devices`.
fn parts(layer: &Layer, method: Method, devices: usize) -> Vec<Part> {
    let ranges = |length: usize| even(length, devices.min(length)).unwrap_or_default().into_iter();
    match method {
        Method::Output | Method::Channel => {
            ranges(layer.rows).map(|rows| Part::Data { rows }).collect()
        }
        Method::Input | Method::Filter => {
            ranges(layer.columns).map(|columns| Part::Term { columns }).collect()
        }
        Method::Spatial => {
            let lengths = grid(&layer.output_shape[2..], devices);
            tiles(&lengths, false).into_iter().map(|tile| Part::Tile { tile }).collect()
        }
        Method::Whole => vec![Part::Whole],
    }
}

/// What a layer is: `fc`, `conv 2-D`.
pub(crate) fn layer_kind(layer: &Layer) -> String {
    match layer.kind {
        Kind::Fc => "fc".to_owned(),
        Kind::Conv { dims } => format!("conv {dims}-D"),
    }
}

/// What a stage is: its layer's kind, `LSTM cell`, or `whole`.
pub(crate) fn stage_kind(staged: &Staged, stage: &Stage) -> String {
    let wire = &staged.values[stage.value].name;
    let mut cells = staged.model.graph.cells.iter();
    match (&stage.layer, cells.find(|cell| cell.outputs.contains(wire))) {
        (Some(layer), _) => layer_kind(layer),
        (None, Some(cell)) => format!("{} cell", cell.op),
        (None, None) => "whole".to_owned(),
    }
}

/// How a method copes with losses, in a word or three.
pub(crate) fn robust(codable: Codable) -> &'static str {
    match codable {
        Codable::Offline => "coded",
        Codable::AtRunTime => "coded at run time",
        Codable::No => "replicas only",
    }
}

/// Weights and biases of a stage: its layer's, or where it has none all
/// constants of its nodes that are floats.
pub(crate) fn params(staged: &Staged, stage: &Stage) -> u64 {
    if let Some(layer) = &stage.layer {
        return layer.params;
    }
    let graph = &staged.model.graph;
    let read = stage.glue.iter().flat_map(|&node| &graph.nodes[node].inputs);
    let names: BTreeSet<&String> = read.collect();
    let floats = |dtype| matches!(dtype, DType::F32 | DType::F16 | DType::F64);
    let constants = names.into_iter().filter_map(|name| graph.constant(name));
    constants.filter(|c| floats(c.dtype())).map(|c| c.elements() as u64).sum()
}

/// Operators of the linear pooling between a stage's layer and its send.
pub(crate) fn tail(staged: &Staged, stage: &Stage) -> Vec<String> {
    stage.tail.iter().map(|&node| staged.model.graph.nodes[node].op.clone()).collect()
}

/// Floating-point operations of all stages, the output stage included. Glue
/// counts for each stage that computes it.
pub(crate) fn flops(staged: &Staged) -> u64 {
    let stages = staged.stages.iter().map(|stage| staged.stage_flops(stage));
    stages.fold(staged.output.glue_flops, u64::saturating_add)
}

/// A line about the whole model.
pub(crate) fn heading(name: &str, staged: &Staged) -> String {
    let params: u64 = staged.stages.iter().map(|stage| params(staged, stage)).sum();
    let stages = crate::words::counted(staged.stages.len(), "stage");
    let (params, flops) = (short(params), short(flops(staged)));
    format!("{name}: {stages}, {params} parameters, {flops} FLOPs a request")
}

/// `1x6x28x28`.
pub(crate) fn dims(shape: &[usize]) -> String {
    match shape {
        [] => "scalar".to_owned(),
        shape => shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x"),
    }
}

/// Numbers of a size a person can read: 416.0k, 2.1G.
pub(crate) fn short(number: u64) -> String {
    let (number, letter) = scaled(number);
    format!("{number}{letter}")
}

/// Bytes of a size a person can read: 18.8 kB.
pub(crate) fn bytes(number: u64) -> String {
    let (number, letter) = scaled(number);
    format!("{number} {letter}B")
}

fn scaled(number: u64) -> (String, &'static str) {
    let scales = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match scales.iter().find(|(scale, _)| number as f64 >= *scale) {
        Some((scale, letter)) => (format!("{:.1}", number as f64 / scale), letter),
        None => (number.to_string(), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let cases = [
            (0, "0", "0 B"),
            (999, "999", "999 B"),
            (18_816, "18.8k", "18.8 kB"),
            (2_100_000_000, "2.1G", "2.1 GB"),
        ];
        for (number, plain, size) in cases {
            assert_eq!((short(number).as_str(), bytes(number).as_str()), (plain, size));
        }
        assert_eq!((dims(&[1, 6, 28]).as_str(), dims(&[]).as_str()), ("1x6x28", "scalar"));
    }
}
