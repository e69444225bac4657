//! One system, run three ways.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use quorate::bundle::{self, ModelFile};
use quorate::emulation::count_overruns;
use quorate_core::cluster::{Network, Profile};
use quorate_core::plan::Plans;
use quorate_core::planner::{self, PlanRequest};
use quorate_core::timing::{TIMING_FILE, Timing};
use serde::Deserialize;
use tempfile::TempDir;

use crate::confined::{Confined, Processes};
use crate::engine::engine_arguments;
use crate::fleet::Pace;
use crate::npy::npy;
use crate::sim::blank::Blank;
use crate::sim::timed::{Costs, Script, Timed, Timing as Speed};
use crate::statistics::percentile;
use crate::zoo;

/// A model of fully-connected layers between these numbers of values.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) widths: Vec<usize>,
}

/// What is the same in all cases.
pub(super) struct Settings<'a> {
    pub(super) data: usize,
    pub(super) spares: usize,
    pub(super) link: &'a str,
    pub(super) share: f64,
    pub(super) network: &'a str,
    /// What is asked before the cases, to learn what a message costs.
    pub(super) messages: &'a Case,
}

impl Settings<'_> {
    fn devices(&self) -> usize {
        self.data + self.spares
    }

    /// Hosts for the devices and one for the gateway.
    fn confine(&self) -> anyhow::Result<Confined> {
        Confined::new(self.devices() + 1, self.link, self.share)
    }

    /// Can processes be confined here?
    pub(super) fn try_out(&self) -> anyhow::Result<()> {
        self.confine().map(drop)
    }
}

/// One system, packed.
pub(super) struct Rig<'a> {
    program: &'a Path,
    settings: &'a Settings<'a>,
    plans: Plans,
    timing: Timing,
    profile: String,
    requests: usize,
    folder: TempDir,
}

const BUNDLE: &str = "bundle";
const PORT: u16 = 7001;
/// The emulated devices go so many times slower: their tasks and this
/// machine's, which take half as long, must not meet.
const DILATION: f64 = 2.0;
/// A cost of a message to learn by how much it slows requests.
const TRIED_US: f64 = 500.0;
/// Time that processes have to come up.
const PATIENCE: Duration = Duration::from_secs(30);

