//! Threads that compute, so that the one that speaks never waits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, ensure};
use quorate_core::gather::Gathered;
use quorate_core::packing::{PACKED_FILE, task_stem};
use quorate_core::plan::Plans;
use quorate_core::worker::TaskId;
use quorate_engine::{Engine, Port, Task};
use quorate_model::tensor::Tensor;

/// A task that is loaded once and run by whichever lane comes first.
type Shared = Arc<Mutex<Option<Box<dyn Task>>>>;

/// The tasks of one bundle folder, each loaded when it is first asked for.
pub struct TaskStore {
    engine: Arc<dyn Engine>,
    folder: PathBuf,
    /// The fingerprints that the folder had when it was opened.
    packed: Option<Vec<u8>>,
    tasks: Mutex<BTreeMap<String, Shared>>,
}

impl TaskStore {
    /// The tasks in `folder`.
    pub fn new(engine: Arc<dyn Engine>, folder: &Path) -> TaskStore {
        let packed = std::fs::read(folder.join(PACKED_FILE)).ok();
        TaskStore { engine, folder: folder.to_owned(), packed, tasks: Mutex::default() }
    }

    /// Runs the task file `stem` on the gathered values.
    pub fn run(&self, stem: &str, inputs: &[Arc<Gathered>]) -> anyhow::Result<Vec<Tensor>> {
        let tensors =
            inputs.iter().map(|gathered| gathered.tensor()).collect::<Result<Vec<_>, _>>()?;
        self.with(stem, |task| Ok(task.run(&tensors)?))
    }

    /// Loads the task file `stem` if it is not loaded yet.
    pub fn load(&self, stem: &str) -> anyhow::Result<()> {
        self.with(stem, |_| Ok(()))
    }

    /// What the task file `stem` makes, in its order.
    pub fn outputs(&self, stem: &str) -> anyhow::Result<Vec<Port>> {
        self.with(stem, |task| Ok(task.outputs().to_vec()))
    }

    fn with<T>(
        &self,
        stem: &str,
        then: impl FnOnce(&mut dyn Task) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let shared = {
            let mut tasks = self.tasks.lock().expect("no panic while held");
            tasks.entry(stem.to_owned()).or_default().clone()
        };
        let mut slot = shared.lock().unwrap_or_else(|poisoned| {
            // A task that panicked is in an unknown state: load it anew.
            let mut slot = poisoned.into_inner();
            *slot = None;
            slot
        });
        if slot.is_none() {
            // Tasks of one bundle beside those of another would be wrong
            // without anybody's noticing.
            let packed = std::fs::read(self.folder.join(PACKED_FILE)).ok();
            let folder = self.folder.display();
            ensure!(packed == self.packed, "{folder} was packed again: start this process anew");
            let path = self.folder.join(format!("{stem}.onnx"));
            let loaded = self.engine.load(&path);
            *slot = Some(loaded.with_context(|| format!("loading {}", path.display()))?);
        }
        then(slot.as_mut().expect("just loaded").as_mut())
    }
}

/// File stems of all tasks that worker jobs name.
pub fn stems(plans: &Plans) -> BTreeMap<TaskId, String> {
    let mut stems = BTreeMap::new();
    for plan in &plans.plans {
        for seat in 0..plan.seats {
            for (stage, shard) in plan.tasks(quorate_core::id::SeatId(seat as u8)) {
                let task = TaskId { plan: plan.id, stage, shard };
                stems.insert(task, task_stem(plan, stage, shard));
            }
        }
    }
    stems
}

/// A job for a lane: what to run, and what it is called when it comes back.
pub struct LaneJob<J, T> {
    /// Comes back with the result.
    pub job: J,
    /// Task file to run.
    pub stem: String,
    /// Its inputs.
    pub inputs: Vec<Arc<Gathered>>,
    /// What is made of the outputs, in the lane too.
    pub finish: Finish<T>,
}

/// Makes a result of a task's outputs.
pub type Finish<T> = Box<dyn FnOnce(Vec<Tensor>) -> Result<T, String> + Send>;

/// A number of compute threads over one task store.
pub struct Lanes<J, T> {
    jobs: std::sync::mpsc::Sender<LaneJob<J, T>>,
}

/// What a job made, or why it made nothing.
pub type Outcome<J, T> = (J, Result<T, String>);

/// Where outcomes arrive.
pub type Done<J, T> = tokio::sync::mpsc::UnboundedReceiver<Outcome<J, T>>;

impl<J: Send + 'static, T: Send + 'static> Lanes<J, T> {
    /// Starts `lanes` threads; outcomes arrive on the receiver.
    pub fn start(
        store: &Arc<TaskStore>,
        lanes: usize,
    ) -> std::io::Result<(Lanes<J, T>, Done<J, T>)> {
        let (jobs, queue) = std::sync::mpsc::channel::<LaneJob<J, T>>();
        let (done, outcomes) = tokio::sync::mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        for lane in 0..lanes {
            let (store, queue, done) = (store.clone(), queue.clone(), done.clone());
            let thread = std::thread::Builder::new().name(format!("lane-{lane}"));
            thread.spawn(move || {
                loop {
                    let next = queue.lock().expect("no panic while held").recv();
                    let Ok(LaneJob { job, stem, inputs, finish }) = next else { return };
                    let run = || {
                        let outputs = store.run(&stem, &inputs).map_err(|e| format!("{e:#}"))?;
                        finish(outputs)
                    };
                    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
                        .unwrap_or_else(|_| Err(format!("task {stem} panicked")));
                    if done.send((job, result)).is_err() {
                        return;
                    }
                }
            })?;
        }
        Ok((Lanes { jobs }, outcomes))
    }

    /// Queues a job.
    pub fn run(&self, job: LaneJob<J, T>) {
        // The lanes end only with this value, so somebody receives.
        let _ = self.jobs.send(job);
    }
}
