//! The paper's case study II: AlexNet on six devices, with stragglers and with
//! failures, and what goes past it.

use std::time::Duration;

use quorate::emulation;
use quorate_code::Patterns;
use quorate_core::cluster::Delay;
use quorate_core::gateway::GatewayConfig;
use serde::{Deserialize, Serialize};

use super::alexnet::{self, C};
use super::overruns;
use crate::experiment::{
    Axis, Chart, Context, Experiment, Goal, Outcome, SeriesKind, Table, Verdict,
};
use crate::fleet::{Blow, Fleet, Pace, Request, Site, World, latencies};
use crate::statistics::percentile;

/// AlexNet on six devices, with stragglers and with failures.
pub(super) struct Case2;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    requests: usize,
    each: usize,
    pairs: usize,
    world: Vec<WorldSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorldSpec {
    profile: String,
    network: String,
    /// In place of the spec's, of the three that are compared: medians of drawn
    /// delays within a per cent take many.
    requests: Option<usize>,
}

/// Requests while some devices are dead.
#[derive(Serialize, Deserialize)]
struct Loss {
    dead: String,
    requests: Vec<Request>,
}

/// What was seen in one world; latencies in milliseconds.
#[derive(Default, Serialize, Deserialize)]
struct Seen {
    /// Six devices, all data waited for; whoever is first; one dead.
    all: Vec<f64>,
    first: Vec<f64>,
    lost: Vec<f64>,
    /// One spare for the whole model: healthy, then each device dead in turn.
    covered: Vec<f64>,
    each: Vec<Loss>,
    /// Two spares: healthy, then pairs.
    two: Vec<f64>,
    pairs: Vec<Loss>,
    pace: Pace,
}

const DEADLINE: Duration = Duration::from_secs(60);
const FOR_ALL: &str = "100s";

impl Experiment for Case2 {
    fn name(&self) -> &'static str {
        "case-2"
    }

    fn title(&self) -> &'static str {
        "Case study II: stragglers and failures"
    }

    fn paper(&self) -> &'static str {
        "Figures 13 to 15, section 6.1: AlexNet on six devices, one of which has the sum of the two \
         halves of the first fully-connected layer. If one fails \"the performance of the system does \
         not change\"; without a failure the extra device hides stragglers, and \"the range and the \
         distribution of latencies are improved\". The text says that figures 14 and 15 are with and \
         without this mitigation, the captions say the reverse: figure 14 without, figure 15 with."
    }

    fn spec(&self) -> &'static str {
        include_str!("../../specs/case-2.toml")
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let spec: Spec = context.spec()?;
        let mut sites: Option<[Site; 3]> = None;
        let (mut outcome, mut pace) = (Outcome::default(), Pace::default());
        for (index, world) in spec.world.iter().enumerate() {
            let key = format!("{}.{}", world.profile, world.network);
            context.progress(index, spec.world.len(), &key);
            let seen = context.step(&key, |context| {
                if sites.is_none() {
                    let model = alexnet::model()?;
                    let six = alexnet::site(&model, alexnet::SIX)?;
                    sites = Some([six, alexnet::covered(&model, 1)?, alexnet::covered(&model, 2)?]);
                }
                watch(context, &spec, world, sites.as_mut().expect("just packed"))
            })?;
            pace += seen.pace;
            report(world, &seen, &mut outcome);
        }
        overruns::tell(pace, &mut outcome);
        Ok(outcome)
    }
}

fn watch(
    context: &Context,
    spec: &Spec,
    world: &WorldSpec,
    sites: &mut [Site; 3],
) -> anyhow::Result<Seen> {
    let emulated = World::of(&world.profile, &world.network, 1.0, context.seed());
    let (mut seen, mut pace) = (Seen::default(), Pace::default());
    let compared = world.requests.unwrap_or(spec.requests);
    let in_turn = |fleet: &mut Fleet<'_>, count| {
        Ok(latencies(&fleet.in_turn(count, Duration::ZERO, DEADLINE)?))
    };
    sites[0].wait(FOR_ALL)?;
    let six = |world: &World| start(context, &sites[0], world);
    seen.all = pace.on_fleet(&emulated, six, |fleet| in_turn(fleet, compared))?;
    sites[0].wait("auto")?;
    let six = |world: &World| start(context, &sites[0], world);
    (seen.first, seen.lost) = pace.on_fleet(&emulated, six, |fleet| {
        let first = in_turn(fleet, compared)?;
        fleet.strike(Blow::Kill(C))?;
        fleet.pass(Duration::from_secs(1));
        Ok((first, in_turn(fleet, compared)?))
    })?;
    // Healthy, and while each of these sets of devices is dead.
    let mut losses = |site: &Site, sets: &[Vec<usize>]| {
        pace.on_fleet(
            &emulated,
            |world| start(context, site, world),
            |fleet| {
                let healthy = in_turn(fleet, spec.requests)?;
                let lost = sets.iter().map(|set| lose(context, spec, fleet, site, set));
                Ok((healthy, lost.collect::<anyhow::Result<_>>()?))
            },
        )
    };
    let sets = |site: &Site, size| -> Vec<Vec<usize>> {
        let devices = site.plans.cluster().devices().len();
        Patterns::new(devices, size).map(|set| set.iter().collect()).collect()
    };
    (seen.covered, seen.each) = losses(&sites[1], &sets(&sites[1], 1))?;
    let mut pairs = sets(&sites[2], 2);
    pairs.truncate(spec.pairs);
    (seen.two, seen.pairs) = losses(&sites[2], &pairs)?;
    Ok(Seen { pace, ..seen })
}

