//! The allocation: which device holds which shard of which stage.
//!
//! A plan file ([`mod@file`]) holds one *main* plan, whose seats are the devices
//! by name, and *fallback* plans for fewer devices, whose seats are taken by
//! whichever devices are left, in the file's order. [`Plans`] is such a file,
//! checked: every index in it is valid, every value is made before it is read.
//!
//! *Invariant:* two files that differ only in addresses, `wait` or
//! `tolerance` have the same [`PlanId`]s.

mod bound;
mod division;
pub mod file;
mod recipients;
mod resolve;
pub mod rule;
mod stage;
mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quorate_code::{Code, CodeError, Decoder, Patterns, ShardSet, cache::DecoderCache};
use quorate_model::method::Method;
use quorate_model::need::Region;
use quorate_model::tensor::{DType, Tensor};

use crate::half::{HalfError, narrow};
use crate::id::{DeviceId, DeviceSet, PlanId, SeatId, StageId, ValueId};
use crate::region::{self, hull, intersection, whole};
pub use division::{Division, Tiles};
pub use recipients::Recipients;
pub use resolve::is_host_and_port;
pub use wait::WaitPolicy;

/// Name of the code that copies shards.
const REPLICATION: &str = "replication";
/// Kinds of loss looked at to find how many devices a stage bears the loss of.
const PATTERNS_MAX: u64 = 20_000;

/// A value that crosses a stage border.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// ONNX name.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Shape of the whole value.
    pub shape: Vec<usize>,
    /// The axis that rows lie along; what a convolution makes has its spatial
    /// dimensions behind it.
    pub axis: usize,
}

impl Value {
    /// Length of the axis.
    pub fn rows(&self) -> usize {
        self.shape[self.axis]
    }

    /// Bytes of the whole value.
    pub fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }
}

/// How a value is divided in one plan, and who makes each shard.
#[derive(Clone, Debug)]
pub struct Sharding {
    /// The code over its shards.
    pub code: Arc<Code>,
    /// What its data shards are.
    pub division: Division,
    /// Seats of the data shards, then of the parity shards or replicas. Empty
    /// for an input, which the gateway sends whole.
    pub seats: Vec<SeatId>,
    /// The stage that makes it, `None` for an input.
    pub stage: Option<StageId>,
    /// Element type that its shards travel as.
    pub wire: DType,
    /// Decoders of the losses seen so far, found once each.
    decoders: Arc<Mutex<DecoderCache>>,
}

impl Sharding {
    /// A value divided so, whose shards `seats` make with `code`.
    pub fn new(
        code: Code,
        division: Division,
        seats: Vec<SeatId>,
        stage: Option<StageId>,
        wire: DType,
    ) -> Sharding {
        let decoders = Arc::new(Mutex::new(DecoderCache::new(code.clone())));
        Sharding { code: Arc::new(code), division, seats, stage, wire, decoders }
    }

    /// An input of the model, which the gateway sends whole.
    pub fn input(value: &Value) -> Sharding {
        let code = Code::uncoded(1).expect("one shard");
        Sharding::new(code, Division::Whole, Vec::new(), None, value.dtype)
    }

    /// Are the shards beyond the data copies of them?
    pub fn is_replicated(&self) -> bool {
        self.code.name() == REPLICATION
    }

    /// Are there parity shards that are no copies?
    pub fn is_coded(&self) -> bool {
        self.code.parity_shards() > 0 && !self.is_replicated()
    }

    /// What of `shard` is sent to one who needs `need`: a part of the value,
    /// `None` for nothing. Only of values that are not coded parts are sent.
    pub fn sent(&self, value: &Value, shard: usize, need: &Region) -> Option<Region> {
        intersection(&self.division.region(value, self.data_of(shard)?), need)
    }

    /// The data shard that `shard` is, or is a copy of; `None` for parity.
    pub fn data_of(&self, shard: usize) -> Option<usize> {
        let n = self.code.data_shards();
        (shard < n || self.is_replicated()).then_some(shard % n)
    }

    /// Shape of `shard` of `value`: a copy has that of what it is a copy of.
    pub fn shard_shape(&self, value: &Value, shard: usize) -> Vec<usize> {
        match self.data_of(shard) {
            Some(data) => region::shape(&self.division.region(value, data)),
            None => self.division.parity_shape(value),
        }
    }

