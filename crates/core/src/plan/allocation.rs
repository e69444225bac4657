//! One allocation of the whole model.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use quorate_code::ShardSet;

use super::need::Need;
use super::sharding::Sharding;
use super::stage::Stage;
use crate::id::{DeviceId, DeviceSet, PlanId, SeatId, StageId, ValueId};

/// By value and seat: what of it the seat's tasks read, where that is not all.
pub(super) type Needs = Vec<BTreeMap<SeatId, Arc<Need>>>;

/// One allocation of the whole model.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its identity.
    pub(super) id: PlanId,
    /// Its name in the file.
    pub(super) name: String,
    /// Number of seats, each one device.
    pub(super) seats: usize,
    /// Stages, each after those it reads from.
    pub(super) stages: Vec<Stage>,
    /// Values the gateway gathers for the answer.
    pub(super) result: Vec<ValueId>,
    /// How each value is divided; `None` for a value this plan does not use.
    pub(super) shardings: Vec<Option<Sharding>>,
    /// Stages that read each value.
    pub(super) readers: Vec<Vec<StageId>>,
    /// By value and seat: what of it the seat's tasks read, where that is not all.
    pub(super) needs: Needs,
    /// What [`Plan::inconsistent_error`] says, once somebody has asked.
    pub(super) inconsistent: OnceLock<f64>,
}

impl Plan {
    /// Its identity.
    pub fn id(&self) -> PlanId {
        self.id
    }

    /// Its name in the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of seats, each one device.
    pub fn seats(&self) -> usize {
        self.seats
    }

    /// Stages, each after those it reads from.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Values the gateway gathers for the answer.
    pub fn result(&self) -> &[ValueId] {
        &self.result
    }

    /// Stages that read `value`.
    pub(crate) fn readers(&self, value: ValueId) -> &[StageId] {
        &self.readers[value.index()]
    }

    /// A plan of one stage without inputs, whose value is the result.
    #[cfg(test)]
    pub(crate) fn of_one_stage(sharding: Sharding, seats: usize) -> Plan {
        let stage = Stage {
            name: "l".to_owned(),
            method: quorate_model::division::method::Method::Channel,
            reads: Vec::new(),
            value: ValueId(0),
            parts: Vec::new(),
        };
        Plan {
            id: PlanId(0),
            name: "p".to_owned(),
            seats,
            stages: vec![stage],
            result: vec![ValueId(0)],
            shardings: vec![Some(sharding)],
            readers: vec![Vec::new()],
            needs: vec![Default::default()],
            inconsistent: OnceLock::new(),
        }
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
    pub(crate) fn reading_seats(&self, value: ValueId) -> Vec<SeatId> {
        let mut seats: Vec<SeatId> = self.readers[value.index()]
            .iter()
            .flat_map(|stage| self.stage_sharding(*stage).seats.iter().copied())
            .collect();
        seats.sort_unstable();
        seats.dedup();
        seats
    }

    /// Devices among `members` whose tasks read `value`.
    pub(crate) fn reading_devices(&self, value: ValueId, members: DeviceSet) -> Vec<DeviceId> {
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
        self.unanswered_without(members, alive, |_, _| false)
    }

    /// The same where shards for which `failed` holds will not come either.
    pub(crate) fn unanswered_without(
        &self,
        members: DeviceSet,
        alive: DeviceSet,
        failed: impl Fn(StageId, usize) -> bool,
    ) -> Option<&Stage> {
        // What will come of each value, found in the order in which they are made.
        let mut coming: Vec<ShardSet> = vec![ShardSet::first(1); self.shardings.len()];
        (0..self.stages.len() as u16).map(StageId).find_map(|id| {
            let (stage, sharding) = (&self.stages[id.index()], self.stage_sharding(id));
            let here = |shard: &usize| {
                let seat = sharding.seats[*shard];
                let device = members.nth(seat.index());
                device.is_some_and(|d| alive.contains(d))
                    && !failed(id, *shard)
                    && stage
                        .reads
                        .iter()
                        .all(|read| self.reaches(*read, seat, coming[read.index()]))
            };
            let shards: ShardSet = (0..sharding.code.shards()).filter(here).collect();
            coming[stage.value.index()] = shards;
            (!sharding.suffices(shards)).then_some(stage)
        })
    }

    /// Does `seat` get what it reads of `value`, of which these shards come? Of boxes
    /// of an area it is not sent what it is to make itself.
    fn reaches(&self, value: ValueId, seat: SeatId, coming: ShardSet) -> bool {
        let area = self.sharding(value).is_some_and(Sharding::is_area);
        match self.need(value, seat).filter(|_| area) {
            Some(need) => need.is_covered(coming),
            None => true,
        }
    }

    /// Of the shards of every stage that those of `members` make that are `alive`:
    /// do the others determine each one?
    pub(crate) fn can_be_audited(&self, members: DeviceSet, alive: DeviceSet) -> bool {
        (0..self.stages.len() as u16).map(StageId).all(|id| {
            let sharding = self.stage_sharding(id);
            let shards = sharding.shards_of(members, alive);
            !shards.is_empty() && sharding.code.checked(shards) == shards
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
