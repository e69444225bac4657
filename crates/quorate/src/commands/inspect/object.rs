//! `quorate inspect --json`: one object with everything.

use quorate::bundle::ModelFile;
use serde_json::{Value, json};

use super::costs::{Work, layer_kind, params, robust, stage_kind, tail, works};
use quorate_model::stage::{Stage, Staged, WireValue};

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

fn value(wire: &WireValue) -> Value {
    json!({
        "name": wire.name,
        "dtype": wire.dtype.to_string(),
        "shape": wire.shape,
        "bytes": wire.bytes(),
    })
}

/// A stage; of its layer there is more where it has one.
fn stage_object(staged: &Staged, stage: &Stage, devices: usize) -> Value {
    let layer = stage.layer.as_ref().map(|layer| {
        json!({
            "name": layer.name,
            "op": layer.op,
            "kind": layer_kind(layer),
            "input_shape": layer.input_shape,
            "output_shape": layer.output_shape,
            "weight_shape": layer.weight_shape,
            "flops": layer.flops,
            "method": layer.method().to_string(),
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
        "methods": works(stage, devices).iter().map(method).collect::<Vec<_>>(),
    })
}

fn method(work: &Work) -> Value {
    let split = &work.split;
    json!({
        "method": split.method.to_string(),
        "divides_input": split.divides_input,
        "divides_weight": split.divides_weight,
        "divides_output": split.divides_output,
        "robust": robust(split.codable),
        "why": split.why,
        "shards_max": split.shards_max,
        "shards": work.shards,
        "shard_flops": work.flops,
        "shard_weight_bytes": work.weight_bytes,
    })
}
