//! What the tasks of a bundle take on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use quorate_core::id::{SeatId, StageId};
use quorate_core::plan::{Plan, Plans};
use quorate_core::planner::{self, MethodRequest, PlanRequest};
use quorate_core::timing::{TIMING_FILE, TaskTiming, Timing, WholeStage};
use quorate_engine::{Engine, Task};
use quorate_model::division::Codable;
use quorate_model::division::method::Method;
use quorate_model::stage::{Stage, Staged};
use quorate_model::tensor::{DType, Tensor, byte_len};

use super::write::write;
use crate::input::seeded;

/// Times that each task is run at least.
const ROUNDS_MIN: usize = 5;
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
    let mut subjects = subjects(staged, &whole_plans, &whole_bundle)?;
    let stages_end = subjects.len();
    subjects.extend(self::subjects(staged, plans, output)?);
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

/// A task to be run, and those for which its time counts too.
struct Subject<'a> {
    stage: &'a Stage,
    path: PathBuf,
    stems: Vec<String>,
}

/// What tells tasks apart whose times may differ: the value, and either the
/// work of a part by rows or the file.
type Kind = (u16, u64, u64, String);

fn subjects<'a>(
    staged: &'a Staged,
    plans: &Plans,
    bundle: &Path,
) -> anyhow::Result<Vec<Subject<'a>>> {
    let mut found: BTreeMap<Kind, Subject<'a>> = BTreeMap::new();
    for plan in plans.all() {
        for (stage, shard) in (0..plan.seats()).flat_map(|seat| plan.tasks(SeatId(seat as u8))) {
            let stem = plan.task_stem(stage, shard);
            let value = &plans.values()[plan.stages()[stage.index()].value.index()].name;
            let of = staged.making(value).with_context(|| format!("no stage makes {value}"))?;
            let of = &staged.stages[of];
            let kind = kind(plan, stage, shard, of, &stem);
            let subject = match found.get_mut(&kind) {
                Some(subject) => subject,
                None => {
                    let path = file(plans, bundle, &stem)?;
                    let subject = Subject { stage: of, path, stems: Vec::new() };
                    found.entry(kind).or_insert(subject)
                }
            };
            if !subject.stems.contains(&stem) {
                subject.stems.push(stem);
            }
        }
    }
    Ok(found.into_values().collect())
}

fn kind(plan: &Plan, id: StageId, shard: usize, stage: &Stage, stem: &str) -> Kind {
    let value = plan.stages()[id.index()].value;
    let sharding = plan.stage_sharding(id);
    let by_rows = sharding.division.codable() == Codable::Offline;
    match stage.layer() {
        Some(layer) if by_rows => {
            let part = sharding.part(shard);
            (value.0, part.flops(layer), part.weight_bytes(layer), String::new())
        }
        _ => (value.0, 0, 0, stem.to_owned()),
    }
}

/// A device's copy of a task file.
fn file(plans: &Plans, bundle: &Path, stem: &str) -> anyhow::Result<PathBuf> {
    let folders = plans.cluster().devices().iter().map(|device| bundle.join(&device.name));
    let mut files = folders.map(|folder| folder.join(format!("{stem}.onnx")));
    files.find(|file| file.is_file()).with_context(|| format!("no device has {stem}.onnx"))
}

/// Runs all in turns; the time of each that counts.
fn run_all(
    subjects: &[Subject<'_>],
    engine: &dyn Engine,
    statistic: Statistic,
    progress: &mut dyn FnMut(Measured),
) -> anyhow::Result<Vec<Duration>> {
    let total = subjects.len() * (1 + ROUNDS_MIN);
    let mut done = 0;
    let mut step = || {
        done += 1;
        progress(Measured { done: done.min(total), total });
    };
    let mut loaded = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let task = engine.load(&subject.path)?;
        let inputs = inputs(&*task)?;
        loaded.push((task, inputs));
        step();
    }
    let mut times = vec![Vec::new(); subjects.len()];
    let began = Instant::now();
    for round in 0..ROUNDS_MAX {
        if round >= ROUNDS_MIN && began.elapsed() >= LONG_ENOUGH {
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

/// Something that the task takes.
fn inputs(task: &dyn Task) -> anyhow::Result<Vec<Tensor>> {
    let ports = task.inputs().iter();
    let tensor = |port: &quorate_engine::Port| -> anyhow::Result<Tensor> {
        if port.dtype == DType::F32 {
            let made = seeded(&port.shape, 1, 1)?.pop();
            return made.context("one tensor");
        }
        let bytes = byte_len(port.dtype, &port.shape);
        let bytes = bytes.filter(|bytes| *bytes <= BYTES_MAX);
        ensure!(bytes.is_some(), "input {} is larger than {BYTES_MAX} bytes", port.name);
        let zeros = vec![0; bytes.unwrap_or(0)];
        Ok(Tensor::new(port.dtype, port.shape.clone(), zeros.into())?)
    };
    ports.map(tensor).collect()
}

/// Largest input that is made.
const BYTES_MAX: usize = 1 << 30;
