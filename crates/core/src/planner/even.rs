//! The plan that is made without measuring: every layer over all devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_model::division::method::Method;
use quorate_model::division::{Codable, Division};
use quorate_model::part::{Part, PartError};
use quorate_model::region::{Region, whole};
use quorate_model::stage::{Stage, Staged};
use quorate_model::tensor::DType;
use quorate_model::value::Value;

use super::error::PlannerError;
use super::request::{MethodRequest, PlanRequest};
use super::room::{Placed, Room};
use crate::cost;
use crate::id::SeatId;
use crate::plan::draft::{Draft, PlanDraft, StageDraft};
use crate::plan::{Plans, Protect};

/// Every layer by the method asked for, else every Conv by channel and every
/// Gemm and MatMul by output, evenly over the devices; and the same for every
/// smaller number of devices.
pub fn even(staged: &Staged, request: &PlanRequest) -> Result<Plans, PlannerError> {
    let (devices, spares) = (request.cluster.devices().len(), request.spares);
    if devices <= spares {
        return Err(PlannerError::Devices { data: 0, spares });
    }
    check_names(staged, request)?;
    let is_on_demand = request.protect == Protect::OnDemand;
    let fewest = match is_on_demand {
        true => request.fewest_devices.min(devices - spares),
        false => request.fewest_devices,
    };
    // On demand all devices share the work, and there are no spares.
    let spares = if is_on_demand { 0 } else { spares };
    let mut plans = vec![plan(staged, "main", devices, spares, request)?];
    for seats in (fewest.max(1)..devices).rev() {
        let spares = spares.min(seats / 2);
        plans.push(plan(staged, &format!("{seats}-devices"), seats, spares, request)?);
    }
    let plans = Plans::build(Draft {
        model: request.model.clone(),
        model_sha256: request.model_sha256.clone(),
        devices: request.cluster.devices().to_vec(),
        values: staged.values.clone(),
        wires: input_wires(staged, &request.f16)?,
        plans,
        wait: request.wait,
        tolerance: request.tolerance,
        verify: request.verify,
        protect: request.protect,
    });
    let plans = plans.map_err(|error| PlannerError::Draft { message: error.to_string() })?;
    check_memory(staged, &plans)?;
    Ok(plans)
}

/// Are all layers that are asked for there?
fn check_names(staged: &Staged, request: &PlanRequest) -> Result<(), PlannerError> {
    let is = |name: &String| {
        let names = |s: &Stage| s.name == *name || staged.values[s.value].name == *name;
        name == "*" || staged.stages.iter().any(names)
    };
    let layers = request.methods.iter().filter_map(|request| request.layer.as_ref());
    let inputs = &staged.model.graph.inputs;
    let sent = request.f16.iter().filter(|name| !inputs.contains(name));
    match layers.chain(sent).find(|name| !is(name)) {
        None => Ok(()),
        Some(layer) => {
            let known: Vec<&str> = staged.stages.iter().map(|s| s.name.as_str()).collect();
            Err(PlannerError::Layer { layer: layer.clone(), known: known.join(", ") })
        }
    }
}

/// Do each device's weights under the main plan fit in its memory, where that
/// is known?
fn check_memory(staged: &Staged, plans: &Plans) -> Result<(), PlannerError> {
    for (seat, device) in (0..).zip(plans.cluster().devices()) {
        let Some(profile) = &device.profile else { continue };
        let weight_bytes = cost::weight_bytes(staged, plans, plans.main(), SeatId(seat));
        if weight_bytes > profile.memory_bytes {
            let (device, memory_bytes) = (device.name.clone(), profile.memory_bytes);
            return Err(PlannerError::Memory { device, weight_bytes, memory_bytes });
        }
    }
    Ok(())
}

fn plan(
    staged: &Staged,
    name: &str,
    seats: usize,
    spares: usize,
    request: &PlanRequest,
) -> Result<PlanDraft, PlannerError> {
    let mut room = Room::new(seats, spares);
    let mut stages: Vec<StageDraft> = Vec::new();
    for stage in &staged.stages {
        let coded = |read: &usize| {
            let maker = staged.maker(*read).and_then(|maker| stages.get(maker));
            maker.is_some_and(|stage| !stage.parity.is_empty())
        };
        let reads_coded = stage.reads.iter().any(coded);
        stages.push(plan_stage(staged, stage, reads_coded, &mut room, request)?);
    }
    let name_of = |&value: &usize| staged.values[value].name.clone();
    let result: Vec<String> = staged.output.reads.iter().map(name_of).collect();
    let is_read = |input: &&String| {
        result.contains(input) || stages.iter().any(|stage| stage.reads.contains(input))
    };
    match staged.model.graph.inputs.iter().find(|input| !is_read(input)) {
        Some(input) => Err(PlannerError::Unread { input: input.clone() }),
        None => Ok(PlanDraft { name: name.to_owned(), seats, stages, result }),
    }
}

