//! Who is sent what of a shard.

use quorate_model::need::Region;

use super::{Plan, Value};
use crate::id::{DeviceId, DeviceSet, ValueId};

/// A part of a shard, `None` for all of it, and the devices that need it.
pub type Recipients = (Option<Region>, Vec<DeviceId>);

impl Plan {
    /// What of `shard` of `value` each of `members` that reads it is sent,
    /// those together who are sent the same.
    pub fn recipients(
        &self,
        values: &[Value],
        value: ValueId,
        shard: usize,
        members: DeviceSet,
    ) -> Vec<Recipients> {
        let Some(sharding) = self.sharding(value) else { return Vec::new() };
        let form = &values[value.index()];
        let all = sharding.data_of(shard).map(|data| sharding.division.region(form, data));
        let mut groups: Vec<Recipients> = Vec::new();
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
