//! What the tasks of a bundle take on this machine.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use quorate_core::plan::Plans;
use quorate_core::planner::{self, MethodRequest, PlanRequest};
use quorate_core::timing::{TIMING_FILE, TaskTiming, Timing, WholeStage};
use quorate_engine::Engine;
use quorate_model::division::method::Method;
use quorate_model::stage::{Stage, Staged};

use super::subject::{self, Subject};
use super::write::write;

/// Times that each task is run at least.
const ROUNDS_MIN: usize = 5;
/// The same, where the median counts.
const MEDIAN_ROUNDS_MIN: usize = 15;
/// And at most.
const ROUNDS_MAX: usize = 100;
/// Time after which no further round is begun, once there are enough.
const LONG_ENOUGH: Duration = Duration::from_millis(500);

/// Which of a task's times counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statistic {
    /// The least: what else the machine does is not the task's.
    #[default]
    Least,
    /// The median: of a process that has a share of a core, by turns, the least
    /// is what it takes when its turn has just come.
    Median,
}

/// How far the measuring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Tasks loaded and runs made.
    pub done: usize,
    /// Of at least so many.
    pub total: usize,
}

/// Runs every task of the bundle `output`, and every stage of `staged` whole,
/// on one thread of this machine, which should have nothing else to do, and
/// notes the times in each device's folder: what emulated devices go by.
///
/// Tasks take turns, so that each finds the caches as others left them. Tasks
/// that differ in nothing but their weights are run once for all.
pub fn measure(
    staged: &Staged,
    model_sha256: &str,
    plans: &Plans,
    output: &Path,
    engine: &dyn Engine,
    statistic: Statistic,
    progress: &mut dyn FnMut(Measured),
) -> anyhow::Result<Timing> {
    let whole = tempfile::tempdir().context("a temporary folder")?;
    let whole_bundle = whole.path().join("bundle");
    let whole_plans = whole_plans(staged, model_sha256)?;
    write(staged, model_sha256, &whole_plans, &whole_bundle, &mut |_| ())?;
    let mut subjects = subject::subjects(staged, &whole_plans, &whole_bundle)?;
    let stages_end = subjects.len();
    subjects.extend(subject::subjects(staged, plans, output)?);
    let times = run_all(&subjects, engine, statistic, progress)?;
    let us = |subject: usize| times[subject].as_secs_f64() * 1e6;
    let mut timing = Timing { engine: engine.name().to_owned(), ..Timing::default() };
    for (index, subject) in subjects.iter().enumerate() {
        let name = subject.stage.name.clone();
        if index < stages_end {
            let stage = WholeStage::new(us(index), &staged.work(subject.stage));
            timing.stages.insert(name, stage);
            continue;
        }
        for stem in &subject.stems {
            let task = TaskTiming { stage: name.clone(), task_us: us(index) };
            timing.tasks.insert(stem.clone(), task);
        }
    }
    let text = timing.to_toml().context("times as TOML")?;
    for device in plans.cluster().devices() {
        let path = output.join(&device.name).join(TIMING_FILE);
        std::fs::write(&path, &text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(timing)
}

/// The plan of one device that computes each stage whole.
fn whole_plans(staged: &Staged, model_sha256: &str) -> anyhow::Result<Plans> {
    let mut request = PlanRequest::local("whole", model_sha256, 1, 0)?;
    let whole =
        |stage: &Stage| MethodRequest { layer: Some(stage.name.clone()), method: Method::Whole };
    request.methods =
        staged.stages.iter().filter(|stage| stage.layer().is_some()).map(whole).collect();
    Ok(planner::even(staged, &request)?)
}

/// Runs all in turns; the time of each that counts.
fn run_all(
    subjects: &[Subject<'_>],
    engine: &dyn Engine,
    statistic: Statistic,
    progress: &mut dyn FnMut(Measured),
) -> anyhow::Result<Vec<Duration>> {
    let least = match statistic {
        Statistic::Least => ROUNDS_MIN,
        Statistic::Median => MEDIAN_ROUNDS_MIN,
    };
    let total = subjects.len() * (1 + least);
    let mut done = 0;
    let mut step = || {
        done += 1;
        progress(Measured { done: done.min(total), total });
    };
    let mut loaded = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let task = engine.load(&subject.path)?;
        let inputs = subject::inputs(&*task)?;
        loaded.push((task, inputs));
        step();
    }
    let mut times = vec![Vec::new(); subjects.len()];
    let began = Instant::now();
    for round in 0..ROUNDS_MAX {
        if round >= least && began.elapsed() >= LONG_ENOUGH {
            break;
        }
        for ((task, inputs), times) in loaded.iter_mut().zip(&mut times) {
            let started = Instant::now();
            task.run(inputs)?;
            times.push(started.elapsed().max(Duration::from_nanos(1)));
            step();
        }
    }
    let counts = |mut times: Vec<Duration>| {
        times.sort_unstable();
        let place = match statistic {
            Statistic::Least => 0,
            Statistic::Median => times.len() / 2,
        };
        times[place]
    };
    Ok(times.into_iter().map(counts).collect())
}
