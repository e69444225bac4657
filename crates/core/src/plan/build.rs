//! From a draft to plans: every mistake is found here, whoever made the draft.

mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use quorate_model::tensor::{DType, byte_len};
use quorate_model::value::Value;

use super::allocation::Plan;
use super::draft::{Draft, PlanDraft};
use super::plans::Plans;
use super::sharding::Sharding;
use crate::audit::Verify;
use crate::cluster::{Cluster, ClusterPart, Device};
use crate::id::{PlanId, ValueId};

const RANK_MAX: usize = 8;
const VALUE_BYTES_MAX: usize = 1 << 30;
const VALUES_MAX: usize = 10_000;
const PLANS_MAX: usize = 64;

/// Why a draft makes no plans.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct BuildError {
    /// What of the draft is wrong.
    pub(super) at: At,
    /// What is wrong: what, got, limit.
    pub(super) message: String,
}

/// A place in a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// All of it.
    Draft,
    ModelSha256,
    Tolerance,
    Devices,
    /// A device's name.
    Device(usize),
    /// A device's address.
    Address(usize),
    ValueName(usize),
    ValueShape(usize),
    ValueAxis(usize),
    ValueWire(usize),
    PlanName(usize),
    PlanSeats(usize),
    PlanResult(usize),
    /// One of the values of a plan's result.
    PlanResultValue(usize, usize),
    /// A plan, a stage of it, and what of that.
    Stage(usize, usize, StageAt),
}

/// A place in a stage's draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StageAt {
    Name,
    Method,
    Read(usize),
    Value,
    /// The method's numbers of this word.
    Lengths(String),
    Parts,
    Wire,
    Code,
    Data,
    /// A seat, counted through data, parity and replicas.
    Seat(usize),
}

impl From<ClusterPart> for At {
    fn from(part: ClusterPart) -> At {
        match part {
            ClusterPart::Devices => At::Devices,
            ClusterPart::Name(device) => At::Device(device),
            ClusterPart::Address(device) => At::Address(device),
        }
    }
}

fn error<T>(at: At, message: impl Into<String>) -> Result<T, BuildError> {
    Err(BuildError { at, message: message.into() })
}

impl Plans {
    /// Checks a draft. The only way to plans.
    pub(crate) fn build(draft: Draft) -> Result<Plans, BuildError> {
        let sha = &draft.model_sha256;
        if sha.len() != 64 || !sha.bytes().all(|b| b.is_ascii_hexdigit()) {
            return error(At::ModelSha256, "model_sha256 is not 64 hexadecimal digits");
        }
        let tolerance = draft.tolerance;
        if !(tolerance > 0.0 && tolerance < 1.0) {
            return error(At::Tolerance, format!("tolerance {tolerance}, must be in (0, 1)"));
        }
        let cluster = Cluster::new(draft.devices.clone())
            .map_err(|error| BuildError { at: error.part().into(), message: error.to_string() })?;
        let numbers = check_values(&draft.values)?;
        let wires = wires(&draft, &numbers)?;
        if draft.plans.is_empty() || draft.plans.len() > PLANS_MAX {
            let got = draft.plans.len();
            return error(At::Draft, format!("{got} plans, needs 1 to {PLANS_MAX}"));
        }
        let devices = cluster.devices();
        let values = &draft.values;
        let verified = draft.verify != Verify::Off;
        let mut plans: Vec<Plan> = Vec::new();
        for (index, plan) in draft.plans.iter().enumerate() {
            let name = &plan.name;
            if plans.iter().any(|other| other.name == *name) {
                return error(At::PlanName(index), format!("second plan named {name}"));
            }
            let checked = Inputs { values, numbers: &numbers, wires: &wires, verified };
            let plan = Builder::new(index, plan, checked, devices)?.build()?;
            cut_alike(index, &plan, &plans, values)?;
            plans.push(plan);
        }
        let mut plans = Plans {
            model: draft.model,
            model_sha256: draft.model_sha256.to_ascii_lowercase(),
            cluster,
            values: Arc::new(draft.values),
            wires,
            plans: plans.into_iter().map(Arc::new).collect(),
            wait: draft.wait,
            tolerance,
            verify: draft.verify,
            protect: draft.protect,
            fingerprints: BTreeMap::new(),
        };
        plans.identify();
        Ok(plans)
    }
}

/// The number of each value, by name.
type Numbers<'a> = BTreeMap<&'a str, ValueId>;

fn check_values(values: &[Value]) -> Result<Numbers<'_>, BuildError> {
    if values.len() > VALUES_MAX {
        return error(At::Draft, format!("{} values, limit {VALUES_MAX}", values.len()));
    }
    let mut numbers = BTreeMap::new();
    for (index, Value { name, dtype, shape, axis }) in values.iter().enumerate() {
        let bytes = byte_len(*dtype, shape).unwrap_or(usize::MAX);
        let rank = shape.len();
        if rank == 0 || rank > RANK_MAX || shape.contains(&0) || bytes > VALUE_BYTES_MAX {
            return error(
                At::ValueShape(index),
                format!(
                    "value {name} of {dtype} {shape:?}: needs 1 to {RANK_MAX} dimensions, none of \
                     0, and at most {VALUE_BYTES_MAX} bytes"
                ),
            );
        }
        if *axis >= rank {
            return error(At::ValueAxis(index), format!("axis {axis} of {name}, which has {rank}"));
        }
        if numbers.insert(name.as_str(), ValueId(index as u16)).is_some() {
            return error(At::ValueName(index), format!("second value named {name}"));
        }
    }
    Ok(numbers)
}