fn start<'a>(context: &Context, site: &'a Site, world: &World) -> anyhow::Result<Fleet<'a>> {
    context.go_on()?;
    let config = GatewayConfig { resubmit_after: DEADLINE, ..GatewayConfig::default() };
    Fleet::start(context.program()?, site, world, config)
}

/// Kills devices, asks, and starts them again.
fn lose(
    context: &Context,
    spec: &Spec,
    fleet: &mut Fleet<'_>,
    site: &Site,
    devices: &[usize],
) -> anyhow::Result<Loss> {
    context.go_on()?;
    for &device in devices {
        fleet.strike(Blow::Kill(device))?;
    }
    let requests = fleet.in_turn(spec.each, Duration::ZERO, DEADLINE)?;
    for &device in devices {
        fleet.strike(Blow::Launch(device))?;
    }
    let names = site.plans.cluster().names();
    let dead: Vec<&str> = devices.iter().map(|device| names[*device].as_str()).collect();
    let dead = dead.join(" and ");
    anyhow::ensure!(fleet.recover(Duration::from_secs(30)), "{dead} did not come back");
    Ok(Loss { dead, requests })
}

fn report(world: &WorldSpec, seen: &Seen, outcome: &mut Outcome) {
    let title = format!("{} on {}", world.profile, world.network);
    let columns = [("system", ""), ("median", "ms"), ("99 %", "ms"), ("99 % less 1 %", "ms")];
    let name = format!("latency-{}", world.profile);
    let mut table = Table::new(&name, &format!("Latencies, {title}"), &columns).measured();
    let rows = [
        ("6 devices, without mitigation: all data waited for", &seen.all),
        ("6 devices, with mitigation: the first two of three", &seen.first),
        ("6 devices, C dead", &seen.lost),
        ("6 devices, one spare for the whole model", &seen.covered),
        ("7 devices, two spares for the whole model", &seen.two),
    ];
    for (system, values) in rows {
        let at = |share| percentile(values, share);
        let range = at(0.99) - at(0.01);
        table.push(vec![system.into(), at(0.5).into(), at(0.99).into(), range.into()]);
    }
    outcome.tables.push(table);
    outcome.tables.push(losses(world, &title, seen));
    outcome.charts.push(distribution(world, &title, seen));
    outcome.verdicts.extend(verdicts(world, seen));
}

/// What each loss did.
fn losses(world: &WorldSpec, title: &str, seen: &Seen) -> Table {
    let columns = [("dead", ""), ("answered", ""), ("asked", ""), ("median", "ms"), ("error", "")];
    let name = format!("losses-{}", world.profile);
    let title = format!("Devices of the covered systems killed, {title}");
    let mut table = Table::new(&name, &title, &columns).measured();
    for Loss { dead, requests } in seen.each.iter().chain(&seen.pairs) {
        let answered = latencies(requests);
        let error = requests.iter().map(|r| r.error).fold(0.0, f64::max);
        table.push(vec![
            dead.as_str().into(),
            answered.len().into(),
            requests.len().into(),
            percentile(&answered, 0.5).into(),
            error.into(),
        ]);
    }
    table
}

/// Figures 14 and 15.
fn distribution(world: &WorldSpec, title: &str, seen: &Seen) -> Chart {
    let x = Axis::new("latency", "ms");
    let y = Axis::new("requests answered by then", "%").from(0.0).until(100.0);
    let name = format!("mitigation-{}", world.profile);
    let title = format!("Figures 14 and 15: latencies without mitigation and with it, {title}");
    let mut chart = Chart::new(&name, &title, x, y);
    for (system, values) in
        [("all data waited for", &seen.all), ("first two of three", &seen.first)]
    {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let share = |place: usize| 100.0 * (place + 1) as f64 / sorted.len() as f64;
        let points = sorted.iter().enumerate().map(|(place, ms)| (*ms, share(place)));
        chart.add(system, SeriesKind::Steps, points.collect());
    }
    chart
}

fn verdicts(world: &WorldSpec, seen: &Seen) -> Vec<Verdict> {
    let profile = &world.profile;
    let mut verdicts = Vec::new();
    for (words, share, most) in [("median", 0.5, 1.0), ("99 %", 0.99, 5.0)] {
        let added = 100.0 * (percentile(&seen.lost, share) / percentile(&seen.all, share) - 1.0);
        let what = format!("{profile}: {words} added by C's loss, against waiting for all");
        let verdict = Verdict::new(&what, added, Goal::AtMost(most)).unit("%");
        verdicts.push(verdict.paper("does not change"));
    }
    // Devices that are never late have no stragglers to be hidden.
    let steady = |delay: Delay| delay == Delay::constant(Duration::ZERO);
    if emulation::profile(profile).is_ok_and(|profile| !steady(profile.answer_delay)) {
        let gain = 100.0 * (1.0 - percentile(&seen.first, 0.5) / percentile(&seen.all, 0.5));
        let what = format!("{profile}: median cut by mitigation");
        let verdict = Verdict::new(&what, gain, Goal::AtLeast(0.0)).unit("%");
        verdicts.push(verdict.paper("improved"));
    }
    for (words, losses) in [("device", &seen.each), ("pair of devices", &seen.pairs)] {
        let asked: usize = losses.iter().map(|loss| loss.requests.len()).sum();
        let requests = || losses.iter().flat_map(|loss| &loss.requests);
        let lost = requests().filter(|r| r.latency_ms.is_none()).count();
        let what = format!("{profile}: of {asked} requests lost, a {words} dead");
        verdicts.push(Verdict::new(&what, lost as f64, Goal::Equals(0.0, 0.0)));
        let error = requests().map(|r| r.error).fold(0.0, f64::max);
        let what = format!("{profile}: largest error, a {words} dead");
        verdicts.push(Verdict::new(&what, error, Goal::AtMost(1e-4)));
    }
    verdicts
}
