//! What simulated devices and the network between them are.

use std::time::Duration;

use anyhow::ensure;
use quorate_core::cluster::{Network, Profile};
use quorate_core::plan::Plans;
use quorate_core::worker::WorkerConfig;

use super::costs::Costs;
use crate::sim::random::SplitMix;

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
    /// Devices connect at times drawn from the first so long, and then the
    /// script begins. Where it is zero they give signs of life all at once for
    /// ever after.
    pub starts_within: Duration,
    /// Decides delays and starts that are drawn.
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
            starts_within: WorkerConfig::default().heartbeat_every,
            seed: 1,
        }
    }

    /// The same with other delays drawn.
    pub fn seeded(mut self, seed: u64) -> Timing {
        self.seed = seed;
        self
    }

    /// By device: when it connects.
    pub(super) fn starts(&self) -> Vec<Duration> {
        let mut random = SplitMix::new(!self.seed);
        let drawn = |_| self.starts_within.mul_f64(random.share());
        self.devices.iter().map(drawn).collect()
    }

    /// Are these the devices of `plans`?
    pub(super) fn check(&self, plans: &Plans) -> anyhow::Result<()> {
        let (got, needed) = (self.devices.len(), plans.cluster().devices().len());
        ensure!(got == needed, "{got} profiles for the {needed} devices of the plan");
        self.costs.check(plans)
    }
}
