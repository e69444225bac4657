//! Who needs what of a value, and who is sent what of a shard.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_model::region::{Region, whole};
use quorate_model::value::Value;

use super::allocation::{Needs, Plan};
use super::need::{self, Need};
use super::sharding::Sharding;
use super::stage::Stage;
use crate::id::{DeviceId, DeviceSet, SeatId, StageId, ValueId};

/// Pieces of a shard, `None` for all of it, and the devices that are sent them.
pub(crate) type Group = (Option<Vec<Region>>, Vec<DeviceId>);

impl Plan {
    /// What of `value` `seat` reads; `None` for all of it.
    pub(crate) fn need(&self, value: ValueId, seat: SeatId) -> Option<&Arc<Need>> {
        self.needs[value.index()].get(&seat)
    }

    /// What of `value` `device` reads; `None` for all of it.
    pub(crate) fn device_need(
        &self,
        value: ValueId,
        device: DeviceId,
        members: DeviceSet,
    ) -> Option<&Arc<Need>> {
        self.need(value, SeatId(members.rank(device)? as u8))
    }

    /// What the task of this shard reads of `value`, one of those its stage
    /// reads; `None` where its plan names no parts.
    pub fn part_read(&self, stage: StageId, shard: usize, value: ValueId) -> Option<&Region> {
        let data = self.stage_sharding(stage).data_of(shard)?;
        let stage = &self.stages[stage.index()];
        let at = stage.reads.iter().position(|read| *read == value)?;
        stage.parts.get(data * stage.reads.len() + at)
    }

    /// Values of which stages make more shards than are needed.
    pub(crate) fn spared_values(&self) -> impl Iterator<Item = ValueId> + '_ {
        let spared = |value: &ValueId| self.sharding(*value).is_some_and(Sharding::has_spares);
        self.stages.iter().map(|stage| stage.value).filter(spared)
    }

    /// Devices that gather all of a value.
    pub(crate) fn whole_readers(&self, value: ValueId, members: DeviceSet) -> Vec<DeviceId> {
        let whole = |device: &DeviceId| self.device_need(value, *device, members).is_none();
        self.reading_devices(value, members).into_iter().filter(whole).collect()
    }

    /// Is there, of every stage's value, a shard more than is needed, and somebody
    /// who gathers all of it?
    pub fn is_audited(&self) -> bool {
        self.unaudited().next().is_none()
    }

    /// Stages whose shards nobody can hold against each other.
    pub fn unaudited(&self) -> impl Iterator<Item = &Stage> {
        let everybody = DeviceSet::first(self.seats);
        let looked_at = move |value: ValueId| {
            self.result.contains(&value) || !self.whole_readers(value, everybody).is_empty()
        };
        let spared = |value| self.sharding(value).is_some_and(Sharding::has_spares);
        self.stages.iter().filter(move |stage| !(spared(stage.value) && looked_at(stage.value)))
    }

    /// Finds what each seat reads of each value: all of a coded value, since
    /// whoever is to decode it needs all shards; where answers are `verified`, of
    /// one with copies, too, so that they can be held against each other.
    pub(super) fn find_needs(&self, values: &[Value], verified: bool) -> Needs {
        let mut needs: Needs = vec![BTreeMap::new(); values.len()];
        for (index, value) in values.iter().enumerate() {
            let id = ValueId(index as u16);
            let compared =
                |sharding: &Sharding| verified && sharding.has_spares() && !sharding.is_area();
            let in_parts = |sharding: &&Sharding| !sharding.is_coded() && !compared(sharding);
            let Some(sharding) = self.sharding(id).filter(in_parts) else { continue };
            let mut parts: BTreeMap<SeatId, Option<Vec<Region>>> = BTreeMap::new();
            for &stage in &self.readers[index] {
                for (shard, seat) in self.stage_sharding(stage).seats.iter().enumerate() {
                    let known = parts.entry(*seat).or_insert_with(|| Some(Vec::new()));
                    match self.part_read(stage, shard, id) {
                        Some(part) if *part != whole(&value.shape) => {
                            known.iter_mut().for_each(|boxes| need::add(boxes, part.clone()));
                        }
                        _ => *known = None,
                    }
                }
            }
            for (seat, boxes) in parts {
                // Several parts may be all together.
                let boxes = boxes.filter(|boxes| *boxes != [whole(&value.shape)]);
                let Some(boxes) = boxes else { continue };
                let own = sharding.seats.iter().enumerate().filter(|(_, maker)| **maker == seat);
                let own: Vec<usize> = own.map(|(shard, _)| shard).collect();
                let need = Need::new(sharding, value, boxes, &own);
                needs[index].insert(seat, Arc::new(need));
            }
        }
        needs
    }

    /// What of `shard` of `value` each of `members` that reads it is sent,
    /// those together who are sent the same.
    pub(crate) fn recipients(
        &self,
        values: &[Value],
        value: ValueId,
        shard: usize,
        members: DeviceSet,
    ) -> Vec<Group> {
        let Some(sharding) = self.sharding(value) else { return Vec::new() };
        let form = &values[value.index()];
        let all = sharding.data_of(shard).map(|data| sharding.region(form, data));
        let mut groups: Vec<Group> = Vec::new();
        for device in self.reading_devices(value, members) {
            let part = match self.device_need(value, device, members) {
                None => None,
                Some(need) => match need.pieces[shard].as_slice() {
                    [] => continue,
                    [piece] if Some(piece) == all.as_ref() => None,
                    pieces => Some(pieces.to_vec()),
                },
            };
            match groups.iter_mut().find(|(other, _)| *other == part) {
                Some((_, devices)) => devices.push(device),
                None => groups.push((part, vec![device])),
            }
        }
        groups
    }
}
