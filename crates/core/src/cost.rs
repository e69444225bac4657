//! What stages cost the devices that compute them.

use std::collections::BTreeSet;

use quorate_model::division::method::Method;
use quorate_model::part::Part;
use quorate_model::region::shape;
use quorate_model::stage::{Stage, Staged};
use quorate_model::tensor::DType;

use crate::id::{DeviceSet, SeatId, StageId, ValueId};
use crate::plan::{Plan, Plans, Sharding};

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
        let value = plan.stages()[StageId::index(stage)].value;
        let made = &plans.values()[value.index()].name;
        let stage = &staged.stages[staged.making(made)?];
        Some(match stage.layer() {
            Some(layer) => plan.sharding(value)?.part(shard).weight_bytes(layer),
            None => params(staged, stage).saturating_mul(4),
        })
    };
    plan.tasks(seat).filter_map(task).fold(0, u64::saturating_add)
}

/// Bytes of values that are sent for a request under `plan` while nobody fails:
/// what the gateway sends of the inputs, what devices send each other, and what
/// they send the gateway of the result. Headers are not counted, nor is what a
/// device keeps for itself.
pub fn wire_bytes(plans: &Plans, plan: &Plan) -> u64 {
    let members = DeviceSet::first(plan.seats());
    let values = (0..plans.values().len() as u16).map(ValueId);
    let used = values.filter_map(|value| Some((value, plan.sharding(value)?)));
    used.map(|(value, sharding)| {
        let shards = 0..sharding.seats.len().max(1);
        shards.map(|shard| sent_bytes(plans, plan, (value, sharding), shard, members)).sum::<u64>()
    })
    .sum()
}

/// Bytes that the maker of a shard sends of it.
fn sent_bytes(
    plans: &Plans,
    plan: &Plan,
    (value, sharding): (ValueId, &Sharding),
    shard: usize,
    members: DeviceSet,
) -> u64 {
    let form = &plans.values()[value.index()];
    let bytes = |shape: &[usize]| {
        shape.iter().fold(sharding.wire.size() as u64, |n, &d| n.saturating_mul(d as u64))
    };
    // An input comes from the gateway, which is no member.
    let maker = sharding.seats.get(shard).and_then(|seat| members.nth(seat.index()));
    let all = bytes(&sharding.shard_shape(form, shard));
    let groups = plan.recipients(plans.values(), value, shard, members).into_iter();
    let sent = groups.map(|(pieces, devices)| {
        let each = pieces.map_or(all, |all| all.iter().map(|piece| bytes(&shape(piece))).sum());
        each * devices.iter().filter(|device| Some(**device) != maker).count() as u64
    });
    let to_gateway = maker.is_some() && plan.result().contains(&value);
    sent.sum::<u64>() + if to_gateway { all } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{edited, plans};

    #[test]
    fn what_travels_is_counted_once_for_each_who_is_sent_it() {
        // x: 32 bytes to each of three; h: 12 bytes a shard, to the two others;
        // y: 12 + 8 + 12 bytes to the gateway. For two: 32, 24 and 12 + 8.
        let bytes: Vec<u64> = plans().all().iter().map(|plan| wire_bytes(&plans(), plan)).collect();
        assert_eq!(bytes, [3 * 32 + 3 * 2 * 12 + 32, 32 + 24 + 20, 32 + 20]);
        let half = Plans::parse(&edited("value = \"h\"\n", "value = \"h\"\nwire = \"f16\"\n"));
        let half = half.expect("the fixture is right");
        assert_eq!(wire_bytes(&half, half.main()), 3 * 32 + 3 * 2 * 6 + 32);
    }
}
