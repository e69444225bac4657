//! Who needs what of a value, and who is sent what of a shard.

use std::collections::BTreeMap;

use quorate_model::region::{Region, hull, whole};
use quorate_model::value::Value;

use super::allocation::{Needs, Plan};
use super::sharding::Sharding;
use crate::id::{DeviceId, DeviceSet, SeatId, StageId, ValueId};

/// A part of a shard, `None` for all of it, and the devices that need it.
pub(crate) type Group = (Option<Region>, Vec<DeviceId>);

impl Plan {
    /// The part of `value` that `seat` is sent; `None` for all of it.
    pub(crate) fn need(&self, value: ValueId, seat: SeatId) -> Option<&Region> {
        self.needs[value.index()].get(&seat)
    }

    /// What `device` is sent of `value`; `None` for all of it.
    pub(crate) fn device_need(
        &self,
        value: ValueId,
        device: DeviceId,
        members: DeviceSet,
    ) -> Option<&Region> {
        self.need(value, SeatId(members.rank(device)? as u8))
    }

    /// What the task of this shard reads of `value`, one of those its stage
    /// reads; `None` where it reads all.
    pub fn part_read(&self, stage: StageId, shard: usize, value: ValueId) -> Option<&Region> {
        let data = self.stage_sharding(stage).data_of(shard)?;
        let stage = &self.stages[stage.index()];
        stage.parts.get(data).filter(|_| stage.reads == [value])
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
        let everybody = DeviceSet::first(self.seats);
        let looked_at = |value: ValueId| {
            self.result.contains(&value) || !self.whole_readers(value, everybody).is_empty()
        };
        self.stages.iter().all(|stage| {
            self.sharding(stage.value).is_some_and(Sharding::has_spares) && looked_at(stage.value)
        })
    }

    /// Finds what each seat reads of each value: all of a coded value, since
    /// whoever is to decode it needs all shards.
    pub(super) fn find_needs(&self, values: &[Value]) -> Needs {
        let mut needs: Needs = vec![BTreeMap::new(); values.len()];
        for (index, value) in values.iter().enumerate() {
            let id = ValueId(index as u16);
            if self.sharding(id).is_none_or(Sharding::is_coded) {
                continue;
            }
            let mut parts: BTreeMap<SeatId, Option<Region>> = BTreeMap::new();
            for &stage in &self.readers[index] {
                for (shard, seat) in self.stage_sharding(stage).seats.iter().enumerate() {
                    let part = self.part_read(stage, shard, id);
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
                Some(need) => match sharding.sent(form, shard, need) {
                    None => continue,
                    part => part.filter(|part| Some(part) != all.as_ref()),
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
