//! Does every task of a bundle run?

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;
use quorate_core::cluster::GATEWAY_FOLDER;
use quorate_core::plan::{OUTPUT_TASK, Plans};
use quorate_engine::Engine;
use quorate_model::stage::Staged;

use super::measure::Measured;
use super::subject;

/// Loads every task of the bundle `bundle` and runs it once, on several threads.
/// `progress` is called between tasks.
///
/// # Errors
///
/// The first task that does not load or run, with what the engine says of it.
pub fn verify(
    staged: &Staged,
    plans: &Plans,
    bundle: &Path,
    engine: &dyn Engine,
    progress: &mut (dyn FnMut(Measured) + Send),
) -> anyhow::Result<()> {
    let subjects = subject::subjects(staged, plans, bundle)?;
    let total = subjects.len() + 1;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(subjects.len());
    let (next, progress) = (AtomicUsize::new(0), Mutex::new((0, progress)));
    let step = || {
        let mut progress = progress.lock().expect("no panic while held");
        progress.0 += 1;
        let done = progress.0;
        (progress.1)(Measured { done, total });
    };
    let work = || {
        loop {
            let Some(subject) = subjects.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return Ok(());
            };
            tried(engine, &subject.path).with_context(|| {
                format!("{} does not run a part of stage {}", engine.name(), subject.stage.name)
            })?;
            step();
        }
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = running.into_iter().map(|thread| match thread.join() {
            Ok(ended) => ended,
            Err(_) => Err(anyhow::anyhow!("a task's trial panicked")),
        });
        ended.collect::<anyhow::Result<()>>()
    })?;
    let last = bundle.join(GATEWAY_FOLDER).join(format!("{OUTPUT_TASK}.onnx"));
    tried(engine, &last)
        .with_context(|| format!("{} does not run what is after the last layer", engine.name()))?;
    step();
    Ok(())
}

/// Loads the task at `path` and runs it once.
fn tried(engine: &dyn Engine, path: &Path) -> anyhow::Result<()> {
    let mut task = engine.load(path)?;
    let inputs = subject::inputs(&*task)?;
    task.run(&inputs)?;
    Ok(())
}