    /// What a frame with `shard` of `value` names beside its number.
    pub fn place(&self, value: &Value, shard: usize) -> Range<usize> {
        self.division.place(value, self.data_of(shard))
    }

    /// What travels of a shard that a task made.
    pub fn payload(&self, shard: &Tensor) -> Result<Tensor, HalfError> {
        match self.wire {
            DType::F16 if shard.dtype() == DType::F32 => narrow(shard),
            _ => Ok(shard.clone()),
        }
    }

    /// What recovers the value from these shards.
    pub fn decoder(&self, received: ShardSet) -> Result<Decoder, CodeError> {
        // A cache that somebody panicked over is still a cache.
        self.decoders.lock().unwrap_or_else(PoisonError::into_inner).get(received)
    }

    /// The shards that everybody is asked to use: the data shards, those of
    /// suspects replaced by parity shards. All data shards where that does
    /// not reach.
    pub fn roster(&self, members: DeviceSet, suspects: DeviceSet) -> ShardSet {
        let all_data = ShardSet::first(self.code.data_shards());
        if self.seats.is_empty() {
            return all_data;
        }
        let healthy = |shard: &usize| {
            members.nth(self.seats[*shard].index()).is_some_and(|d| !suspects.contains(d))
        };
        let mut roster = ShardSet::new();
        for shard in (0..self.code.shards()).filter(healthy) {
            if self.code.is_decodable(roster) {
                break;
            }
            roster.insert(shard);
        }
        if !self.code.is_decodable(roster) {
            return all_data;
        }
        // A copy of what is there already is not worth waiting for.
        for shard in (0..self.code.shards()).rev() {
            let mut fewer = roster;
            fewer.remove(shard);
            if self.code.is_decodable(fewer) {
                roster = fewer;
            }
        }
        roster
    }

    /// How many devices, whichever they are, may fail without any effect on
    /// this value.
    pub fn tolerance(&self) -> usize {
        let seats: BTreeSet<SeatId> = self.seats.iter().copied().collect();
        if seats.len() == self.seats.len() {
            return self.code.tolerance();
        }
        let seats: Vec<SeatId> = seats.into_iter().collect();
        let survives = |lost: ShardSet| {
            let here = |shard: &usize| {
                !seats.iter().enumerate().any(|(i, s)| lost.contains(i) && *s == self.seats[*shard])
            };
            self.code.is_decodable((0..self.seats.len()).filter(here).collect())
        };
        let bears = |count: &usize| {
            Patterns::count(seats.len(), *count) <= PATTERNS_MAX
                && Patterns::new(seats.len(), *count).all(survives)
        };
        (1..seats.len()).take_while(bears).count()
    }
}

/// A stage of a plan: a layer, divided, or a part of the graph that one
/// device computes.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The layer's name, or the value's where there are several layers.
    pub name: String,
    /// How it is divided.
    pub method: Method,
    /// Values its tasks read.
    pub reads: Vec<ValueId>,
    /// The value it makes.
    pub value: ValueId,
    /// What each data shard reads of the only value read; empty where tasks
    /// read whole values.
    pub parts: Vec<Region>,
}

/// One allocation of the whole model.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its identity.
    pub id: PlanId,
    /// Its name in the file.
    pub name: String,
    /// Number of seats, each one device.
    pub seats: usize,
    /// Stages, each after those it reads from.
    pub stages: Vec<Stage>,
    /// Values the gateway gathers for the answer.
    pub result: Vec<ValueId>,
    /// How each value is divided; `None` for a value this plan does not use.
    pub shardings: Vec<Option<Sharding>>,
    /// Stages that read each value.
    pub readers: Vec<Vec<StageId>>,
    /// By value and seat: the part of it that the seat's tasks read, where
    /// that is not all.
    needs: Vec<BTreeMap<SeatId, Region>>,
}

impl Plan {
    /// A plan that has no stages yet over so many values.
    pub fn new(name: &str, seats: usize, values: usize) -> Plan {
        Plan {
            id: PlanId(0),
            name: name.to_owned(),
            seats,
            stages: Vec::new(),
            result: Vec::new(),
            shardings: vec![None; values],
            readers: vec![Vec::new(); values],
            needs: vec![BTreeMap::new(); values],
        }
    }

