//! `quorate inspect`: a model's layers and how each can be split.

use std::process::ExitCode;

use quorate_model::layer::{Kind, Layer};
use quorate_model::method::{Codable, Split};
use serde_json::{Value, json};

use crate::bundle::ModelFile;
use crate::cli;
use crate::words::print;

/// Runs the command.
pub fn run(args: &cli::Inspect) -> anyhow::Result<ExitCode> {
    let model = ModelFile::open(&args.model)?;
    if args.json {
        print(object(&model).to_string())?;
    } else {
        print(page(&model).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn kind(layer: &Layer) -> String {
    match layer.kind {
        Kind::Fc => "fc".to_owned(),
        Kind::Conv { dims } => format!("conv {dims}-D"),
    }
}

fn codable(split: &Split) -> &'static str {
    match split.codable {
        Codable::Offline => "coded",
        Codable::AtRunTime => "coded at run time",
        Codable::No => "replicas only",
    }
}

fn dims(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// Numbers of a size a person can read: 416.0k, 2.1G.
fn short(number: u64) -> String {
    let scales = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match scales.iter().find(|(scale, _)| number as f64 >= *scale) {
        Some((scale, letter)) => format!("{:.1}{letter}", number as f64 / scale),
        None => number.to_string(),
    }
}

fn page(model: &ModelFile) -> String {
    let staged = &model.staged;
    let layers = || staged.stages.iter().filter_map(|stage| stage.layer.as_ref());
    let params: u64 = layers().map(|layer| layer.params).sum();
    let flops: u64 = layers().map(|layer| layer.flops).sum();
    let mut out = format!(
        "{}: {} layers, {} parameters, {} FLOPs a request\n\n",
        model.name,
        staged.stages.len(),
        short(params),
        short(flops)
    );
    let width = layers().map(|layer| layer.name.chars().count()).max().unwrap_or(5).max(5);
    out += &format!(
        "{:width$}  {:9} {:>16} {:>16} {:>8} {:>8}  reads\n",
        "layer", "kind", "input", "output", "params", "FLOPs"
    );
    for stage in &staged.stages {
        let Some(layer) = &stage.layer else { continue };
        let reads: Vec<&str> =
            stage.reads.iter().map(|&value| staged.values[value].name.as_str()).collect();
        out += &format!(
            "{:width$}  {:9} {:>16} {:>16} {:>8} {:>8}  {}\n",
            layer.name,
            kind(layer),
            dims(&layer.input_shape),
            dims(&layer.output_shape),
            short(layer.params),
            short(layer.flops),
            reads.join(", ")
        );
    }
    out += "\nmethods (the paper's table 1)\n";
    out += &format!(
        "{:width$}  {:8} {:7} {:7} {:7} {:>10}  robust\n",
        "layer", "method", "input", "weight", "output", "shards max"
    );
    let mark = |divided: bool| if divided { "divided" } else { "whole" };
    for layer in layers() {
        for (row, split) in layer.splits().iter().enumerate() {
            out += &format!(
                "{:width$}  {:8} {:7} {:7} {:7} {:>10}  {}{}\n",
                if row == 0 { layer.name.as_str() } else { "" },
                split.method.to_string(),
                mark(split.divides_input),
                mark(split.divides_weight),
                mark(split.divides_output),
                split.shards_max,
                codable(split),
                if split.method == layer.method() { " (default)" } else { "" },
            );
        }
    }
    out += "\nwhy\n";
    let mut reasons: Vec<(String, &str)> = Vec::new();
    for split in layers().flat_map(Layer::splits) {
        let reason = (split.method.to_string(), split.why);
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    reasons.iter().for_each(|(method, why)| out += &format!("  {method}: {why}\n"));
    if !staged.unsplit.is_empty() {
        out += "\nrun whole, with the glue\n";
        for node in &staged.unsplit {
            out += &format!("  {} ({}): {}\n", node.name, node.op, node.why);
        }
    }
    out
}

fn object(model: &ModelFile) -> Value {
    let staged = &model.staged;
    let layers: Vec<Value> = staged
        .stages
        .iter()
        .filter_map(|stage| {
            let layer = stage.layer.as_ref()?;
            let reads: Vec<&str> =
                stage.reads.iter().map(|&value| staged.values[value].name.as_str()).collect();
            let methods: Vec<Value> = layer.splits().iter().map(method).collect();
            Some(json!({
                "name": layer.name,
                "op": layer.op,
                "kind": kind(layer),
                "input_shape": layer.input_shape,
                "output_shape": layer.output_shape,
                "params": layer.params,
                "flops": layer.flops,
                "glue_flops": stage.glue_flops,
                "reads": reads,
                "makes": staged.values[stage.value].name,
                "method": layer.method().to_string(),
                "methods": methods,
            }))
        })
        .collect();
    let whole: Vec<Value> = staged
        .unsplit
        .iter()
        .map(|node| json!({"name": node.name, "op": node.op, "why": node.why}))
        .collect();
    json!({"model": model.name, "sha256": model.sha256, "layers": layers, "whole": whole})
}

fn method(split: &Split) -> Value {
    json!({
        "method": split.method.to_string(),
        "divides_input": split.divides_input,
        "divides_weight": split.divides_weight,
        "divides_output": split.divides_output,
        "robust": codable(split),
        "why": split.why,
        "shards_max": split.shards_max,
    })
}
