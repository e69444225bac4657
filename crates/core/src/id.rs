//! Identities of devices, plans and requests, each a type of its own.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number as an index.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id! {
    /// A device, by its place in the plan file's list of devices.
    DeviceId(u8)
}
id! {
    /// A seat of a plan: the tasks that one device does together. A plan for
    /// fewer devices has fewer seats than the cluster has devices.
    SeatId(u8)
}
id! {
    /// A stage, by its place in its plan.
    StageId(u16)
}
id! {
    /// A value, by its place in the plan file's list of values.
    ValueId(u16)
}

/// A plan, by a hash of its model, values, stages, methods, codes and placement.
/// Addresses are no part of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlanId(pub u64);

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlanId({self})")
    }
}

/// One run of one gateway. A gateway that starts again has a greater epoch,
/// and its numbers begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayRun {
    /// The gateway, by a number that stays over restarts.
    pub gateway: u64,
    /// The run, by a number that grows.
    pub epoch: u64,
}

/// A request, as all processes know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// The gateway run that took it in.
    pub run: GatewayRun,
    /// Its number there, from 0.
    pub number: u64,
}

/// A set of devices (at most 64), by their [`DeviceId`].
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceSet(pub u64);

impl DeviceSet {
    /// Most devices that one plan file may name.
    pub const MAX: usize = 64;

    /// The first `n` devices.
    pub const fn first(n: usize) -> DeviceSet {
        if n >= 64 { DeviceSet(u64::MAX) } else { DeviceSet((1 << n) - 1) }
    }

    /// Is `device` in the set?
    pub const fn contains(self, device: DeviceId) -> bool {
        device.0 < 64 && self.0 >> device.0 & 1 == 1
    }

    /// Adds `device`.
    pub fn insert(&mut self, device: DeviceId) {
        self.0 |= 1 << device.0;
    }

    /// Takes `device` out.
    pub fn remove(&mut self, device: DeviceId) {
        self.0 &= !(1 << device.0);
    }

    /// Number of devices in it.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Is there none?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those of this set that are not in `other`.
    pub const fn without(self, other: DeviceSet) -> DeviceSet {
        DeviceSet(self.0 & !other.0)
    }

    /// Those that are in both.
    pub(crate) const fn intersection(self, other: DeviceSet) -> DeviceSet {
        DeviceSet(self.0 & other.0)
    }

    /// Those that are in either.
    pub(crate) const fn union(self, other: DeviceSet) -> DeviceSet {
        DeviceSet(self.0 | other.0)
    }

    /// The devices in order.
    pub fn iter(self) -> impl Iterator<Item = DeviceId> {
        (0..64).map(DeviceId).filter(move |d| self.contains(*d))
    }

    /// The device that has `n` others of this set before it.
    pub fn nth(self, n: usize) -> Option<DeviceId> {
        self.iter().nth(n)
    }

    /// How many of this set come before `device`; `None` if it is not in it.
    pub(crate) fn rank(self, device: DeviceId) -> Option<usize> {
        self.contains(device).then(|| (self.0 & ((1 << device.0) - 1)).count_ones() as usize)
    }
}

impl FromIterator<DeviceId> for DeviceSet {
    fn from_iter<I: IntoIterator<Item = DeviceId>>(devices: I) -> DeviceSet {
        let mut set = DeviceSet::default();
        devices.into_iter().for_each(|d| set.insert(d));
        set
    }
}

impl fmt::Debug for DeviceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|d| d.0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_ranks() {
        let set: DeviceSet = [1, 4, 63].map(DeviceId).into_iter().collect();
        assert_eq!(set.len(), 3);
        for (seat, device) in [(0, 1), (1, 4), (2, 63)] {
            assert_eq!(set.nth(seat), Some(DeviceId(device)));
            assert_eq!(set.rank(DeviceId(device)), Some(seat));
        }
        assert_eq!(set.nth(3), None);
        assert_eq!(set.rank(DeviceId(2)), None);
    }

    #[test]
    fn sets_combine() {
        let all = DeviceSet::first(4);
        let two = DeviceSet::first(2);
        assert_eq!(all.without(two).iter().map(|d| d.0).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(all.without(two).union(two), all);
        assert_eq!(DeviceSet::first(64).len(), 64);
    }
}
