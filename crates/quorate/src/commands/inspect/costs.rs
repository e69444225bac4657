//! What a stage is, in a few words and numbers.

use quorate_core::cost::{flops, params};
use quorate_model::division::Codable;
use quorate_model::division::facts::Facts;
use quorate_model::layer::{Layer, LayerKind};
use quorate_model::stage::{Stage, Staged};

/// What a layer is: `fc`, `conv 2-D`, `conv 2-D g32` in 32 groups.
pub(crate) fn layer_kind(layer: &Layer) -> String {
    match layer.kind {
        LayerKind::Fc => "fc".to_owned(),
        LayerKind::Conv { dims } if layer.groups > 1 => {
            format!("conv {dims}-D g{}", layer.groups)
        }
        LayerKind::Conv { dims } => format!("conv {dims}-D"),
    }
}

/// What a stage is: its layer's kind, `LSTM cell`, or `whole`.
pub(crate) fn stage_kind(staged: &Staged, stage: &Stage) -> String {
    let wire = &staged.values[stage.value].name;
    let mut cells = staged.model.graph.cells.iter();
    match (stage.layer(), cells.find(|cell| cell.outputs.contains(wire))) {
        (Some(layer), _) => layer_kind(layer),
        (None, Some(cell)) => format!("{} cell", cell.op),
        (None, None) => "whole".to_owned(),
    }
}

/// How a method copes with losses, in a word or three.
pub(crate) fn robust(facts: &Facts) -> &'static str {
    match facts.codable {
        Codable::Offline => "coded",
        Codable::AtRunTime => "coded at run time",
        Codable::No if facts.overlaps => "overlaps",
        Codable::No => "replicas only",
    }
}

/// Operators of the linear pooling between a stage's layer and its send.
pub(crate) fn tail(staged: &Staged, stage: &Stage) -> Vec<String> {
    stage.tail.iter().map(|&node| staged.model.graph.nodes[node].op.clone()).collect()
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
