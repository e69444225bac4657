//! What tasks ask of a device.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use quorate::node::stems;
use quorate_core::cluster::Profile;
use quorate_core::id::StageId;
use quorate_core::plan::{Plan, Plans};
use quorate_core::timing;
use quorate_core::worker::TaskId;
use quorate_model::division::whole::Whole;
use quorate_model::part::Part;
use quorate_model::region::shape;
use quorate_model::stage::{Stage, Staged};
use quorate_model::work::Work;

/// What tasks ask of a device. Copies share everything.
#[derive(Clone, Debug)]
pub struct Costs(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    Measured { timing: timing::Timing, stems: BTreeMap<TaskId, String> },
    Shared(BTreeMap<TaskId, Vec<Work>>),
}

impl Costs {
    /// By measurement: a task takes what its whole stage takes on the device,
    /// by the share of it that the task was measured to be. What emulated
    /// devices go by.
    pub fn measured(plans: &Plans, timing: timing::Timing) -> Costs {
        Costs(Arc::new(Kind::Measured { timing, stems: stems(plans) }))
    }

    /// By shares, where nothing was measured: a task takes its share of the
    /// layer's operations and weights, its share of what glue it computes, and
    /// each node's overhead in full. Dividing a stage loses nothing but that,
    /// which is too good for convolutions and nearly true of matrix products.
    pub fn by_share(staged: &Staged, plans: &Plans) -> anyhow::Result<Costs> {
        let mut works = BTreeMap::new();
        for (task, plan) in tasks(plans) {
            let value = &plans.values()[plan.stages()[task.stage.index()].value.index()];
            let stage = staged.making(&value.name);
            let stage = stage.with_context(|| format!("no stage makes {}", value.name))?;
            let stage = &staged.stages[stage];
            let read = read_share(staged, stage, plan, &task);
            works.insert(task, share(staged, stage, plan, &task, read));
        }
        Ok(Costs(Arc::new(Kind::Shared(works))))
    }

    /// What a task takes on a device; `None` for one that is not known.
    pub fn time(&self, task: &TaskId, profile: &Profile) -> Option<Duration> {
        match &*self.0 {
            Kind::Measured { timing, stems } => timing.task_time(stems.get(task)?, profile),
            Kind::Shared(works) => works.get(task).map(|work| profile.time(work)),
        }
    }

    /// Is every task of `plans` known?
    pub(super) fn check(&self, plans: &Plans) -> anyhow::Result<()> {
        for (task, plan) in tasks(plans) {
            let known = match &*self.0 {
                Kind::Measured { timing, stems } => {
                    stems.get(&task).is_some_and(|stem| timing.tasks.contains_key(stem))
                }
                Kind::Shared(works) => works.contains_key(&task),
            };
            let stem = || plan.task_stem(task.stage, task.shard);
            ensure!(known, "no time of task {}: pack with --measure", stem());
        }
        Ok(())
    }
}

/// All tasks, and the plan of each.
fn tasks(plans: &Plans) -> impl Iterator<Item = (TaskId, &Plan)> {
    plans.all().iter().flat_map(|plan| {
        (0..plan.stages().len() as u16).map(StageId).flat_map(move |stage| {
            let shards = 0..plan.stage_sharding(stage).seats.len();
            shards.map(move |shard| (TaskId { plan: plan.id(), stage, shard }, &**plan))
        })
    })
}

/// The share of its input that a task reads: of that much it computes the glue.
fn read_share(staged: &Staged, stage: &Stage, plan: &Plan, task: &TaskId) -> f64 {
    let [read] = stage.reads.as_slice() else { return 1.0 };
    let [value] = plan.stages()[task.stage.index()].reads.as_slice() else { return 1.0 };
    let all: usize = staged.values[*read].shape.iter().product();
    let part = plan.part_read(task.stage, task.shard, *value);
    part.map_or(1.0, |part| shape(part).iter().product::<usize>() as f64 / all.max(1) as f64)
}

/// What of its stage's work a task does.
fn share(staged: &Staged, stage: &Stage, plan: &Plan, task: &TaskId, read: f64) -> Vec<Work> {
    let part = plan.stage_sharding(task.stage).part(task.shard);
    let mut works = staged.work(stage);
    let Some(layer) = stage.layer() else { return works };
    let whole = Part::data(Arc::new(Whole), 0);
    let ratio = |some: u64, all: u64| some as f64 / all.max(1) as f64;
    let operations = ratio(part.flops(layer), whole.flops(layer));
    let weights = ratio(part.weight_bytes(layer), whole.weight_bytes(layer));
    for (place, work) in works.iter_mut().enumerate() {
        // Glue, the layer, and what follows it on as many rows as it makes.
        let (macs, bytes, moved) = match place.cmp(&stage.glue.len()) {
            std::cmp::Ordering::Less => (read, 1.0, read),
            std::cmp::Ordering::Equal => (operations, weights, operations),
            std::cmp::Ordering::Greater => (operations, 1.0, operations),
        };
        let times = |count: u64, share: f64| (count as f64 * share).round() as u64;
        work.macs = times(work.macs, macs);
        work.weight_bytes = times(work.weight_bytes, bytes);
        work.moved_bytes = times(work.moved_bytes, moved);
    }
    works
}
