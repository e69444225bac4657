//! Tasks loaded before anybody asks for them.

use std::sync::Arc;

use quorate_core::id::{DeviceId, SeatId};
use quorate_core::plan::Plans;

use crate::node::tasks::TaskStore;

/// Loads the main plan's tasks, and in the background those of the plans that
/// requests move to when one device more is gone than the main plan bears. Tasks
/// of further plans are rarely needed and take memory: they are loaded when they
/// are first asked for.
pub(super) fn load_ahead(
    plans: &Arc<Plans>,
    device: DeviceId,
    store: &Arc<TaskStore>,
) -> anyhow::Result<()> {
    let of_plan = |index: usize| {
        let plan = &plans.all()[index];
        let seats = plans.possible_seats(plan, device);
        let tasks = seats.flat_map(|seat| plan.tasks(SeatId(seat as u8)));
        tasks.map(|(stage, shard)| plan.task_stem(stage, shard)).collect::<Vec<_>>()
    };
    for stem in of_plan(0) {
        store.load(&stem)?;
    }
    let moved_to = plans.main().tolerance() + 2;
    let later: Vec<String> = (1..plans.all().len().min(moved_to)).flat_map(of_plan).collect();
    let store = store.clone();
    std::thread::Builder::new().name("load-ahead".to_owned()).spawn(move || {
        yield_to_others();
        for stem in later {
            if let Err(error) = store.load(&stem) {
                tracing::warn!("{error:#}");
            }
        }
    })?;
    Ok(())
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
