//! Workers on hosts of their own, requests to them, and faults meanwhile.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use quorate::bundle::{self, ModelFile};
use quorate_core::planner::{self, PlanRequest};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::schedule::{Blow, FaultKind, Pattern, Schedule};
use crate::confined::{Confined, Processes};
use crate::engine::engine_arguments;
use crate::experiment::Context;
use crate::npy::npy;
use crate::zoo;

/// How a request ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Answered {
    /// Which of the different inputs it was.
    pub(super) input: usize,
    /// When, in milliseconds since the first request.
    pub(super) at_ms: f64,
    /// `None` where there was no answer.
    pub(super) latency_ms: Option<f64>,
    pub(super) attempts: u64,
    /// The first values of the answer.
    values: Vec<f64>,
}

impl Answered {
    /// Is it the same answer, but for rounding?
    pub(super) fn is_like(&self, other: &Answered, error_max: f64) -> bool {
        let largest = other.values.iter().fold(0f64, |most, value| most.max(value.abs()));
        let near = |(a, b): (&f64, &f64)| (a - b).abs() <= error_max * largest;
        self.values.len() == other.values.len()
            && !self.values.is_empty()
            && self.values.iter().zip(&other.values).all(near)
    }
}

const PORT: u16 = 7001;
/// Values of an answer that are kept.
const VALUES: usize = 8;

/// Can this machine have hosts of its own?
pub(super) fn try_out(devices: usize, link: &str) -> anyhow::Result<()> {
    Confined::new(devices + 1, link, 1.0).map(drop)
}

/// A packed model, and what is asked of it.
pub(super) struct Rig<'a> {
    program: &'a Path,
    link: &'a str,
    names: Vec<String>,
    inputs: usize,
    width: usize,
    folder: TempDir,
}

impl<'a> Rig<'a> {
    /// Packs a model of fully-connected layers for so many devices and spares,
    /// with plans for fewer devices down to one.
    pub(super) fn pack(
        program: &'a Path,
        (devices, spares, widths): (usize, usize, &[usize]),
        link: &'a str,
        seed: u64,
        inputs: usize,
    ) -> anyhow::Result<Rig<'a>> {
        let folder = TempDir::new().context("a temporary folder")?;
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("model.onnx"), zoo::fc_chain(widths).to_bytes(seed))?;
        let model = ModelFile::open(&at("model.onnx"))?;
        let mut request = PlanRequest::local(&model.name, &model.sha256, devices, spares)?;
        request.fewest_devices = 1;
        let plans = planner::even(&model.staged, &request)?;
        std::fs::write(at("plan.toml"), plans.to_toml())?;
        let plans = bundle::read_plan(&at("plan.toml"))?;
        let names = plans.cluster().names().iter().map(|name| (*name).to_owned()).collect();
        let mut pack = Command::new(program);
        pack.arg("pack").arg(at("model.onnx")).arg(at("plan.toml")).arg("-o").arg(at("bundle"));
        pack.args(engine_arguments());
        let output = pack.output().context("starting a process")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(Rig { program, link, names, inputs, width: widths[0], folder })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Asks one request after the other, so long after the answer to that before it,
    /// while faults come as the pattern says.
    pub(super) fn ask(
        &self,
        context: &Context,
        (requests, pause): (usize, Duration),
        faults: Option<(&Pattern, u64)>,
    ) -> anyhow::Result<(Vec<Answered>, Vec<Blow>)> {
        let devices = self.names.len();
        let confined = Confined::new(devices + 1, self.link, 1.0)?;
        let hosts: Vec<String> = (0..devices).map(|host| confined.address(host, PORT)).collect();
        let site = Site { rig: self, confined: &confined, hosts: hosts.join(",") };
        let mut workers = Processes::default();
        for device in 0..devices {
            workers.0.push(site.start(device)?);
        }
        std::fs::write(self.at("input.npy"), npy(self.width, self.inputs, requests))?;
        let mut run = confined.on(devices, false, self.program);
        run.arg("run").arg(self.at("bundle")).arg("--input").arg(self.at("input.npy"));
        run.args(["--hosts", &site.hosts, "--json", "--top", "1", "--deadline", "30s"]);
        run.args(engine_arguments());
        run.arg("--pause").arg(format!("{}ms", pause.as_millis()));
        run.args(["--patience", "30s"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut run = Processes(vec![run.spawn().context("starting a process")?]);
        let mut lines = BufReader::new(run.0[0].stdout.take().context("its output")?).lines();
        // All are up once the first is answered.
        let first = lines.next().context("no answer at all")??;
        let (began, over) = (Instant::now(), AtomicBool::new(false));
        let mut answers = vec![read(&first, 0.0, self.inputs)?];
        let blows = std::thread::scope(|scope| {
            let schedule = faults.map(|(pattern, seed)| Schedule::new(pattern, devices, seed));
            let blows = scope.spawn(|| site.play(schedule, workers, began, &over));
            let read = lines.try_for_each(|line| {
                context.go_on()?;
                let at_ms = began.elapsed().as_secs_f64() * 1e3;
                answers.push(read(&line?, at_ms, self.inputs)?);
                anyhow::Ok(())
            });
            over.store(true, Ordering::Relaxed);
            let blows = blows.join().expect("a thread of ours");
            read.and(blows)
        })?;
        ensure!(answers.len() == requests, "{} answers, asked {requests}", answers.len());
        Ok((answers, blows))
    }
}

/// Hosts, and what runs on them.
struct Site<'a> {
    rig: &'a Rig<'a>,
    confined: &'a Confined,
    hosts: String,
}

