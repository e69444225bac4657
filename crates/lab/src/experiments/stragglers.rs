//! Improvement by not waiting for stragglers: the paper's figure 16.

mod limit;
mod seen;
mod simulated;
mod tell;

use std::time::Duration;

use anyhow::Context as _;
use quorate::emulation;
use quorate_core::gateway::GatewayConfig;

use super::{layer, overruns};
use crate::experiment::{Context, Experiment, Outcome};
use crate::fleet::{Fleet, Pace, Request, Script, Site, World, latencies_or};
use limit::Limit;
use seen::{Reading, Row, Seen, Spec, Swept};

/// Improvement by not waiting for stragglers.
pub(super) struct Stragglers;

/// A request that takes longer counts as one that took so long: medians do not
/// change by it.
const DEADLINE: Duration = Duration::from_secs(20);
const DEADLINE_MS: f64 = 20_000.0;

impl Experiment for Stragglers {
    fn name(&self) -> &'static str {
        "stragglers"
    }

    fn title(&self) -> &'static str {
        "Not waiting for stragglers"
    }

    fn paper(&self) -> &'static str {
        "Figure 16, section 6.2: systems of several devices, each of which computes a split of a \
         fully-connected layer. Compared with the same system with the same number of devices that \
         waits for all, going on as soon as enough is there improves performance, the more the more \
         devices there are, by up to 35 %."
    }

    fn spec(&self) -> &'static str {
        include_str!("../../specs/stragglers.toml")
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let spec: Spec = context.spec()?;
        let (mut outcome, mut pace) = (Outcome::default(), Pace::default());
        for reading in &spec.reading {
            let seen = see(context, &spec, reading)?;
            let swept = seen.waits.iter().chain(&seen.parts).map(|s| s.pace);
            seen.rows.iter().map(|r| r.pace).chain(swept).for_each(|one| pace += one);
            tell::report(&spec, reading, &seen, &mut outcome);
        }
        overruns::tell(pace, &mut outcome);
        Ok(outcome)
    }
}

fn see(context: &mut Context, spec: &Spec, reading: &Reading) -> anyhow::Result<Seen> {
    let (mut rows, mut waited, mut parted) = (Vec::new(), Vec::new(), Vec::new());
    let total = spec.devices.len() + spec.waits_ms.len() + spec.parts.len();
    let profile = &reading.profile;
    let devices = reading.devices.as_ref().unwrap_or(&spec.devices);
    for &devices in devices {
        context.progress(rows.len(), total, &format!("{profile}, {devices} devices"));
        let key = format!("{profile}-{devices}");
        rows.push(context.step(&key, |context| row(context, spec, reading, devices))?);
    }
    let waits = if reading.sweeps { &spec.waits_ms[..] } else { &[] };
    let parts = if reading.sweeps { &spec.parts[..] } else { &[] };
    for &wait in waits {
        let done = rows.len() + waited.len();
        context.progress(done, total, &format!("{profile}, waiting {wait} ms"));
        waited.push(context.step(&format!("{profile}-wait-{wait}"), |context| {
            let mut site = layer::site(spec.width, spec.sweep_devices, 1, context.seed())?;
            site.wait(&format!("{wait}ms"))?;
            swept(context, spec, reading, &site, wait as f64)
        })?);
    }
    for &each in parts {
        let done = rows.len() + waited.len() + parted.len();
        context.progress(done, total, &format!("{profile}, {each} shards a device"));
        parted.push(context.step(&format!("{profile}-parts-{each}"), |context| {
            let site = layer::in_parts(spec.width, spec.sweep_devices, each, context.seed())?;
            swept(context, spec, reading, &site, each as f64)
        })?);
    }
    Ok(Seen { rows, waits: waited, parts: parted })
}

/// Requests one after the other, none waiting for another: devices have
/// computed one before the next comes.
fn stream(
    context: &Context,
    spec: &Spec,
    site: &Site,
    profile: &str,
    count: usize,
    pace: &mut Pace,
) -> anyhow::Result<Vec<Request>> {
    let world = World::of(profile, &spec.network, 1.0, context.seed());
    let script = Script::every(Duration::from_millis(spec.period_ms), count, DEADLINE);
    let start = |world: &World| {
        context.go_on()?;
        let config = GatewayConfig { pending_max: 4096, ..layer::patient(DEADLINE) };
        Fleet::start(context.program()?, site, world, config)
    };
    pace.on_fleet(&world, start, |fleet| fleet.play(&script))
}

fn row(context: &Context, spec: &Spec, reading: &Reading, devices: usize) -> anyhow::Result<Row> {
    let count = reading.requests.unwrap_or(spec.requests);
    let profile = &reading.profile;
    let mut site = layer::site(spec.width, devices, 1, context.seed())?;
    let (mut pace, mut both) = (Pace::default(), Vec::new());
    for wait in ["0ms", "600s"] {
        site.wait(wait)?;
        both.push(if reading.simulated {
            simulated::alone(context, &site, (profile, &spec.network), count, DEADLINE)?
        } else {
            let requests = stream(context, spec, &site, profile, count, &mut pace)?;
            latencies_or(&requests, DEADLINE_MS)
        });
    }
    let limit = match reading.limit {
        true => {
            let base = steady(context, spec, reading, &site, &mut pace)?;
            let delay = emulation::profile(profile)?.answer_delay;
            Some(Limit::draw(&base, delay, devices, spec.draws, context.seed()))
        }
        false => None,
    };
    let all = both.pop().unwrap_or_default();
    let first = both.pop().unwrap_or_default();
    Ok(Row { devices, all, first, limit, pace })
}

/// When each device's shard comes where no answer is delayed: computing and
/// network alone, the mean of some requests, by device.
fn steady(
    context: &Context,
    spec: &Spec,
    reading: &Reading,
    site: &Site,
    pace: &mut Pace,
) -> anyhow::Result<Vec<f64>> {
    let known = emulation::PROFILES.iter().find(|(name, _)| *name == reading.profile);
    let (_, text) = known.with_context(|| format!("no device {}", reading.profile))?;
    let (without, _) = text.split_once("[answer_delay]").context("a device without delays")?;
    let path = site.folder().join("steady.toml");
    std::fs::write(&path, without)?;
    let path = path.display().to_string();
    let requests = stream(context, spec, site, &path, 20, pace)?;
    let devices = site.plans.cluster().devices().len();
    let mean = |device: usize| {
        let all = requests.iter().flat_map(|request| &request.arrivals);
        let of: Vec<f64> = all.filter(|(from, _)| *from == device).map(|(_, at)| *at).collect();
        of.iter().sum::<f64>() / of.len().max(1) as f64
    };
    let mut base: Vec<f64> = (0..devices).map(mean).collect();
    // The last to come is not waited for, so it may have no arrivals.
    let known = base.iter().copied().fold(0.0, f64::max);
    base.iter_mut().filter(|at| **at == 0.0).for_each(|at| *at = known);
    Ok(base)
}

fn swept(
    context: &Context,
    spec: &Spec,
    reading: &Reading,
    site: &Site,
    at: f64,
) -> anyhow::Result<Swept> {
    let count = reading.requests.unwrap_or(spec.requests);
    let mut pace = Pace::default();
    let requests = stream(context, spec, site, &reading.profile, count, &mut pace)?;
    let decoded = requests.iter().filter(|r| r.decoded).count() as f64 / requests.len() as f64;
    Ok(Swept { at, latencies: latencies_or(&requests, DEADLINE_MS), decoded, pace })
}