    /// The part of `value` that `seat` is sent; `None` for all of it.
    pub fn need(&self, value: ValueId, seat: SeatId) -> Option<&Region> {
        self.needs[value.index()].get(&seat)
    }

    /// What `device` is sent of `value`; `None` for all of it.
    pub fn device_need(
        &self,
        value: ValueId,
        device: DeviceId,
        members: DeviceSet,
    ) -> Option<&Region> {
        self.need(value, SeatId(members.rank(device)? as u8))
    }

    /// What the task of this shard reads of its only value; `None` where it
    /// reads whole values.
    pub fn part_read(&self, stage: StageId, shard: usize) -> Option<&Region> {
        let data = self.stage_sharding(stage).data_of(shard)?;
        self.stages[stage.index()].parts.get(data)
    }

    /// Finds what each seat reads of each value: all of a coded value, since
    /// whoever is to decode it needs all shards.
    fn find_needs(&mut self, values: &[Value]) {
        let mut needs = vec![BTreeMap::new(); values.len()];
        for (index, value) in values.iter().enumerate() {
            let id = ValueId(index as u16);
            if self.sharding(id).is_none_or(Sharding::is_coded) {
                continue;
            }
            let mut parts: BTreeMap<SeatId, Option<Region>> = BTreeMap::new();
            for &stage in &self.readers[index] {
                for (shard, seat) in self.stage_sharding(stage).seats.iter().enumerate() {
                    let part = self.part_read(stage, shard);
                    let both = |known: &mut Option<Region>| {
                        *known = known.as_ref().zip(part).map(|(a, b)| hull(a, b));
                    };
                    parts.entry(*seat).and_modify(both).or_insert_with(|| part.cloned());
                }
            }
            let part = |part: &Region| *part != whole(&value.shape);
            let parts = parts.into_iter().filter_map(|(seat, p)| Some((seat, p.filter(part)?)));
            needs[index] = parts.collect();
        }
        self.needs = needs;
    }

    /// How `value` is divided, if this plan uses it.
    pub fn sharding(&self, value: ValueId) -> Option<&Sharding> {
        self.shardings.get(value.index())?.as_ref()
    }

    /// How a stage's value is divided.
    pub fn stage_sharding(&self, stage: StageId) -> &Sharding {
        let value = self.stages[stage.index()].value;
        self.shardings[value.index()].as_ref().expect("a stage's value is divided")
    }

    /// The tasks of a seat: stage and shard.
    pub fn tasks(&self, seat: SeatId) -> impl Iterator<Item = (StageId, usize)> + '_ {
        (0..self.stages.len() as u16).map(StageId).flat_map(move |stage| {
            let seats = self.stage_sharding(stage).seats.iter().enumerate();
            seats.filter(move |(_, s)| **s == seat).map(move |(shard, _)| (stage, shard))
        })
    }

    /// Seats whose tasks read `value`.
    pub fn reading_seats(&self, value: ValueId) -> Vec<SeatId> {
        let mut seats: Vec<SeatId> = self.readers[value.index()]
            .iter()
            .flat_map(|stage| self.stage_sharding(*stage).seats.iter().copied())
            .collect();
        seats.sort_unstable();
        seats.dedup();
        seats
    }

    /// Devices among `members` whose tasks read `value`.
    pub fn reading_devices(&self, value: ValueId, members: DeviceSet) -> Vec<DeviceId> {
        self.reading_seats(value).iter().filter_map(|seat| members.nth(seat.index())).collect()
    }

    /// Inputs of the model that this plan's stages, or the gateway, read.
    pub fn inputs(&self) -> impl Iterator<Item = ValueId> + '_ {
        (0..self.shardings.len() as u16).map(ValueId).filter(|v| {
            self.shardings[v.index()].as_ref().is_some_and(|sharding| sharding.stage.is_none())
        })
    }

    /// Can every stage be answered with those of `members` that are `alive`?
    pub fn viable(&self, members: DeviceSet, alive: DeviceSet) -> bool {
        self.unanswered(members, alive).is_none()
    }

    /// The first stage that cannot be answered by those of `members` that are
    /// `alive`.
    pub fn unanswered(&self, members: DeviceSet, alive: DeviceSet) -> Option<&Stage> {
        (0..self.stages.len() as u16).map(StageId).find_map(|id| {
            let sharding = self.stage_sharding(id);
            let here = |shard: &usize| {
                members.nth(sharding.seats[*shard].index()).is_some_and(|d| alive.contains(d))
            };
            let shards: ShardSet = (0..sharding.code.shards()).filter(here).collect();
            (!sharding.code.is_decodable(shards)).then(|| &self.stages[id.index()])
        })
    }

    /// Devices among `members` that may not fail even alone.
    pub fn uncovered(&self, members: DeviceSet) -> DeviceSet {
        let alone = |device: &DeviceId| {
            let mut alive = members;
            alive.remove(*device);
            !self.viable(members, alive)
        };
        members.iter().filter(alone).collect()
    }

    /// How many devices, whichever they are, may fail without any effect.
    pub fn tolerance(&self) -> usize {
        let shardings = (0..self.stages.len() as u16).map(|s| self.stage_sharding(StageId(s)));
        shardings.map(Sharding::tolerance).min().unwrap_or(0)
    }
}

