//! What simulated devices and the network between them are.

use anyhow::ensure;
use quorate_core::cluster::{Network, Profile};
use quorate_core::plan::Plans;

use super::costs::Costs;

/// What simulated devices and the network between them are.
#[derive(Clone, Debug)]
pub struct Timing {
    /// What each device can do, in the order of the plan's.
    pub devices: Vec<Profile>,
    /// What the gateway's messages cost it. It computes in no time.
    pub gateway: Profile,
    /// What connects them.
    pub network: Network,
    /// What tasks ask of a device.
    pub costs: Costs,
    /// Decides delays that are drawn.
    pub seed: u64,
}

impl Timing {
    /// So many devices of one kind, the gateway at the place of another.
    pub fn new(profile: &Profile, count: usize, network: &Network, costs: Costs) -> Timing {
        Timing {
            devices: vec![profile.clone(); count],
            gateway: profile.clone(),
            network: network.clone(),
            costs,
            seed: 1,
        }
    }

    /// The same with other delays drawn.
    pub fn seeded(mut self, seed: u64) -> Timing {
        self.seed = seed;
        self
    }

    /// Are these the devices of `plans`?
    pub(super) fn check(&self, plans: &Plans) -> anyhow::Result<()> {
        let (got, needed) = (self.devices.len(), plans.cluster().devices().len());
        ensure!(got == needed, "{got} profiles for the {needed} devices of the plan");
        self.costs.check(plans)
    }
}