fn plan_stage(
    staged: &Staged,
    stage: &Stage,
    reads_coded: bool,
    room: &mut Room,
    request: &PlanRequest,
) -> Result<StageDraft, PlannerError> {
    let value = &staged.values[stage.value];
    let mut method = method(stage, &value.name, &request.methods)?;
    let mut placed = room.place(stage, &value.shape, method);
    if method == Method::Bands {
        check(staged, stage, &placed.division)
            .map_err(|why| PlannerError::Draft { message: why.to_string() })?;
    } else if let Some(layer) = stage.layer()
        && check(staged, stage, &placed.division).is_err()
    {
        // Tiles that read padding alone have nothing to be computed from.
        method = Method::default_for(layer);
        placed = room.place(stage, &value.shape, method);
    }
    let Placed { division, code, data, parity, replicas } = placed;
    // Whoever decodes a value has all of it, and cuts it in the task's file; an area's
    // tasks are given no more than they read in any case.
    let all = reads_coded && method != Method::Bands;
    let parts = if all { None } else { parts(staged, stage, &division) };
    let name_of = |&value: &usize| staged.values[value].name.clone();
    let lengths = division.lengths().map(|(word, lengths)| (word.to_owned(), lengths));
    // A whole stage without one layer is known by its value.
    let is_named = method != Method::Whole || stage.name != value.name;
    Ok(StageDraft {
        layer: is_named.then(|| stage.name.clone()),
        method,
        lengths: lengths.into_iter().collect::<BTreeMap<_, _>>(),
        reads: stage.reads.iter().map(name_of).collect(),
        value: value.name.clone(),
        parts,
        wire: wire(&stage.name, &[&stage.name, &value.name], value.dtype, &request.f16)?,
        code: Some(code.to_owned()),
        data,
        parity,
        replicas,
    })
}

/// The element type that the value of `what`, known by these names, travels as where
/// that is not its own.
fn wire(
    what: &str,
    names: &[&String],
    dtype: DType,
    f16: &[String],
) -> Result<Option<String>, PlannerError> {
    let named = f16.iter().any(|name| names.contains(&name));
    if dtype != DType::F32 {
        return match named {
            true => Err(PlannerError::Wire { stage: what.to_owned(), dtype }),
            false => Ok(None),
        };
    }
    let asked = named || f16.iter().any(|name| name == "*");
    Ok(asked.then(|| DType::F16.to_string()))
}

/// The element types that inputs travel as, where those are not their own.
fn input_wires(staged: &Staged, f16: &[String]) -> Result<BTreeMap<String, String>, PlannerError> {
    let inputs = staged.values.iter().take(staged.model.graph.inputs.len());
    let wire = |Value { name, dtype, .. }: &Value| {
        let wire = wire(&format!("input {name}"), &[name], *dtype, f16);
        wire.map(|wire| wire.map(|wire| (name.clone(), wire))).transpose()
    };
    inputs.filter_map(wire).collect()
}

/// Are all shards of the division parts of the stage?
fn check(staged: &Staged, stage: &Stage, division: &Arc<dyn Division>) -> Result<(), PartError> {
    let part = |shard| Part::data(division.clone(), shard);
    (0..division.shards()).try_for_each(|shard| staged.check_part(stage, &part(shard)))
}

/// What each data shard reads of each input; `None` where all read all.
fn parts(staged: &Staged, stage: &Stage, division: &Arc<dyn Division>) -> Option<Vec<Region>> {
    let reads = || stage.reads.iter();
    let all = |read: &usize| whole(&staged.values[*read].shape);
    let need = |shard| {
        let part = Part::data(division.clone(), shard);
        reads().map(move |read| staged.need(stage, &part, *read)).collect::<Vec<_>>()
    };
    let needs: Vec<Option<Region>> = (0..division.shards()).flat_map(need).collect();
    if needs.iter().all(Option::is_none) {
        return None;
    }
    let known = needs.into_iter().zip(reads().cycle());
    Some(known.map(|(need, read)| need.unwrap_or_else(|| all(read))).collect())
}

/// The method that `stage` is divided by.
fn method(stage: &Stage, value: &str, requests: &[MethodRequest]) -> Result<Method, PlannerError> {
    let names = |request: &&MethodRequest| {
        request.layer.as_ref().is_some_and(|name| *name == stage.name || name == value)
    };
    let named = requests.iter().rfind(names).map(|request| request.method);
    let Some(layer) = stage.layer() else {
        return match named {
            None => Ok(Method::Whole),
            Some(method) if method.fits(stage) => Ok(method),
            Some(method) => refuse(stage, method, "stages that end in a layer"),
        };
    };
    if let Some(method) = named {
        let family = method.facts().family;
        return match family {
            // Whether its nodes can be computed in parts is seen later.
            _ if method == Method::Bands && family.contains(layer) => Ok(method),
            _ if method.fits(stage) => Ok(method),
            _ if family.contains(layer) => {
                refuse(stage, method, "layers without pooling before their send")
            }
            family => refuse(stage, method, family.words()),
        };
    }
    let general = |request: &&MethodRequest| {
        request.layer.is_none() && request.method.facts().family.contains(layer)
    };
    let default = Method::default_for(layer);
    let method = requests.iter().rfind(general).map_or(default, |request| request.method);
    // What a coded method cannot divide in two is divided as by default.
    let facts = method.facts();
    let divides = facts.codable == Codable::No || (facts.shards_max)(layer) > 1;
    Ok(if method.fits(stage) && divides { method } else { default })
}

fn refuse<T>(stage: &Stage, method: Method, needed: &'static str) -> Result<T, PlannerError> {
    Err(PlannerError::Method { layer: stage.name.clone(), method, needed })
}
