//! An engine whose tasks take as long as on another device.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use quorate_core::timing::{TIMING_FILE, Timing};
use quorate_engine::{Engine, EngineError, Port, Task};
use quorate_model::tensor::Tensor;

use super::lateness::Lateness;
use super::overruns::Overruns;
use super::settings::Emulation;

/// An engine whose tasks take as long as on the emulated device.
pub struct EmulatedEngine {
    inner: Arc<dyn Engine>,
    name: String,
    emulation: Emulation,
    timing: Timing,
    overruns: Overruns,
}

impl EmulatedEngine {
    /// Runs the tasks of the bundle folder `folder` by `inner`, each as long as
    /// the emulated device takes for it.
    pub fn open(
        inner: Arc<dyn Engine>,
        folder: &Path,
        emulation: Emulation,
    ) -> anyhow::Result<EmulatedEngine> {
        let path = folder.join(TIMING_FILE);
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("{}: pack with --measure to emulate devices", path.display())
        })?;
        let timing = Timing::parse(&text).with_context(|| path.display().to_string())?;
        ensure!(
            timing.engine == inner.name(),
            "{} was measured with {}, this is {}: pack again with --measure",
            path.display(),
            timing.engine,
            inner.name()
        );
        let overruns = Overruns::open(emulation.overruns.as_deref())?;
        let name = format!("{} as {}", inner.name(), emulation.profile.name);
        Ok(EmulatedEngine { inner, name, emulation, timing, overruns })
    }
}

impl Engine for EmulatedEngine {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_proven(&self, form: &str) -> bool {
        self.inner.is_proven(form)
    }

    fn load(&self, path: &Path) -> Result<Box<dyn Task>, EngineError> {
        let task = self.inner.load(path)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let known = self.timing.task_time(&stem, &self.emulation.profile);
        let takes = known.ok_or_else(|| EngineError::Load {
            engine: "emulation",
            model: path.display().to_string(),
            reason: format!("{TIMING_FILE} has no time of it: pack again with --measure"),
        })?;
        let takes = self.emulation.stretch(takes);
        let (overruns, lateness) = (self.overruns.clone(), self.emulation.lateness.clone());
        Ok(Box::new(EmulatedTask { inner: task, stem, takes, overruns, lateness }))
    }

    /// A model that is no task of a bundle takes what it takes here.
    fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Box<dyn Task>, EngineError> {
        self.inner.load_bytes(name, bytes)
    }
}

struct EmulatedTask {
    inner: Box<dyn Task>,
    stem: String,
    takes: Duration,
    overruns: Overruns,
    lateness: Lateness,
}

impl Task for EmulatedTask {
    fn inputs(&self) -> &[Port] {
        self.inner.inputs()
    }

    fn outputs(&self) -> &[Port] {
        self.inner.outputs()
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        let began = Instant::now();
        // The device would have had its inputs earlier than this machine.
        let began = began.checked_sub(self.lateness.take()).unwrap_or(began);
        let due = began + self.takes;
        let outputs = self.inner.run(inputs)?;
        let now = Instant::now();
        self.overruns.check_task(now.saturating_duration_since(due), &self.stem);
        std::thread::sleep(due.saturating_duration_since(now));
        Ok(outputs)
    }
}
