//! What task files take in one engine: `scripts/engines.py` makes a table of it.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use quorate::input::seeded_requests;
use quorate_engine::Engine;
use serde::Serialize;

use crate::report::kilobytes;

/// What task files take in one engine, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Taken {
    /// Loading all, in milliseconds.
    pub load_ms: f64,
    /// Running each once, in milliseconds: the fastest of several rounds.
    pub run_ms: f64,
    /// Memory beyond what the process had before, at most, in megabytes.
    pub memory_mb: f64,
}

/// Loads `files` by `engine` and runs each `rounds` times on seeded inputs.
pub fn take(files: &[PathBuf], engine: &dyn Engine, rounds: usize) -> anyhow::Result<Taken> {
    let before_mb = memory_mb("VmRSS")?;
    let began = Instant::now();
    let tasks = files.iter().map(|file| engine.load(file)).collect::<Result<Vec<_>, _>>()?;
    let load_ms = began.elapsed().as_secs_f64() * 1e3;
    let mut loaded = Vec::with_capacity(tasks.len());
    for task in tasks {
        let inputs = seeded_requests(task.inputs(), |_| None, 1, 1)?.pop().context("inputs")?;
        loaded.push((task, inputs));
    }
    let mut run_ms = f64::INFINITY;
    // The first run of a task fills caches.
    for round in 0..=rounds {
        let began = Instant::now();
        for (task, inputs) in &mut loaded {
            task.run(inputs)?;
        }
        if round > 0 {
            run_ms = run_ms.min(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(Taken { load_ms, run_ms, memory_mb: memory_mb("VmHWM")? - before_mb })
}

/// A figure of the kernel's about this process.
fn memory_mb(key: &str) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/self/status").context("this process's memory")?;
    let kb = kilobytes(&text, key).with_context(|| format!("no {key} in /proc/self/status"))?;
    Ok(kb as f64 / 1024.0)
}
