//! The plan that is made without measuring: every layer over all devices.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_code::{Code, CodeError};
use quorate_model::method::Method;
use quorate_model::shard::{ShardError, even_rows};
use quorate_model::stage::{Source, Staged};

use super::{Plan, Plans, Sharding, Stage, Value, WaitPolicy};
use crate::id::{DeviceSet, PlanId, SeatId, StageId, ValueId};

/// What the rule is to plan for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// File name of the model.
    pub model: String,
    /// SHA-256 of the model file, in hex.
    pub model_sha256: String,
    /// Layers to compute whole, with what reads them; `staged` is cut so.
    pub glue: Vec<String>,
    /// Names of the devices: those for data, then the spares.
    pub devices: Vec<String>,
    /// Address of each device.
    pub hosts: Vec<String>,
    /// How many of them are spares, for parity.
    pub spares: usize,
    /// Plans for fewer devices, down to this many.
    pub fewest_devices: usize,
    /// Split only layers whose method is this one; others stay in one piece,
    /// with a replica on each spare.
    pub only: Option<Method>,
    /// Relative error of an answer that is still right.
    pub tolerance: f64,
    /// How long a consumer stays with the roster.
    pub wait: WaitPolicy,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum RuleError {
    #[error(
        "{data} devices and {spares} spares: needs 1 device, and at most {} of both",
        DeviceSet::MAX
    )]
    Devices { data: usize, spares: usize },
    #[error("{hosts} addresses for {devices} devices")]
    Hosts { hosts: usize, devices: usize },
    #[error("address \"{address}\" of {device} is not host:port")]
    Address { device: String, address: String },
    #[error("layer {layer}")]
    Code { layer: String, source: CodeError },
    #[error(transparent)]
    Shards(#[from] ShardError),
}

impl Plans {
    /// Every Conv by channel and every Gemm and MatMul by output, evenly over
    /// all data devices, parity on the spares; and the same for every smaller
    /// number of devices.
    pub fn by_rule(staged: &Staged, wish: &Wish) -> Result<Plans, RuleError> {
        let devices = wish.devices.len();
        if devices <= wish.spares || devices > DeviceSet::MAX {
            let data = devices.saturating_sub(wish.spares);
            return Err(RuleError::Devices { data, spares: wish.spares });
        }
        if wish.hosts.len() != devices {
            return Err(RuleError::Hosts { hosts: wish.hosts.len(), devices });
        }
        let hosts: BTreeMap<String, String> =
            wish.devices.iter().cloned().zip(wish.hosts.iter().cloned()).collect();
        for (device, address) in &hosts {
            if !super::resolve::is_host_and_port(address) {
                let (device, address) = (device.clone(), address.clone());
                return Err(RuleError::Address { device, address });
            }
        }
        let mut plans = vec![plan(staged, "main", devices, wish.spares, wish.only)?];
        for seats in (wish.fewest_devices.max(1)..devices).rev() {
            let spares = wish.spares.min(seats / 2);
            plans.push(plan(staged, &format!("{seats}-devices"), seats, spares, wish.only)?);
        }
        let mut plans = Plans {
            model: wish.model.clone(),
            model_sha256: wish.model_sha256.clone(),
            glue: wish.glue.clone(),
            devices: wish.devices.clone(),
            hosts,
            values: Arc::new(values(staged)),
            plans: plans.into_iter().map(Arc::new).collect(),
            wait: wish.wait,
            tolerance: wish.tolerance,
            fingerprints: BTreeMap::new(),
        };
        plans.identify();
        Ok(plans)
    }
}

/// The values that cross stage borders, numbered as in `staged`.
pub fn values(staged: &Staged) -> Vec<Value> {
    let value = |wire: &quorate_model::stage::WireValue| Value {
        name: wire.name.clone(),
        dtype: wire.dtype,
        shape: wire.shape.clone(),
        axis: wire.axis,
    };
    staged.values.iter().map(value).collect()
}

fn plan(
    staged: &Staged,
    name: &str,
    seats: usize,
    spares: usize,
    only: Option<Method>,
) -> Result<Plan, RuleError> {
    let count = staged.values.len();
    let mut plan = Plan {
        id: PlanId(0),
        name: name.to_owned(),
        seats,
        stages: Vec::new(),
        result: staged.output.reads.iter().map(|&v| ValueId(v as u16)).collect(),
        shardings: vec![None; count],
        readers: vec![Vec::new(); count],
    };
    let data_devices = seats - spares;
    for (index, stage) in staged.stages.iter().enumerate() {
        let id = StageId(index as u16);
        let total = staged.values[stage.value].rows;
        let split = only.is_none_or(|method| method == stage.layer.method());
        let shards = if split { data_devices.min(total) } else { 1 };
        let rows = even_rows(&stage.layer, shards)?;
        let code = code(rows.len(), spares)
            .map_err(|source| RuleError::Code { layer: stage.layer.name.clone(), source })?;
        let spare_seats = data_devices..data_devices + spares;
        let seats = (0..rows.len()).chain(spare_seats).map(|s| SeatId(s as u8)).collect();
        let reads: Vec<ValueId> = stage.reads.iter().map(|&v| ValueId(v as u16)).collect();
        for &value in &reads {
            plan.readers[value.index()].push(id);
        }
        plan.shardings[stage.value] = Some(Sharding::new(code, rows, seats, Some(id)));
        plan.stages.push(Stage {
            layer: stage.layer.name.clone(),
            method: stage.layer.method(),
            reads,
            value: ValueId(stage.value as u16),
        });
    }
    let read = |value: &usize| {
        !plan.readers[*value].is_empty() || plan.result.contains(&ValueId(*value as u16))
    };
    let inputs: Vec<usize> = (0..count).filter(read).collect();
    for value in inputs {
        if matches!(staged.values[value].source, Source::Input(_)) {
            plan.shardings[value] = Some(Sharding::input(staged.values[value].rows));
        }
    }
    Ok(plan)
}

/// The code for `n` data shards and `m` spares: none, the paper's sum, MDS.
fn code(n: usize, m: usize) -> Result<Code, CodeError> {
    let name = match m {
        0 => "none",
        1 => "sum",
        _ => "mds",
    };
    Code::by_name(name, n, m)
}
