//! Every way to divide a layer, on every model: the table `docs/methods.md`.
//!
//! ```text
//! model -> cells: kind of layer x way to divide it x spares
//! cell  -> plan by rule -> bundle -> rehearsal with lost devices -> row
//! ```
//!
//! Answers are held against those of ONNX Runtime, which `scripts/golden.py`
//! and `scripts/zoo_golden.py` keep for the same files and inputs.

mod cell;
mod model;
mod table;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

pub use cell::{Cell, DATA_DEVICES, Kind, Way};
pub use model::{MODELS, Model, Subject, find};
pub use table::{Columns, Row, read, render};

use crate::zoo::Size;

/// Told of each cell that was run, what came of it and how long it took.
pub type Report<'a> = &'a (dyn Fn(&Cell, &anyhow::Result<Row>, Duration) + Sync);

/// Runs all cells of `models`, the zoo in `size`, as many models at a time as there are
/// processors. A cell that fails does not keep the others from being run.
pub fn run(models: &[&'static Model], size: Size, report: Report<'_>) -> anyhow::Result<Vec<Row>> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(model) = models.get(next.fetch_add(1, Ordering::Relaxed)) {
            let made = run_model(model, size, report);
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

fn run_model(model: &'static Model, size: Size, report: Report<'_>) -> anyhow::Result<Vec<Row>> {
    let subject = model.load(size)?;
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for cell in model.cells() {
        let since = Instant::now();
        let row = cell.run(&subject).and_then(Row::right);
        report(&cell, &row, since.elapsed());
        match row {
            Ok(row) => rows.push(row),
            Err(error) => failed.push(format!("{cell}: {error:#}")),
        }
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("; "));
    }
    Ok(rows)
}
