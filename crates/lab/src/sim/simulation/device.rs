//! A device in a simulation.

use std::sync::Arc;

use quorate_core::audit::Usual;
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
    /// How far apart healthy shards are.
    usual: Arc<Usual>,
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
    pub(super) fn new(plans: &Arc<Plans>, index: usize, usual: &Arc<Usual>) -> Device<H> {
        Device {
            worker: fresh(plans, index, usual),
            usual: usual.clone(),
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
    pub(super) fn crash(&mut self, now: Nanos, plans: &Arc<Plans>, index: usize) {
        self.up = false;
        self.frozen = false;
        self.inbox.clear();
        self.hanging.clear();
        self.crashed_at = Some(now);
        self.worker = fresh(plans, index, &self.usual);
    }
}

fn fresh(plans: &Arc<Plans>, index: usize, usual: &Arc<Usual>) -> Worker {
    let config = WorkerConfig { usual: usual.clone(), ..WorkerConfig::default() };
    Worker::new(plans.clone(), DeviceId(index as u8), config)
}
