//! A device in a simulation.

use std::sync::Arc;

use quorate_core::cluster::Nanos;
use quorate_core::id::DeviceId;
use quorate_core::plan::Plans;
use quorate_core::worker::{Job, Worker, WorkerConfig};

use super::happening::{Computed, Happening};

/// How a device's tasks end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskEnding {
    /// With what they make.
    Well,
    /// With something else than what they should make.
    Wrongly,
    /// With a number that is not finite.
    Strangely,
    /// With an error.
    Badly,
    /// Not at all.
    Never,
}

/// A device in a simulation.
pub(super) struct Device<H> {
    pub(super) worker: Worker,
    config: WorkerConfig,
    /// Those of the bundle that it has.
    pub(super) plans: Arc<Plans>,
    pub(super) up: bool,
    /// Which life this is.
    pub(super) incarnation: u32,
    pub(super) crashed_at: Option<Nanos>,
    /// From then on nobody sends to it.
    pub(super) gone_at: Option<Nanos>,
    pub(super) frozen: bool,
    /// What came while it was frozen.
    pub(super) inbox: Vec<Happening<H>>,
    /// How many times as long its tasks take.
    pub(super) slow: f64,
    /// How its tasks end.
    pub(super) ending: TaskEnding,
    /// Tasks that hang.
    pub(super) hanging: Vec<(Job, Computed)>,
}

impl<H> Device<H> {
    pub(super) fn new(plans: &Arc<Plans>, index: usize, config: WorkerConfig) -> Device<H> {
        Device {
            worker: fresh(plans, index, &config),
            config,
            plans: plans.clone(),
            up: true,
            incarnation: 0,
            crashed_at: None,
            gone_at: None,
            frozen: false,
            inbox: Vec::new(),
            slow: 1.0,
            ending: TaskEnding::Well,
            hanging: Vec::new(),
        }
    }

    /// Ends at `now`; nothing of what it had in memory is left.
    pub(super) fn crash(&mut self, now: Nanos, index: usize) {
        self.up = false;
        self.frozen = false;
        self.inbox.clear();
        self.hanging.clear();
        self.crashed_at = Some(now);
        self.worker = fresh(&self.plans, index, &self.config);
    }

    /// Gets another bundle, which it has from its next start on; while it is up
    /// nothing happens.
    pub(super) fn install(&mut self, plans: &Arc<Plans>, index: usize) {
        if !self.up {
            self.plans = plans.clone();
            self.worker = fresh(plans, index, &self.config);
        }
    }
}

fn fresh(plans: &Arc<Plans>, index: usize, config: &WorkerConfig) -> Worker {
    Worker::new(plans.clone(), DeviceId(index as u8), config.clone())
}
