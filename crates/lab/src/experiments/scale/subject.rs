//! A planned model on devices of one kind.

use std::sync::Arc;
use std::time::Duration;

use quorate::emulation;
use quorate_core::cost;
use quorate_core::id::SeatId;
use quorate_core::plan::Plans;
use quorate_core::planner::{self, PlanRequest};
use quorate_model::model::{Limits, Model};
use quorate_model::stage::Staged;

use crate::sim::Fault;
use crate::sim::blank::Blank;
use crate::sim::timed::{Costs, Script, Timing};

/// A model's file, cut into stages.
pub(super) fn read(bytes: Vec<u8>) -> anyhow::Result<Staged> {
    Ok(Staged::new(Model::read(bytes.into(), &Limits::default())?)?)
}

/// A planned model on devices of one kind. Nothing is computed.
pub(super) struct Subject<'a> {
    staged: &'a Staged,
    plans: Arc<Plans>,
    /// What its tasks make.
    pub(super) blank: Blank,
    /// What they take.
    pub(super) timing: Timing,
}

impl<'a> Subject<'a> {
    /// The model over `data` devices and `spares` more.
    pub(super) fn new(
        staged: &'a Staged,
        (profile, network): (&str, &str),
        data: usize,
        spares: usize,
        seed: u64,
    ) -> anyhow::Result<Subject<'a>> {
        let mut request = PlanRequest::local("model.onnx", &"0".repeat(64), data, spares)?;
        // No more devices die than are spare.
        request.fewest_devices = data + spares;
        let plans = Arc::new(planner::even(staged, &request)?);
        let costs = Costs::by_share(staged, &plans)?;
        let profile = emulation::profile(profile)?;
        let network = emulation::network(network)?;
        let timing = Timing::new(&profile, data + spares, &network, costs).seeded(seed);
        Ok(Subject { staged, blank: Blank::new(plans.clone()), plans, timing })
    }

    /// Weights of the device that has the most, in bytes.
    pub(super) fn largest_weight_bytes(&self) -> u64 {
        let seats = (0..self.plans.main().seats() as u8).map(SeatId);
        let bytes = |seat| cost::weight_bytes(self.staged, &self.plans, self.plans.main(), seat);
        seats.map(bytes).max().unwrap_or(0)
    }
}

/// `script`, with the first so many devices dead from the beginning. They die
/// without a word, as if they had lost power.
pub(super) fn with_dead(script: Script, dead: usize) -> Script {
    let crash = |device| (Duration::ZERO, Fault::Crash { device, goodbye: false });
    script.with((0..dead).map(crash))
}
