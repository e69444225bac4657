//! Codes that bear several losses, by killing devices: the paper's figure 18.

use std::time::Duration;

use anyhow::ensure;
use quorate_code::{Code, Patterns, ShardSet};
use quorate_core::plan::Plans;
use serde::{Deserialize, Serialize};

use super::{layer, overruns};
use crate::experiment::{
    Axis, Chart, Context, Experiment, Goal, Outcome, SeriesKind, Table, Verdict,
};
use crate::fleet::{Blow, Fleet, Pace, Site, World};

/// Codes that bear several losses.
pub(super) struct MultiLoss;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    width: usize,
    data: usize,
    losses: usize,
    profile: String,
    network: String,
    dilation: f64,
    deadline_ms: u64,
    code: Vec<CodeSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeSpec {
    name: String,
    parity: usize,
}

/// One set of devices that were killed.
#[derive(Serialize, Deserialize)]
struct Killed {
    devices: Vec<usize>,
    answered: bool,
    error: f64,
}

#[derive(Serialize, Deserialize)]
struct Seen {
    killed: Vec<Killed>,
    pace: Pace,
}

impl Experiment for MultiLoss {
    fn name(&self) -> &'static str {
        "multi-loss"
    }

    fn title(&self) -> &'static str {
        "Several losses at once"
    }

    fn paper(&self) -> &'static str {
        "Figure 18, section 7: three set-ups in order of increasing tolerance, the last of which, \
         with partial sums, tolerates two failures. Footnote 1: \"the coverage to two failures is \
         almost complete (partial error correction). We need Hamming-style coverage for full error \
         correction.\""
    }

    fn spec(&self) -> &'static str {
        include_str!("../../specs/multi-loss.toml")
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let spec: Spec = context.spec()?;
        let (mut outcome, mut pace) = (Outcome::default(), Pace::default());
        let mut all = Vec::new();
        for (index, code) in spec.code.iter().enumerate() {
            let key = format!("{}-{}", code.name, code.parity);
            context.progress(index, spec.code.len(), &key);
            let seen = context.step(&key, |context| watch(context, &spec, code))?;
            pace += seen.pace;
            all.push((code, seen));
        }
        report(&spec, &all, &mut outcome)?;
        overruns::tell(pace, &mut outcome);
        Ok(outcome)
    }
}

fn site(context: &Context, spec: &Spec, code: &CodeSpec) -> anyhow::Result<Site> {
    let model = layer::model(spec.width, spec.data, context.seed())?;
    let plans = layer::plans(&model, spec.data, code.parity)?;
    let made = if code.parity == 1 { "sum" } else { "mds" };
    let text = plans.to_toml();
    let [from, to] = [made, &code.name].map(|name| format!("code = \"{name}\""));
    ensure!(text.contains(&from), "the plan has no {from}");
    Site::pack(&model, &Plans::parse(&text.replace(&from, &to))?)
}

fn watch(context: &Context, spec: &Spec, code: &CodeSpec) -> anyhow::Result<Seen> {
    let site = site(context, spec, code)?;
    let world = World::of(&spec.profile, &spec.network, spec.dilation, context.seed());
    let deadline = Duration::from_millis(spec.deadline_ms);
    let start = |world: &World| {
        Fleet::start(context.program()?, &site, world, layer::patient(deadline * 4))
    };
    let mut pace = Pace::default();
    let killed =
        pace.on_fleet(&world, start, |fleet| kill_all(context, spec, code, fleet, deadline))?;
    Ok(Seen { killed, pace })
}

/// Kills every set of devices in turn, asks once, and starts them again.
fn kill_all(
    context: &Context,
    spec: &Spec,
    code: &CodeSpec,
    fleet: &mut Fleet<'_>,
    deadline: Duration,
) -> anyhow::Result<Vec<Killed>> {
    let devices = spec.data + code.parity;
    let mut killed = Vec::new();
    for count in 1..=spec.losses {
        for set in Patterns::new(devices, count) {
            context.go_on()?;
            let devices: Vec<usize> = set.iter().collect();
            devices.iter().try_for_each(|device| fleet.strike(Blow::Kill(*device)))?;
            let request = fleet.in_turn(1, Duration::ZERO, deadline)?.remove(0);
            devices.iter().try_for_each(|device| fleet.strike(Blow::Launch(*device)))?;
            ensure!(fleet.recover(Duration::from_secs(30)), "{devices:?} did not come back");
            let answered = request.latency_ms.is_some();
            killed.push(Killed { devices, answered, error: request.error });
        }
    }
    Ok(killed)
}