impl<'a> Rig<'a> {
    /// Packs the case's model, and measures its tasks on all devices at once,
    /// each with its share of a core: that is the profile.
    pub(super) fn pack(
        program: &'a Path,
        case: &Case,
        settings: &'a Settings<'a>,
        seed: u64,
        requests: usize,
        message_cost_us: f64,
    ) -> anyhow::Result<Rig<'a>> {
        let folder = TempDir::new().context("a temporary folder")?;
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("model.onnx"), zoo::fc_chain(&case.widths).to_bytes(seed))?;
        let model = ModelFile::open(&at("model.onnx"))?;
        let (name, sha256) = (&model.name, &model.sha256);
        let mut request = PlanRequest::local(name, sha256, settings.data, settings.spares)?;
        request.fewest_devices = settings.devices();
        let plans = planner::even(&model.staged, &request)?;
        std::fs::write(at("plan.toml"), plans.to_toml())?;
        std::fs::write(at("network.toml"), settings.network)?;
        std::fs::write(at("input.npy"), npy(case.widths[0], requests, requests))?;
        let timing = measured(program, settings, folder.path())?;
        let profile = profile(&model, &timing, message_cost_us);
        std::fs::write(at("device.toml"), &profile)?;
        let plans = bundle::read_plan(&at("plan.toml"))?;
        for device in plans.cluster().devices() {
            let path = at(BUNDLE).join(&device.name).join(TIMING_FILE);
            std::fs::write(path, timing.to_toml()?)?;
        }
        Ok(Rig { program, settings, plans, timing, profile, requests, folder })
    }

    /// What a message costs a device with its share of a core, in microseconds:
    /// what makes simulated devices as slow as confined ones at a model that is
    /// nothing but messages.
    pub(super) fn message_cost_us(
        program: &'a Path,
        settings: &'a Settings<'a>,
        seed: u64,
        requests: usize,
    ) -> anyhow::Result<f64> {
        let at = |cost| Rig::pack(program, settings.messages, settings, seed, requests, cost);
        let (free, dear) = (at(0.0)?, at(TRIED_US)?);
        let confined = percentile(&free.confined()?, 0.5);
        let [free, dear] = [free.simulated()?, dear.simulated()?].map(|all| percentile(&all, 0.5));
        ensure!(dear > free, "messages that cost more took {dear} ms instead of {free}");
        Ok((TRIED_US * (confined - free) / (dear - free)).max(0.0))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn hosts(&self, address: impl Fn(usize) -> String) -> String {
        (0..self.settings.devices()).map(address).collect::<Vec<_>>().join(",")
    }

    /// Latencies of confined processes.
    pub(super) fn confined(&self) -> anyhow::Result<Vec<f64>> {
        let confined = self.settings.confine()?;
        let hosts = self.hosts(|host| confined.address(host, PORT));
        let mut workers = Processes::default();
        for device in 0..self.settings.devices() {
            let mut worker = confined.on(device, true, self.program);
            self.worker(&mut worker, device, &hosts);
            workers.0.push(worker.spawn().context("a worker")?);
        }
        self.ask(confined.on(self.settings.devices(), false, self.program), &hosts, &[])
    }

    /// Latencies of emulated devices, and how often this machine was too slow.
    pub(super) fn emulated(&self) -> anyhow::Result<(Vec<f64>, Pace)> {
        let mut pace = Pace::default();
        let latencies = pace.keep_up(DILATION, |dilation| self.emulated_at(dilation))?;
        Ok((latencies, pace))
    }

    fn emulated_at(&self, dilation: f64) -> anyhow::Result<(Vec<f64>, usize)> {
        let addresses = quorate::net::free_addresses(self.settings.devices())?;
        let hosts = self.hosts(|host| addresses[host].clone());
        let [device, network, late] =
            ["device.toml", "network.toml", "late"].map(|name| self.at(name).display().to_string());
        let dilation = dilation.to_string();
        let world = ["--emulate", &device, "--network", &network, "--dilate", &dilation];
        // Of this run alone.
        let _ = std::fs::remove_file(&late);
        let mut workers = Processes::default();
        for index in 0..self.settings.devices() {
            let mut worker = Command::new(self.program);
            self.worker(&mut worker, index, &hosts);
            worker.args(world).args(["--overruns", &late]);
            workers.0.push(worker.stdin(Stdio::null()).spawn().context("a worker")?);
        }
        let latencies = self.ask(Command::new(self.program), &hosts, &world)?;
        Ok((latencies, count_overruns(&self.at("late"))?.0))
    }

    /// Latencies of simulated devices.
    pub(super) fn simulated(&self) -> anyhow::Result<Vec<f64>> {
        let profile = Profile::parse(&self.profile)?;
        let network = Network::parse(self.settings.network)?;
        let costs = Costs::measured(&self.plans, self.timing.clone());
        let speed = Speed::new(&profile, self.settings.devices(), &network, costs);
        let plans = std::sync::Arc::new(self.plans.clone());
        let record =
            Timed::new(Blank::new(plans), speed)?.run(&Script::one_by_one(self.requests))?;
        Ok(record.latencies().map(|time| time.as_secs_f64() * 1e3).collect())
    }

    fn worker(&self, command: &mut Command, device: usize, hosts: &str) {
        let name = &self.plans.cluster().devices()[device].name;
        command.args(["worker", "--end-with-parent", "--name", name, "--hosts", hosts]);
        command.arg("--bundle").arg(self.at(BUNDLE).join(name)).args(engine_arguments());
        command.stdout(Stdio::null()).stderr(Stdio::null());
    }

    /// Asks by `quorate run`; what the answers took, in milliseconds.
    fn ask(&self, mut run: Command, hosts: &str, world: &[&str]) -> anyhow::Result<Vec<f64>> {
        run.arg("run").arg(self.at(BUNDLE)).arg("--input").arg(self.at("input.npy"));
        run.args(["--hosts", hosts, "--json", "--top", "1", "--patience"]);
        run.arg(format!("{}s", PATIENCE.as_secs())).args(world).args(engine_arguments());
        let text = finish(&mut run)?;
        let latency = |line: &str| -> anyhow::Result<f64> {
            let answer: serde_json::Value = serde_json::from_str(line)?;
            answer["latency_ms"].as_f64().with_context(|| format!("no answer: {line}"))
        };
        let latencies: Vec<f64> = text.lines().map(latency).collect::<anyhow::Result<_>>()?;
        ensure!(latencies.len() == self.requests, "{} answers", latencies.len());
        // The first finds connections that have only just come up.
        Ok(latencies[1..].to_vec())
    }
}

