//! What stages cost the devices that compute them.

use std::collections::BTreeSet;

use quorate_model::division::method::Method;
use quorate_model::part::Part;
use quorate_model::stage::{Stage, Staged};
use quorate_model::tensor::DType;

use crate::id::SeatId;
use crate::plan::{Plan, Plans};

/// One method for one stage, over some devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodCost {
    /// The method.
    pub method: Method,
    /// Shards over which the layer is divided: no more than it has.
    pub shards: usize,
    /// Floating-point operations of the largest shard, without glue.
    pub flops: u64,
    /// Size of the weights that the largest shard needs, in bytes.
    pub weight_bytes: u64,
}

/// The methods that divide `stage`, and what each costs one of `devices`.
pub fn of_methods(stage: &Stage, devices: usize) -> Vec<MethodCost> {
    let Some(layer) = stage.layer() else { return Vec::new() };
    let cost = |method: Method| {
        let division = (method.facts().even)(layer, devices, false);
        let shards = division.shards();
        let parts = || (0..shards).map(|shard| Part::data(division.clone(), shard));
        let flops = parts().map(|part| part.flops(layer)).max().unwrap_or(0);
        let weight_bytes = parts().map(|part| part.weight_bytes(layer)).max().unwrap_or(0);
        MethodCost { method, shards, flops, weight_bytes }
    };
    Method::all_for(layer).filter(|method| method.fits(stage)).map(cost).collect()
}

/// Weights and biases of a stage: its layer's, or where it has none all
/// constants of its nodes that are floats.
pub fn params(staged: &Staged, stage: &Stage) -> u64 {
    if let Some(layer) = stage.layer() {
        return layer.params;
    }
    let graph = &staged.model.graph;
    let read = stage.glue.iter().flat_map(|&node| &graph.nodes[node].inputs);
    let names: BTreeSet<&String> = read.collect();
    let floats = |dtype| matches!(dtype, DType::F32 | DType::F16 | DType::F64);
    let constants = names.into_iter().filter_map(|name| graph.constant(name));
    constants.filter(|c| floats(c.dtype())).map(|c| c.elements() as u64).sum()
}

/// Floating-point operations of all stages, the output stage included. Glue
/// counts for each stage that computes it.
pub fn flops(staged: &Staged) -> u64 {
    let stages = staged.stages.iter().map(|stage| staged.stage_flops(stage));
    stages.fold(staged.output.glue_flops, u64::saturating_add)
}

/// Size of the weights of the tasks of `seat` under `plan`, in bytes. Rows
/// that several tasks share count for each.
pub fn weight_bytes(staged: &Staged, plans: &Plans, plan: &Plan, seat: SeatId) -> u64 {
    let task = |(stage, shard)| {
        let value = plan.stages()[crate::id::StageId::index(stage)].value;
        let made = &plans.values()[value.index()].name;
        let stage = staged.stages.iter().find(|s| staged.values[s.value].name == *made)?;
        Some(match stage.layer() {
            Some(layer) => plan.sharding(value)?.part(shard).weight_bytes(layer),
            None => params(staged, stage).saturating_mul(4),
        })
    };
    plan.tasks(seat).filter_map(task).fold(0, u64::saturating_add)
}