fn report(spec: &Spec, all: &[(&CodeSpec, Seen)], outcome: &mut Outcome) -> anyhow::Result<()> {
    let columns = [
        ("code", ""),
        ("data", ""),
        ("parity", ""),
        ("killed at once", ""),
        ("sets", ""),
        ("answered", ""),
        ("lost", ""),
        ("largest error", ""),
    ];
    let mut table = Table::new("sets", "Sets of devices killed", &columns).measured();
    let names = all.iter().map(|(code, _)| format!("{} +{}", code.name, code.parity));
    let x = Axis::named("code", names);
    let y = Axis::new("sets of devices that cost nothing", "%").from(0.0).until(100.0);
    let mut chart = Chart::new("sets", "Losses that cost nothing", x, y);
    for count in 1..=spec.losses {
        let mut bars = Vec::new();
        for (place, (code, seen)) in all.iter().enumerate() {
            let sets: Vec<&Killed> =
                seen.killed.iter().filter(|k| k.devices.len() == count).collect();
            let answered = sets.iter().filter(|k| k.answered).count();
            let lost = sets.iter().filter(|k| !k.answered).map(|k| format!("{:?}", k.devices));
            let lost: Vec<String> = lost.collect();
            let error = sets.iter().filter(|k| k.answered).map(|k| k.error).fold(0.0, f64::max);
            bars.push((place as f64, 100.0 * answered as f64 / sets.len().max(1) as f64));
            table.push(vec![
                code.name.as_str().into(),
                spec.data.into(),
                code.parity.into(),
                count.into(),
                sets.len().into(),
                answered.into(),
                lost.join(" ").into(),
                error.into(),
            ]);
        }
        chart.add(&format!("{count} killed"), SeriesKind::Bars, bars);
    }
    outcome.tables.push(table);
    outcome.charts.push(chart);
    for (code, seen) in all {
        outcome.verdicts.extend(verdicts(spec, code, seen)?);
    }
    Ok(())
}

fn verdicts(spec: &Spec, code: &CodeSpec, seen: &Seen) -> anyhow::Result<Vec<Verdict>> {
    let name = format!("{} +{}", code.name, code.parity);
    let promised = Code::by_name(&code.name, spec.data, code.parity)?;
    let alive = |k: &Killed| {
        ShardSet::first(spec.data + code.parity).without(k.devices.iter().copied().collect())
    };
    let differ = seen.killed.iter().filter(|k| promised.is_decodable(alive(k)) != k.answered);
    let what = format!("{name}: sets of losses that went other than the code promises");
    let mut verdicts = vec![Verdict::new(&what, differ.count() as f64, Goal::Equals(0.0, 0.0))];
    let pairs: Vec<&Killed> = seen.killed.iter().filter(|k| k.devices.len() == 2).collect();
    let share = 100.0 * pairs.iter().filter(|k| k.answered).count() as f64 / pairs.len() as f64;
    let what = format!("{name}: pairs of losses that cost nothing");
    let (goal, paper) = match (code.name.as_str(), code.parity) {
        ("overlapping", _) => (Goal::Between(75.0, 99.9), "almost complete"),
        ("hamming", _) => (Goal::Equals(100.0, 0.0), "full"),
        ("mds", _) => (Goal::Equals(100.0, 0.0), ""),
        _ => return Ok(verdicts),
    };
    let verdict = Verdict::new(&what, share, goal).unit("%");
    verdicts.push(if paper.is_empty() { verdict } else { verdict.paper(paper) });
    let answered = seen.killed.iter().filter(|k| k.answered);
    let error = answered.map(|k| k.error).fold(0.0, f64::max);
    let what = format!("{name}: largest error of an answer");
    verdicts.push(Verdict::new(&what, error, Goal::AtMost(1e-4)));
    Ok(verdicts)
}