/// What the tasks take while every device is at them, as in a request, when
/// they share this machine's memory: the median device's times.
fn measured(program: &Path, settings: &Settings<'_>, folder: &Path) -> anyhow::Result<Timing> {
    let at = |name: &str| folder.join(name);
    let confined = settings.confine()?;
    let bundle = |device: usize| match device {
        0 => at(BUNDLE),
        other => at(&format!("measured-{other}")),
    };
    let packed = |device: usize| -> anyhow::Result<Timing> {
        let mut pack = confined.on(device, true, program);
        pack.arg("pack").arg(at("model.onnx")).arg(at("plan.toml")).arg("--measure=median");
        pack.args(engine_arguments());
        finish(pack.arg("-o").arg(bundle(device)))?;
        let text = std::fs::read_to_string(bundle(device).join("pi-1").join(TIMING_FILE))?;
        if device > 0 {
            std::fs::remove_dir_all(bundle(device))?;
        }
        Ok(Timing::parse(&text)?)
    };
    let all: Vec<Timing> = std::thread::scope(|scope| {
        let packed = &packed;
        let threads: Vec<_> =
            (0..settings.devices()).map(|device| scope.spawn(move || packed(device))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().expect("a thread of ours"));
        joined.collect::<anyhow::Result<_>>()
    })?;
    let median =
        |us: &dyn Fn(&Timing) -> f64| percentile(&all.iter().map(us).collect::<Vec<_>>(), 0.5);
    let mut timing = all[0].clone();
    for (name, stage) in &mut timing.stages {
        stage.whole_us = median(&|one| one.stages[name].whole_us);
    }
    for (name, task) in &mut timing.tasks {
        task.task_us = median(&|one| one.tasks[name].task_us);
    }
    Ok(timing)
}

/// Runs a command to its end; what it printed.
fn finish(command: &mut Command) -> anyhow::Result<String> {
    let began = Instant::now();
    let output = command.output().context("starting a process")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("after {} ms: {}", began.elapsed().as_millis(), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The profile of a device whose layers take what was measured: operations by
/// the time that they took, memory as fast as may be.
fn profile(model: &ModelFile, timing: &Timing, message_cost_us: f64) -> String {
    let macs: u64 = model.staged.stages.iter().map(|s| model.staged.stage_flops(s) / 2).sum();
    let us: f64 = timing.stages.values().map(|stage| stage.whole_us).sum();
    let rate = macs as f64 / us * 1e6;
    let figure = |value: f64| {
        format!("{{ value = {value:?}, source = \"measured with a share of a core\" }}")
    };
    let (rate, fast, none) = (figure(rate), figure(1e15), figure(0.0));
    let cost = figure(message_cost_us);
    format!(
        "name = \"share\"\nwhat = \"a share of a core of this machine\"\n\
         memory_bytes = {fast}\nstorage_bytes_per_s = {fast}\nmessage_cost_us = {cost}\n\
         [compute]\nwinograd_macs_per_s = {none}\nconv_macs_per_s = {rate}\n\
         depthwise_macs_per_s = {rate}\nfc_macs_per_s = {rate}\nmemory_bytes_per_s = {fast}\n\
         node_overhead_us = {none}\n"
    )
}
