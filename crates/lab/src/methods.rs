//! Every way to divide a layer, on every model: the table `docs/methods.md`.
//!
//! ```text
//! model -> trials: kind of layer x way to divide it x spares
//! trial -> even plan -> bundle -> rehearsal with lost devices -> row
//! ```
//!
//! Answers are held against those of ONNX Runtime, which `scripts/golden.py`
//! and `scripts/zoo_golden.py` keep for the same files and inputs.

mod model;
mod row;
mod run;
mod subject;
mod table;
mod trial;
mod trial_kind;
mod way;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

pub use model::{MODELS, Model, find};
pub use row::{Columns, Row};
pub use subject::Subject;
pub use table::{read, render};
pub use trial::Trial;
pub use trial_kind::TrialKind;
pub use way::Way;

use crate::zoo::Size;

/// Told of each trial that was run, what came of it and how long it took.
pub(crate) type OnTrial<'a> = &'a (dyn Fn(&Trial, &anyhow::Result<Row>, Duration) + Sync);

/// Runs all trials of `models`, the zoo in `size`, as many models at a time as there are
/// processors. A trial that fails does not keep the others from being run.
pub fn run(
    models: &[&'static Model],
    size: Size,
    on_trial: OnTrial<'_>,
) -> anyhow::Result<Vec<Row>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(model) = models.get(next.fetch_add(1, Ordering::Relaxed)) {
            let made = run_model(model, size, on_trial);
            done.lock().expect("no panic while held").push((model.name, made));
        }
    };
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from).min(models.len());
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    let mut done = done.into_inner().expect("no panic while held");
    let mut rows = Vec::new();
    for model in models {
        let at = done.iter().position(|(name, _)| *name == model.name);
        let made = done.swap_remove(at.context("a model was not run")?).1;
        rows.extend(made.with_context(|| format!("model {}", model.name))?);
    }
    Ok(rows)
}

fn run_model(model: &'static Model, size: Size, on_trial: OnTrial<'_>) -> anyhow::Result<Vec<Row>> {
    let subject = model.load(size)?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for trial in model.trials() {
        let since = Instant::now();
        let row = trial.run(&subject).and_then(Row::right);
        on_trial(&trial, &row, since.elapsed());
        match row {
            Ok(row) => rows.push(row),
            Err(error) => failed.push(format!("{trial}: {error:#}")),
        }
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("; "));
    }
    Ok(rows)
}
