//! Are emulated devices true? The same systems confined by the operating
//! system, emulated, and simulated.

mod rig;

use serde::{Deserialize, Serialize};

use super::overruns;
use crate::experiment::{
    Axis, Chart, Context, Experiment, Goal, Outcome, SeriesKind, Table, Verdict,
};
use crate::fleet::Pace;
use crate::statistics::percentile;
use rig::{Case, Rig, Settings};

/// Are emulated devices true?
pub(super) struct Emulation;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    devices: usize,
    spares: usize,
    requests: usize,
    share: f64,
    link: String,
    network: String,
    messages: Case,
    case: Vec<Case>,
}

/// Medians of one case, in milliseconds.
#[derive(Serialize, Deserialize)]
struct Row {
    confined_ms: f64,
    emulated_ms: f64,
    simulated_ms: f64,
    pace: Pace,
}

/// How far apart is near enough, in per cent.
const NEAR: f64 = 15.0;

impl Experiment for Emulation {
    fn name(&self) -> &'static str {
        "emulation"
    }

    fn title(&self) -> &'static str {
        "Are emulated devices true?"
    }

    fn paper(&self) -> &'static str {
        "Section 6: the paper's system is Raspberry Pis over WiFi. Here they are emulated. This \
         holds the emulation against processes that the operating system confines: namespaces whose \
         links tbf limits, and a share of a core for each; and against the simulator."
    }

    fn spec(&self) -> &'static str {
        include_str!("../../specs/emulation.toml")
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let spec: Spec = context.spec()?;
        let mut outcome = Outcome::default();
        let settings = Settings {
            data: spec.devices,
            spares: spec.spares,
            link: &spec.link,
            share: spec.share,
            network: &spec.network,
            messages: &spec.messages,
        };
        if let Err(error) = settings.try_out() {
            outcome.note(format!(
                "Skipped: this machine cannot confine processes ({error:#}). It takes Linux, root, \
                 `ip`, `tc`, `taskset` and version 1 of the cgroup controller `cpu`."
            ));
            return Ok(outcome);
        }
        let steps = spec.case.len() + 1;
        context.progress(0, steps, &spec.messages.name);
        let message_cost_us = context.step(&spec.messages.name, |context| {
            let program = context.program()?;
            Rig::message_cost_us(program, &settings, context.seed(), spec.requests)
        })?;
        outcome.note(format!(
            "A message costs a device {message_cost_us:.0} us here, learned from a model of small \
             layers on confined devices before the cases."
        ));
        let mut rows = Vec::new();
        for (index, case) in spec.case.iter().enumerate() {
            context.progress(index + 1, steps, &case.name);
            let row = |context: &mut Context| row(context, &spec, case, &settings, message_cost_us);
            rows.push(context.step(&case.name, row)?);
        }
        report(&spec, &rows, &mut outcome);
        Ok(outcome)
    }
}

fn row(
    context: &mut Context,
    spec: &Spec,
    case: &Case,
    settings: &Settings<'_>,
    message_cost_us: f64,
) -> anyhow::Result<Row> {
    let (program, seed) = (context.program()?, context.seed());
    let rig = Rig::pack(program, case, settings, seed, spec.requests, message_cost_us)?;
    let confined = rig.confined()?;
    context.go_on()?;
    let (emulated, pace) = rig.emulated()?;
    let simulated = rig.simulated()?;
    let median = |values: &[f64]| percentile(values, 0.5);
    Ok(Row {
        confined_ms: median(&confined),
        emulated_ms: median(&emulated),
        simulated_ms: median(&simulated),
        pace,
    })
}

fn report(spec: &Spec, rows: &[Row], outcome: &mut Outcome) {
    let columns = [
        ("case", ""),
        ("confined", "ms"),
        ("emulated", "ms"),
        ("simulated", "ms"),
        ("emulated against confined", "%"),
        ("simulated against emulated", "%"),
    ];
    let title = "Medians of the same systems";
    let mut table = Table::new("three-ways", title, &columns).measured();
    let x = Axis::named("case", spec.case.iter().map(|case| case.name.clone()));
    let y = Axis::new("median latency", "ms").from(0.0);
    let mut chart = Chart::new("three-ways", "The same systems three ways", x, y);
    let bars = |of: fn(&Row) -> f64| {
        rows.iter().enumerate().map(|(place, row)| (place as f64, of(row))).collect()
    };
    chart.add("confined by the operating system", SeriesKind::Bars, bars(|row| row.confined_ms));
    chart.add("emulated", SeriesKind::Bars, bars(|row| row.emulated_ms));
    chart.add("simulated", SeriesKind::Bars, bars(|row| row.simulated_ms));
    for (case, row) in spec.case.iter().zip(rows) {
        let off = |a: f64, b: f64| 100.0 * (a / b - 1.0);
        let real = off(row.emulated_ms, row.confined_ms);
        let simulated = off(row.simulated_ms, row.emulated_ms);
        table.push(vec![
            case.name.as_str().into(),
            row.confined_ms.into(),
            row.emulated_ms.into(),
            row.simulated_ms.into(),
            real.into(),
            simulated.into(),
        ]);
        for (words, off) in [("emulated against confined", real), ("simulated", simulated)] {
            let what = format!("{}: {words}", case.name);
            let goal = Goal::Between(-NEAR, NEAR);
            outcome.verdicts.push(Verdict::new(&what, off, goal).unit("%"));
        }
    }
    outcome.tables.push(table);
    outcome.charts.push(chart);
    let mut pace = Pace::default();
    rows.iter().for_each(|row| pace += row.pace);
    overruns::tell(pace, outcome);
}
