//! What `quorate inspect` prints for people.

use std::collections::BTreeMap;
use std::fmt::Write;

use quorate::bundle::ModelFile;
use quorate_core::cost::{self, params};
use quorate_model::division::facts::{Facts, Family};
use quorate_model::division::method::Method;
use quorate_model::layer::Layer;
use quorate_model::stage::{Stage, Staged};

use super::costs::{bytes, dims, heading, layer_kind, robust, short, stage_kind, tail};
use crate::words::counted;

/// Most names in a list within a line.
const NAMES_MAX: usize = 3;
/// Most kinds of nodes that are told not to be split.
const REASONS_MAX: usize = 12;

/// The page on `model`, over `devices`.
pub(crate) fn page(model: &ModelFile, devices: usize) -> String {
    let staged = &model.staged;
    let names = staged.stages.iter().map(|stage| stage.name.chars().count());
    let width = names.max().unwrap_or(0).max("output".len());
    let mut out = heading(&model.name, staged) + "\n\n";
    out += &stages(staged, width);
    out += &pooled(staged);
    out += &table_one();
    out += &work(staged, width, devices);
    out += &unsplit(staged);
    out
}

/// `a, b, c and 4 more`.
fn some<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let left = names.len().saturating_sub(NAMES_MAX);
    let shown = names.take(NAMES_MAX).collect::<Vec<_>>().join(", ");
    if left > 0 { format!("{shown} and {left} more") } else { shown }
}

fn reads(staged: &Staged, values: &[usize]) -> String {
    some(values.iter().map(|&value| staged.values[value].name.as_str()))
}

/// One line a stage, the output stage last.
fn stages(staged: &Staged, width: usize) -> String {
    let mut out = String::new();
    let mut line = |columns: [&str; 8]| {
        let [name, kind, input, output, params, flops, sends, reads] = columns;
        out += &format!(
            "{name:width$}  {kind:9} {input:>16} {output:>16} {params:>8} {flops:>8} {sends:>9}  {reads}\n"
        );
    };
    line(["stage", "kind", "input", "output", "params", "FLOPs", "sends", "reads"]);
    let input = |stage: &Stage| match (stage.layer(), stage.reads.as_slice()) {
        (Some(layer), _) => dims(&layer.input_shape),
        (None, [value]) => dims(&staged.values[*value].shape),
        (None, values) => counted(values.len(), "value"),
    };
    for stage in &staged.stages {
        let wire = &staged.values[stage.value];
        line([
            &stage.name,
            &stage_kind(staged, stage),
            &input(stage),
            &dims(&wire.shape),
            &short(params(staged, stage)),
            &short(staged.stage_flops(stage)),
            &bytes(wire.bytes() as u64),
            &reads(staged, &stage.reads),
        ]);
    }
    let last = &staged.output;
    let output = match last.outputs.as_slice() {
        [name] => staged.model.graph.types.get(name).map_or_else(String::new, |t| dims(&t.shape)),
        names => counted(names.len(), "value"),
    };
    let flops = short(last.glue_flops);
    line(["output", "glue", "", &output, "", &flops, "", &reads(staged, &last.reads)]);
    out
}

/// Stages that send less than their layers make.
fn pooled(staged: &Staged) -> String {
    let mut out = String::new();
    for stage in staged.stages.iter().filter(|stage| !stage.tail.is_empty()) {
        let Some(layer) = stage.layer() else { continue };
        if out.is_empty() {
            out += "\npooled before the send, which leaves out the method spatial\n";
        }
        let (from, to) = (dims(&layer.output_shape), dims(&staged.values[stage.value].shape));
        out += &format!("  {}: {from} by {} to {to}\n", stage.name, tail(staged, stage).join(", "));
    }
    out
}