/// A plan file, checked.
#[derive(Clone, Debug)]
pub struct Plans {
    /// File name of the model.
    pub model: String,
    /// SHA-256 of the model file, in hex.
    pub model_sha256: String,
    /// Names of the devices.
    pub devices: Vec<String>,
    /// Where each device listens, `host:port`.
    pub hosts: BTreeMap<String, String>,
    /// All values that cross stage borders.
    pub values: Arc<Vec<Value>>,
    /// The main plan, then its fallbacks.
    pub plans: Vec<Arc<Plan>>,
    /// How long a consumer stays with the roster.
    pub wait: WaitPolicy,
    /// Relative error of an answer that is still right.
    pub tolerance: f64,
    /// Hash of everything that packing depends on, by name.
    pub fingerprints: BTreeMap<String, String>,
}

impl Plans {
    /// The main plan.
    pub fn main(&self) -> &Arc<Plan> {
        &self.plans[0]
    }

    /// The plan of this identity.
    pub fn by_id(&self, id: PlanId) -> Option<&Arc<Plan>> {
        self.plans.iter().find(|plan| plan.id == id)
    }

    /// The device of this name.
    pub fn device(&self, name: &str) -> Option<DeviceId> {
        self.devices.iter().position(|d| d == name).map(|i| DeviceId(i as u8))
    }

    /// Every device.
    pub fn everybody(&self) -> DeviceSet {
        DeviceSet::first(self.devices.len())
    }

    /// Which seats of `plan` a device may take: its own in the main plan, the
    /// ones its place in the order allows in a plan for fewer.
    pub fn possible_seats(&self, plan: &Plan, device: DeviceId) -> Range<usize> {
        let spare = self.devices.len() - plan.seats;
        device.index().saturating_sub(spare)..(device.index() + 1).min(plan.seats)
    }

    /// The value of this name.
    pub fn value(&self, name: &str) -> Option<ValueId> {
        self.values.iter().position(|v| v.name == name).map(|i| ValueId(i as u16))
    }

    /// Bytes of the largest payload that any plan sends.
    pub fn largest_payload_bytes(&self) -> usize {
        self.values.iter().map(Value::bytes).max().unwrap_or(0)
    }

    /// Names of the values that stages make: where the model is cut.
    pub fn wires(&self) -> Vec<String> {
        let made: BTreeSet<ValueId> =
            self.plans.iter().flat_map(|plan| &plan.stages).map(|stage| stage.value).collect();
        made.into_iter().map(|value| self.values[value.index()].name.clone()).collect()
    }

    /// Names of everything that differs from what was packed, empty if the
    /// bundle still fits.
    pub fn changed_since(&self, packed: &BTreeMap<String, String>) -> Vec<String> {
        let names: std::collections::BTreeSet<&String> =
            self.fingerprints.keys().chain(packed.keys()).collect();
        let changed = |name: &&&String| self.fingerprints.get(**name) != packed.get(**name);
        names.iter().filter(changed).map(|name| (*name).clone()).collect()
    }
}

/// A length of time as a plan file writes it: `250us`, `5ms`, `2s`.
pub fn parse_span(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    let micros = match text[digits..].trim() {
        "us" => Some(number),
        "ms" => number.checked_mul(1_000),
        "s" => number.checked_mul(1_000_000),
        _ => None,
    };
    micros.map(Duration::from_micros)
}

#[cfg(test)]
mod tests;