impl Site<'_> {
    fn start(&self, device: usize) -> anyhow::Result<Child> {
        let name = &self.rig.names[device];
        let mut worker = self.confined.on(device, false, self.rig.program);
        worker.args(["worker", "--end-with-parent", "--name", name, "--hosts", &self.hosts]);
        worker.arg("--bundle").arg(self.rig.at("bundle").join(name)).args(engine_arguments());
        worker.stdout(Stdio::null()).stderr(Stdio::null());
        worker.spawn().context("a worker")
    }

    /// Lets faults come and go until it is `over`; what came, and when.
    fn play(
        &self,
        schedule: Option<Schedule<'_>>,
        mut workers: Processes,
        began: Instant,
        over: &AtomicBool,
    ) -> anyhow::Result<Vec<Blow>> {
        let now_ms = || began.elapsed().as_secs_f64() * 1e3;
        let mut schedule = schedule.into_iter().flatten();
        let mut next = schedule.next();
        let (mut blows, mut under_way): (Vec<Blow>, Vec<Blow>) = (Vec::new(), Vec::new());
        while !over.load(Ordering::Relaxed) {
            let ended = |blow: &Blow| blow.at_ms + blow.length_ms <= now_ms();
            while let Some(at) = under_way.iter().position(ended) {
                self.heal(under_way.remove(at), &mut workers.0)?;
            }
            if let Some(mut blow) = next.take_if(|blow| blow.at_ms <= now_ms()) {
                blow.at_ms = now_ms();
                self.strike(blow, &mut workers.0)?;
                blows.push(blow);
                under_way.push(blow);
                next = schedule.next();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        under_way.into_iter().try_for_each(|blow| self.heal(blow, &mut workers.0))?;
        Ok(blows)
    }

    fn strike(&self, blow: Blow, workers: &mut [Child]) -> anyhow::Result<()> {
        let worker = &mut workers[blow.device];
        match blow.kind {
            FaultKind::Kill => {
                worker.kill()?;
                Ok(worker.wait().map(drop)?)
            }
            FaultKind::Freeze => signal("STOP", worker),
            FaultKind::Cut => self.confined.cut(blow.device),
        }
    }

    fn heal(&self, blow: Blow, workers: &mut [Child]) -> anyhow::Result<()> {
        match blow.kind {
            FaultKind::Kill => workers[blow.device] = self.start(blow.device)?,
            FaultKind::Freeze => signal("CONT", &workers[blow.device])?,
            FaultKind::Cut => self.confined.mend(blow.device)?,
        }
        Ok(())
    }
}

fn signal(name: &str, worker: &Child) -> anyhow::Result<()> {
    let pid = worker.id().to_string();
    let status = Command::new("kill").args(["-s", name, &pid]).status()?;
    if !status.success() {
        bail!("kill -s {name} {pid} failed");
    }
    Ok(())
}

/// What a line of `quorate run --json` says.
fn read(line: &str, at_ms: f64, inputs: usize) -> anyhow::Result<Answered> {
    let answer: serde_json::Value = serde_json::from_str(line)?;
    let input = answer["input"].as_u64().with_context(|| format!("no answer: {line}"))?;
    let values = answer["outputs"][0]["values"].as_array().into_iter().flatten();
    Ok(Answered {
        input: input as usize % inputs,
        at_ms,
        latency_ms: answer["latency_ms"].as_f64(),
        attempts: answer["attempts"].as_u64().unwrap_or(0),
        values: values.take(VALUES).filter_map(serde_json::Value::as_f64).collect(),
    })
}
