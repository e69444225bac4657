//! Which devices reach each other, as their heartbeats say.
//!
//! A device that was cut off, or started anew, is heard from by the gateway
//! before all of its connections with other devices are up again. Until then a
//! request that counts on its shards would wait.

use std::collections::BTreeSet;

use crate::id::{DeviceId, DeviceSet};

/// Pairs of devices that do not reach each other, the lower one first.
pub(super) type Cut = BTreeSet<(DeviceId, DeviceId)>;

/// Two devices as a [`Cut`] has them.
pub(super) fn pair(one: DeviceId, other: DeviceId) -> (DeviceId, DeviceId) {
    (one.min(other), one.max(other))
}

/// Which devices reach each other.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    /// By device: whom it can send to; `None` as long as it has not said so.
    reaches: Vec<Option<DeviceSet>>,
    /// By device: how many had connected when it last did.
    ups: Vec<u64>,
    up: u64,
}

impl Reach {
    pub(super) fn new(devices: usize) -> Reach {
        Reach { reaches: vec![None; devices], ups: vec![0; devices], up: 0 }
    }

    /// A device has connected: if it is not for the first time, nothing counts
    /// that it said before.
    pub(super) fn up(&mut self, device: DeviceId) {
        let known = &mut self.reaches[device.index()];
        *known = known.map(|_| DeviceSet::default());
        self.up += 1;
        self.ups[device.index()] = self.up;
    }

    /// A device says whom it reaches; whom it does not reach any more, where
    /// anything has changed.
    pub(super) fn learn(&mut self, device: DeviceId, reached: DeviceSet) -> Option<DeviceSet> {
        let before = self.reaches[device.index()].replace(reached);
        let all = DeviceSet::first(self.reaches.len());
        (before != Some(reached)).then(|| before.unwrap_or(all).without(reached))
    }

    /// Those who do not reach each other now.
    pub(super) fn cut(&self) -> Cut {
        let all = DeviceSet::first(self.reaches.len());
        let mut cut = Cut::new();
        for (from, reached) in (0..).map(DeviceId).zip(&self.reaches) {
            let lacked = reached.map_or(DeviceSet::default(), |reached| all.without(reached));
            cut.extend(lacked.iter().filter(|to| *to != from).map(|to| pair(from, to)));
        }
        cut
    }

    /// Those of `alive` without whom all others reach each other; of two that do
    /// not, rather the one that has connected later.
    pub(super) fn apart(&self, alive: DeviceSet) -> DeviceSet {
        apart(alive, &self.cut(), |device| self.ups[device.index()])
    }
}

/// Those of `alive` without whom none is cut off from another: always next the
/// one that is from most of those left, of equals the one of the highest `rank`.
pub(super) fn apart(alive: DeviceSet, cut: &Cut, rank: impl Fn(DeviceId) -> u64) -> DeviceSet {
    let mut left = alive;
    loop {
        let among = |(one, other): &&(DeviceId, DeviceId)| {
            one != other && left.contains(*one) && left.contains(*other)
        };
        let ends = || cut.iter().filter(among).flat_map(|(one, other)| [*one, *other]);
        let lacks = |device| (ends().filter(|end| *end == device).count(), rank(device), device);
        match ends().map(lacks).max() {
            Some((.., device)) => left.remove(device),
            None => return alive.without(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(ids: &[u8]) -> DeviceSet {
        ids.iter().copied().map(DeviceId).collect()
    }

    #[test]
    fn those_who_lack_most_are_apart() {
        let mut reach = Reach::new(4);
        let all = DeviceSet::first(4);
        assert!(reach.apart(all).is_empty(), "nothing is known");
        let known: [&[u8]; 4] = [&[1, 2, 3], &[0, 2, 3], &[0, 1], &[0, 1, 2]];
        for (device, reaches) in (0..).map(DeviceId).zip(known) {
            reach.learn(device, devices(reaches));
        }
        // 2 does not reach 3: one of them is enough.
        assert_eq!(reach.apart(all), devices(&[3]));
        assert!(reach.apart(devices(&[0, 1, 2])).is_empty());
        // 1 reaches nobody.
        reach.learn(DeviceId(1), devices(&[]));
        assert_eq!(reach.apart(all), devices(&[1, 3]));
    }

    #[test]
    fn changes_are_told_once() {
        let (mut reach, device) = (Reach::new(3), DeviceId(0));
        reach.up(device);
        assert_eq!(reach.learn(device, devices(&[1, 2])), Some(devices(&[0])), "itself");
        assert_eq!(reach.learn(device, devices(&[1, 2])), None);
        assert_eq!(reach.learn(device, devices(&[1])), Some(devices(&[2])));
        assert_eq!(reach.learn(device, devices(&[1, 2])), Some(devices(&[])));
        assert!(reach.cut().is_empty());
        // It starts anew.
        reach.up(device);
        assert_eq!(reach.apart(DeviceSet::first(3)), devices(&[0]));
        assert_eq!(reach.cut(), [1, 2].map(|to| (device, DeviceId(to))).into());
        // Of two the later.
        reach.up(DeviceId(1));
        assert_eq!(reach.apart(devices(&[0, 1])), devices(&[1]));
    }
}
