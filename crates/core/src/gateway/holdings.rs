//! Which devices hold which of the gateway's plans: bundles of two versions may
//! be about, and have some plans in common.

use crate::id::{DeviceId, DeviceSet};

/// Which devices hold which plans, by the plans' places in the file.
#[derive(Clone, Debug)]
pub(super) struct Holdings {
    /// By plan: devices that have said what they hold, and it is not among it.
    lacking: Vec<DeviceSet>,
}

impl Holdings {
    /// Nobody has said anything of so many plans.
    pub(super) fn new(plans: usize) -> Holdings {
        Holdings { lacking: vec![DeviceSet::default(); plans] }
    }

    /// A device says which plans it holds. Returns the first that it lacks now,
    /// and the first that it lacked before.
    pub(super) fn learn(
        &mut self,
        device: DeviceId,
        holds: impl Fn(usize) -> bool,
    ) -> (Option<usize>, Option<usize>) {
        let first = |lacking: &[DeviceSet]| lacking.iter().position(|set| set.contains(device));
        let before = first(&self.lacking);
        for (plan, lacking) in self.lacking.iter_mut().enumerate() {
            match holds(plan) {
                true => lacking.remove(device),
                false => lacking.insert(device),
            }
        }
        (first(&self.lacking), before)
    }

    /// Devices that lack a plan.
    pub(super) fn lacking(&self, plan: usize) -> DeviceSet {
        self.lacking[plan]
    }

    /// Those of `devices` that hold a plan.
    pub(super) fn holding(&self, plan: usize, devices: DeviceSet) -> DeviceSet {
        devices.without(self.lacking[plan])
    }

    /// Devices that lack every plan.
    pub(super) fn useless(&self) -> DeviceSet {
        self.lacking.iter().copied().reduce(DeviceSet::intersection).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_plan_is_judged_by_itself() {
        let (one, other) = (DeviceId(1), DeviceId(4));
        let both: DeviceSet = [one, other].into_iter().collect();
        let mut holdings = Holdings::new(3);
        assert_eq!(holdings.learn(one, |plan| plan != 1), (Some(1), None));
        assert_eq!(holdings.learn(other, |_| false), (Some(0), None));
        let holding =
            |holdings: &Holdings| [0, 1, 2].map(|plan| holdings.holding(plan, both).len());
        assert_eq!((holding(&holdings), holdings.useless().len()), ([1, 0, 1], 1));
        assert_eq!(holdings.learn(other, |_| true), (None, Some(0)));
        assert_eq!((holding(&holdings), holdings.useless().len()), ([2, 1, 2], 0));
    }
}
