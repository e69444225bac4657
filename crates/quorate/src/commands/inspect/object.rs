//! `quorate inspect --json`: one object with everything.

use quorate::bundle::ModelFile;
use quorate_core::cost::{self, MethodCost, params};
use quorate_model::division::method::Method;
use quorate_model::layer::Layer;
use quorate_model::stage::{Stage, Staged};
use quorate_model::value::Value as Wire;
use serde_json::{Value, json};

use super::costs::{layer_kind, robust, stage_kind, tail};

/// All that is known of `model`, over `devices`.
pub(crate) fn object(model: &ModelFile, devices: usize) -> Value {
    let staged = &model.staged;
    let stages: Vec<Value> =
        staged.stages.iter().map(|stage| stage_object(staged, stage, devices)).collect();
    let output = &staged.output;
    let whole = staged.unsplit.iter();
    let whole: Vec<Value> =
        whole.map(|n| json!({"name": n.name, "op": n.op, "why": n.why})).collect();
    json!({
        "model": model.name,
        "sha256": model.sha256,
        "devices": devices,
        "values": staged.values.iter().map(value).collect::<Vec<_>>(),
        "stages": stages,
        "output": {
            "reads": names(staged, &output.reads),
            "flops": output.glue_flops,
            "makes": output.outputs,
        },
        "whole": whole,
    })
}

fn names<'a>(staged: &'a Staged, values: &[usize]) -> Vec<&'a str> {
    values.iter().map(|&value| staged.values[value].name.as_str()).collect()
}

fn value(wire: &Wire) -> Value {
    json!({
        "name": wire.name,
        "dtype": wire.dtype.to_string(),
        "shape": wire.shape,
        "bytes": wire.bytes(),
    })
}

/// A stage; of its layer there is more where it has one.
fn stage_object(staged: &Staged, stage: &Stage, devices: usize) -> Value {
    let layer = stage.layer().map(|layer| {
        json!({
            "name": layer.name,
            "op": layer.op,
            "kind": layer_kind(layer),
            "input_shape": layer.input_shape,
            "output_shape": layer.output_shape,
            "weight_shape": layer.weight_shape,
            "flops": layer.flops,
            "method": Method::default_for(layer).to_string(),
        })
    });
    json!({
        "name": stage.name,
        "kind": stage_kind(staged, stage),
        "layer": layer,
        "params": params(staged, stage),
        "flops": staged.stage_flops(stage),
        "glue_flops": stage.glue_flops,
        "pooled_before_send": tail(staged, stage),
        "reads": names(staged, &stage.reads),
        "makes": staged.values[stage.value].name,
        "methods": stage.layer().map_or_else(Vec::new, |layer| methods(stage, layer, devices)),
    })
}

fn methods(stage: &Stage, layer: &Layer, devices: usize) -> Vec<Value> {
    let object = |cost: MethodCost| {
        let facts = cost.method.facts();
        json!({
            "method": facts.name,
            "divides_input": facts.divides_input,
            "divides_weight": facts.divides_weight,
            "divides_output": facts.divides_output,
            "robust": robust(facts),
            "why": facts.why,
            "shards_max": (facts.shards_max)(layer),
            "shards": cost.shards,
            "shard_flops": cost.flops,
            "shard_weight_bytes": cost.weight_bytes,
        })
    };
    cost::of_methods(stage, devices).into_iter().map(object).collect()
}
