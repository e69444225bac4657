//! Tasks loaded before anybody asks for them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use quorate_core::id::{DeviceId, PlanId, SeatId};
use quorate_core::plan::{Plan, Plans};

use crate::node::tasks::TaskStore;

/// Has tasks loaded, in the background, of the plans that requests may move to
/// next: those for as few devices as are left when one more is gone than a plan
/// bears that was used. Tasks of further plans are rarely needed and take memory.
pub(super) struct LoadAhead {
    plans: Arc<Plans>,
    /// The last plan that is loaded, or about to be.
    last: usize,
    further: Sender<usize>,
}

impl LoadAhead {
    /// Loads the main plan's tasks; those of the next plans in the background.
    pub(super) fn start(
        plans: &Arc<Plans>,
        device: DeviceId,
        store: &Arc<TaskStore>,
    ) -> anyhow::Result<LoadAhead> {
        for stem in stems(plans, plans.main(), device) {
            store.load(&stem)?;
        }
        let (further, asked) = channel();
        let mut ahead = LoadAhead { plans: plans.clone(), last: 0, further };
        ahead.used(plans.main().id());
        let (plans, store) = (plans.clone(), store.clone());
        let load = move || load_when_asked(&asked, &plans, device, &store);
        std::thread::Builder::new().name("load-ahead".to_owned()).spawn(load)?;
        Ok(ahead)
    }

    /// A request goes by this plan.
    pub(super) fn used(&mut self, plan: PlanId) {
        let last = last_needed(&self.plans, plan);
        if last > self.last {
            self.last = last;
            // Without its thread they are loaded when they are first asked for.
            let _ = self.further.send(last);
        }
    }
}

/// The last plan that requests may move to next from this one.
fn last_needed(plans: &Plans, plan: PlanId) -> usize {
    let at = plans.all().iter().position(|other| other.id() == plan).unwrap_or(0);
    let next = at + plans.all()[at].tolerance() + 1;
    next.min(plans.all().len() - 1)
}

/// The tasks of a plan that may be this device's.
fn stems(plans: &Plans, plan: &Plan, device: DeviceId) -> Vec<String> {
    let tasks = plans.possible_seats(plan, device).flat_map(|seat| plan.tasks(SeatId(seat as u8)));
    tasks.map(|(stage, shard)| plan.task_stem(stage, shard)).collect()
}

fn load_when_asked(asked: &Receiver<usize>, plans: &Plans, device: DeviceId, store: &TaskStore) {
    yield_to_others();
    let mut loaded = 0;
    while let Ok(last) = asked.recv() {
        for plan in plans.all().iter().take(last + 1).skip(loaded + 1) {
            for stem in stems(plans, plan, device) {
                if let Err(error) = store.load(&stem) {
                    tracing::warn!("{error:#}");
                }
            }
        }
        loaded = last;
    }
}

/// Lets every other thread of the machine go first; for work that nobody
/// waits for.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        // On Linux a priority belongs to the thread that asks.
        let thread = rustix::thread::gettid();
        if let Err(error) = rustix::process::setpriority_process(Some(thread), 19) {
            tracing::debug!("lowering a thread's priority: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_core::planner::{self, PlanRequest};
    use quorate_model::model::{Limits, Model};
    use quorate_model::stage::Staged;

    #[test]
    fn plans_are_loaded_a_step_ahead_of_the_one_in_force() {
        let lenet = include_bytes!("../../../../../assets/lenet5.onnx");
        let model = Model::read(lenet.as_slice().into(), &Limits::default()).unwrap();
        let staged = Staged::new(model).unwrap();
        // Plans for 6 devices, two of which may be lost, for 5, 4, ... and 1.
        let request = PlanRequest::local("lenet5.onnx", &"ab".repeat(32), 4, 2).unwrap();
        let plans = planner::even(&staged, &request).unwrap();
        let needed: Vec<usize> =
            plans.all().iter().map(|plan| last_needed(&plans, plan.id())).collect();
        assert_eq!(needed, [3, 4, 5, 5, 5, 5]);
    }
}
