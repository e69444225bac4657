//! The tasks of a bundle folder, loaded and run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, ensure};
use quorate_core::failure::TaskError;
use quorate_core::gather::Gathered;
use quorate_core::id::SeatId;
use quorate_core::packing::PACKED_FILE;
use quorate_core::plan::Plans;
use quorate_core::worker::TaskId;
use quorate_engine::{Engine, Port, Task};
use quorate_model::tensor::Tensor;

/// A task that is loaded once and run by whichever lane comes first.
type Shared = Arc<Mutex<Option<Box<dyn Task>>>>;

/// The tasks of one bundle folder, each loaded when it is first asked for.
pub(crate) struct TaskStore {
    engine: Arc<dyn Engine>,
    folder: PathBuf,
    /// The fingerprints that the folder had when it was opened.
    packed: Option<Vec<u8>>,
    tasks: Mutex<BTreeMap<String, Shared>>,
}

impl TaskStore {
    /// The tasks in `folder`.
    pub(crate) fn new(engine: Arc<dyn Engine>, folder: &Path) -> TaskStore {
        let packed = std::fs::read(folder.join(PACKED_FILE)).ok();
        TaskStore { engine, folder: folder.to_owned(), packed, tasks: Mutex::default() }
    }

    /// Runs the task file `stem` on the gathered values.
    pub(crate) fn run(
        &self,
        stem: &str,
        inputs: &[Arc<Gathered>],
    ) -> Result<Vec<Tensor>, TaskError> {
        let words = |error: anyhow::Error| format!("{error:#}");
        let tensors: Result<Vec<Tensor>, _> =
            inputs.iter().map(|gathered| gathered.assemble()).collect();
        let tensors = tensors.map_err(|e| TaskError::of_device(words(e.into())))?;
        let outputs = self.with(stem, |task| Ok(task.run(&tensors)));
        // What could be loaded runs alike everywhere.
        outputs
            .map_err(|e| TaskError::of_device(words(e)))?
            .map_err(|e| TaskError::of_request(words(e.into())))
    }

    /// Loads the task file `stem` if it is not loaded yet.
    pub(crate) fn load(&self, stem: &str) -> anyhow::Result<()> {
        self.with(stem, |_| Ok(()))
    }

    /// What the task file `stem` makes, in its order.
    pub(crate) fn outputs(&self, stem: &str) -> anyhow::Result<Vec<Port>> {
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

/// The file stem of every task of `plans`.
pub fn stems(plans: &Plans) -> BTreeMap<TaskId, String> {
    let mut stems = BTreeMap::new();
    for plan in plans.all() {
        for seat in 0..plan.seats() {
            for (stage, shard) in plan.tasks(SeatId(seat as u8)) {
                let task = TaskId { plan: plan.id(), stage, shard };
                stems.insert(task, plan.task_stem(stage, shard));
            }
        }
    }
    stems
}
