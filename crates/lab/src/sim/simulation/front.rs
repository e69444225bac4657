//! The gateway's process.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_core::cluster::Nanos;
use quorate_core::gateway::{Gateway, GatewayConfig};
use quorate_core::id::{DeviceId, GatewayRun, PlanId};
use quorate_core::plan::Plans;

use super::happening::Happening;

/// A process with a gateway in it.
pub(super) struct Front<H> {
    pub(super) gateway: Gateway,
    name: u64,
    pub(super) up: bool,
    /// When each of its lives began, the first at 0.
    pub(super) begun: Vec<Nanos>,
    pub(super) frozen: bool,
    /// What came while it was frozen.
    pub(super) inbox: Vec<Happening<H>>,
    /// By the gateway's number: the request.
    pub(super) numbers: BTreeMap<u64, usize>,
    /// By device: the plans that it last said it holds.
    pub(super) told: BTreeMap<usize, Vec<PlanId>>,
    /// Bytes that had come and gone when it was last woken.
    pub(super) moved: u64,
}

impl<H> Front<H> {
    pub(super) fn new(plans: &Arc<Plans>, config: &GatewayConfig, gateway: usize) -> Front<H> {
        let name = gateway as u64 + 1;
        let run = GatewayRun { gateway: name, epoch: 1 };
        Front {
            gateway: Gateway::new(plans.clone(), run, config.clone()),
            name,
            up: true,
            begun: vec![0],
            frozen: false,
            inbox: Vec::new(),
            numbers: BTreeMap::new(),
            told: BTreeMap::new(),
            moved: 0,
        }
    }

    /// Which gateway a run is of.
    pub(super) fn of_run(run: GatewayRun) -> usize {
        run.gateway as usize - 1
    }

    /// The gateway's run in one of its lives.
    pub(super) fn run_of(&self, life: u32) -> GatewayRun {
        GatewayRun { gateway: self.name, epoch: 1 + u64::from(life) }
    }

    /// The first of these devices that said it lacks this plan.
    pub(super) fn lacking(&self, devices: &[DeviceId], plan: PlanId) -> Option<DeviceId> {
        let lacks = |held: &Vec<PlanId>| !held.contains(&plan);
        devices.iter().copied().find(|device| self.told.get(&device.index()).is_some_and(lacks))
    }

    /// Which life this is, or will be.
    pub(super) fn life(&self) -> u32 {
        self.begun.len() as u32 - 1
    }

    /// Its present run.
    pub(super) fn run(&self) -> GatewayRun {
        self.run_of(self.life())
    }

    /// The run that sent something at `time`.
    pub(super) fn run_at(&self, time: Nanos) -> GatewayRun {
        let begun = self.begun.partition_point(|begun| *begun <= time).max(1);
        self.run_of(begun as u32 - 1)
    }
}