/// What inputs travel as, where that is not their own type.
fn wires(draft: &Draft, numbers: &Numbers<'_>) -> Result<BTreeMap<ValueId, DType>, BuildError> {
    let is_made = |name: &str| {
        let mut stages = draft.plans.iter().flat_map(|plan| &plan.stages);
        stages.any(|stage| stage.value == name)
    };
    let wire = |(name, word): (&String, &String)| {
        let Some(&id) = numbers.get(name.as_str()) else {
            return error(At::Draft, format!("wire of value {name}, which is not listed"));
        };
        let at = At::ValueWire(id.index());
        if is_made(name) {
            let message = format!("value {name} is made by a stage, whose wire says what it is");
            return error(at, message);
        }
        let dtype = wire_type(word, &draft.values[id.index()]);
        dtype.map(|dtype| (id, dtype)).or_else(|message| error(at, message))
    };
    draft.wires.iter().map(wire).collect()
}

/// The element type that `value` travels as, by a plan file's word for it; an error
/// is a sentence about the word.
fn wire_type(word: &str, value: &Value) -> Result<DType, String> {
    let Value { name, dtype, .. } = value;
    match DType::from_word(word) {
        Some(DType::F16) if *dtype == DType::F32 => Ok(DType::F16),
        Some(same) if same == *dtype => Ok(same),
        _ => Err(format!("wire \"{word}\" of {name}: f16 for f32, else {dtype}")),
    }
}

/// All plans of a file cut the model at the same values: so they share
/// weights, and a value has one number in frames.
fn cut_alike(
    index: usize,
    plan: &Plan,
    before: &[Plan],
    values: &[Value],
) -> Result<(), BuildError> {
    let Some(main) = before.first() else { return Ok(()) };
    let made = |plan: &Plan| plan.stages.iter().map(|s| s.value).collect::<BTreeSet<_>>();
    match made(main).symmetric_difference(&made(plan)).next() {
        None => Ok(()),
        Some(value) => {
            let (name, main) = (&values[value.index()].name, &main.name);
            let message =
                format!("value {name} is made in plan {main} or {} but not both", plan.name);
            error(At::PlanName(index), message)
        }
    }
}

/// The values of all plans.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    values: &'a [Value],
    numbers: &'a Numbers<'a>,
    /// What those travel as that no stage makes.
    wires: &'a BTreeMap<ValueId, DType>,
    /// Are answers checked?
    verified: bool,
}

/// Builds one plan.
struct Builder<'a> {
    /// Its place in the draft.
    index: usize,
    draft: &'a PlanDraft,
    devices: &'a [Device],
    values: &'a [Value],
    numbers: &'a Numbers<'a>,
    wires: &'a BTreeMap<ValueId, DType>,
    verified: bool,
    /// Values that stages make; the others are inputs.
    made: BTreeSet<&'a str>,
    plan: Plan,
}

impl<'a> Builder<'a> {
    fn new(
        index: usize,
        draft: &'a PlanDraft,
        Inputs { values, numbers, wires, verified }: Inputs<'a>,
        devices: &'a [Device],
    ) -> Result<Builder<'a>, BuildError> {
        let (seats, most) = (draft.seats, devices.len());
        if !(1..=most).contains(&seats) || (index == 0 && seats != most) {
            let at = At::PlanSeats(index);
            return error(at, format!("{seats} seats, needs 1 to {most}"));
        }
        let plan = Plan {
            id: PlanId(0),
            name: draft.name.clone(),
            seats,
            stages: Vec::new(),
            result: Vec::new(),
            shardings: vec![None; values.len()],
            readers: vec![Vec::new(); values.len()],
            needs: Vec::new(),
            inconsistent: OnceLock::new(),
        };
        let made = draft.stages.iter().map(|stage| stage.value.as_str()).collect();
        Ok(Builder { index, draft, devices, values, numbers, wires, verified, made, plan })
    }

    fn build(mut self) -> Result<Plan, BuildError> {
        for stage in 0..self.draft.stages.len() {
            self.stage(stage)?;
        }
        for (at, name) in self.draft.result.iter().enumerate() {
            let value = self.read(name, "result", At::PlanResultValue(self.index, at))?;
            self.plan.result.push(value);
        }
        if self.plan.result.is_empty() {
            let message = format!("plan {} has no result", self.plan.name);
            return error(At::PlanResult(self.index), message);
        }
        for (index, stage) in self.plan.stages.iter().enumerate() {
            let read = !self.plan.readers[stage.value.index()].is_empty();
            if !read && !self.plan.result.contains(&stage.value) {
                let name = &self.values[stage.value.index()].name;
                let at = At::Stage(self.index, index, StageAt::Value);
                return error(at, format!("nobody reads value {name}"));
            }
        }
        self.plan.needs = self.plan.find_needs(self.values, self.verified);
        Ok(self.plan)
    }

    /// A value that is read: an input, or made by a stage before.
    fn read(&mut self, name: &str, reader: &str, at: At) -> Result<ValueId, BuildError> {
        let Some(&value) = self.numbers.get(name) else {
            return error(at, format!("{reader} reads value {name}, which is not listed"));
        };
        let sharding = &mut self.plan.shardings[value.index()];
        if sharding.is_none() {
            if self.made.contains(name) {
                let message = format!("{reader} reads value {name} before a stage makes it");
                return error(at, message);
            }
            let form = &self.values[value.index()];
            let wire = self.wires.get(&value).copied().unwrap_or(form.dtype);
            *sharding = Some(Sharding::input(wire));
        }
        Ok(value)
    }
}