fn table_one() -> String {
    let mut out = "\nmethods (the paper's table 1; group and whole are ours)\n".to_owned();
    out += "method   for   input    weight   output   robust\n";
    let mark = |divided: bool| if divided { "divided" } else { "whole" };
    for method in Method::every() {
        let Facts { name, family, why, .. } = method.facts();
        let Facts { divides_input, divides_weight, divides_output, .. } = *method.facts();
        let [input, weight, output] = [divides_input, divides_weight, divides_output].map(mark);
        let kind = match family {
            Family::Fc => "fc",
            Family::Conv => "conv",
            Family::Dense => "conv",
            Family::Grouped => "group",
            Family::Area => "area",
            Family::Any => "all",
        };
        let robust = robust(method.facts());
        out += &format!("{name:8} {kind:5} {input:8} {weight:8} {output:8} {robust}: {why}\n");
    }
    out
}

/// Layers that cost the same by every method.
type Alike<'a> = (&'a Stage, Vec<&'a Layer>);

fn alike(staged: &Staged) -> Vec<Alike<'_>> {
    let mut groups: Vec<Alike<'_>> = Vec::new();
    let mut known = BTreeMap::new();
    for stage in &staged.stages {
        let Some(layer) = stage.layer() else { continue };
        let shapes = (&layer.input_shape, &layer.output_shape, &layer.weight_shape);
        let key = (layer_kind(layer), layer.orientation, shapes, stage.tail.is_empty());
        let group = *known.entry(key).or_insert_with(|| {
            groups.push((stage, Vec::new()));
            groups.len() - 1
        });
        groups[group].1.push(layer);
    }
    groups
}

/// What the largest shard of every layer costs by every method that fits.
fn work(staged: &Staged, width: usize, devices: usize) -> String {
    let over = counted(devices, "device");
    let mut out = format!("\nthe largest shard of each layer over {over}, without glue\n");
    let mut line = |columns: [&str; 6]| {
        let [name, method, most, flops, weights, robust] = columns;
        let _ =
            writeln!(out, "{name:width$}  {method:8} {most:>10} {flops:>8} {weights:>9}  {robust}");
    };
    line(["layer", "method", "shards max", "FLOPs", "weights", "robust"]);
    for (stage, layers) in alike(staged) {
        for (row, cost) in cost::of_methods(stage, devices).iter().enumerate() {
            let name = match (row, layers.len()) {
                (0, _) => stage.name.clone(),
                (1, 2..) => format!("  and {} alike", layers.len() - 1),
                _ => String::new(),
            };
            let (method, facts) = (cost.method, cost.method.facts());
            let default = if method == Method::default_for(layers[0]) { " (default)" } else { "" };
            line([
                &name,
                facts.name,
                &(facts.shards_max)(layers[0]).to_string(),
                &short(cost.flops),
                &bytes(cost.weight_bytes),
                &format!("{}{default}", robust(facts)),
            ]);
        }
    }
    for stage in staged.stages.iter().filter(|stage| stage.layer().is_none()) {
        let (flops, weights) = (staged.stage_flops(stage), 4 * params(staged, stage));
        let robust = robust(Method::Whole.facts());
        line([&stage.name, "whole", "1", &short(flops), &bytes(weights), robust]);
    }
    out
}

/// Nodes that might have been layers, those with one reason in one line.
fn unsplit(staged: &Staged) -> String {
    let mut reasons: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for node in &staged.unsplit {
        match reasons.iter_mut().find(|(op, why, _)| *op == node.op && *why == node.why) {
            Some((_, _, names)) => names.push(&node.name),
            None => reasons.push((&node.op, &node.why, vec![&node.name])),
        }
    }
    let mut out = String::new();
    if !reasons.is_empty() {
        out += "\nrun whole, with the glue\n";
    }
    for (op, why, names) in reasons.iter().take(REASONS_MAX) {
        out += &format!("  {op} {}: {why}\n", some(names.iter().copied()));
    }
    if reasons.len() > REASONS_MAX {
        let left: usize = reasons[REASONS_MAX..].iter().map(|(_, _, names)| names.len()).sum();
        out += &format!("  and {}; --json has all\n", counted(left, "further node"));
    }
    out
}
