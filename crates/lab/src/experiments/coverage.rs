//! Which devices may die, found out by killing each in turn.
//!
//! A plan is packed, its bundle played with one device dead, and the answer
//! held against the whole model's. Coverage is the share of devices, those
//! that only protect among them, whose death changes nothing.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use quorate::bundle;
use quorate::input;
use quorate::rehearsal::Rehearsal;
use quorate_core::cost;
use quorate_core::id::{DeviceId, DeviceSet, SeatId};
use quorate_core::plan::Plans;
use quorate_engine::Engine;
use quorate_model::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::engine::engine;
use crate::experiment::{
    Axis, Chart, Context, Experiment, Goal, Outcome, Place, SeriesKind, Table, Verdict,
};
use crate::remembering::Remembering;
use crate::system::{Protection, System, SystemSpec};
use crate::zoo::Size;

/// Which devices may die.
pub(super) struct Coverage;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    size: Size,
    case: Vec<Case>,
}

/// A system to be protected.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// Devices that each split layer is split over.
    devices: usize,
    paper: Option<Paper>,
    system: SystemSpec,
}

/// What the paper says of a system.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Paper {
    /// With so many devices beyond those that work
    extra: usize,
    /// so many may fail where each has another that does the same,
    replication: usize,
    /// and so many with the code.
    hybrid: usize,
}

/// What killing the devices of one plan has shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    protection: usize,
    extra: usize,
    devices: usize,
    /// Devices whose death changed nothing.
    covered: usize,
    /// Devices of which the plan itself says otherwise than was found.
    surprises: usize,
    /// The worst error of an answer without one of those.
    error: f64,
    weight_bytes: u64,
    largest_bytes: u64,
    wire_bytes: u64,
}

impl Row {
    fn percent(&self) -> f64 {
        100.0 * self.covered as f64 / self.devices as f64
    }
}

/// Ways to protect, by the number that rows have for them.
const PROTECTIONS: [(&str, Protection); 3] = [
    ("2MR", Protection::Replication(1)),
    ("CDC + 2MR", Protection::Hybrid(1)),
    ("one spare for all", Protection::Spare(1)),
];
const REPLICATION: usize = 0;
const HYBRID: usize = 1;
const SPARE: usize = 2;

impl Experiment for Coverage {
    fn name(&self) -> &'static str {
        "coverage"
    }

    fn title(&self) -> &'static str {
        "Which devices may die"
    }

    fn paper(&self) -> &'static str {
        "Figure 17 and section 6.3: several networks are made tolerant to one failure by \
         replication (2MR) and by the code with replicas for what is not split (CDC + 2MR). Two \
         extra devices cover 44 % and 36 % of the devices of C3D by 2MR, 67 % and 73 % by CDC + \
         2MR, where its two split layers have two and three devices each (figures 17c and 17d)."
    }

    fn spec(&self) -> &'static str {
        include_str!("../../specs/coverage.toml")
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let spec: Spec = context.spec()?;
        let mut outcome = Outcome::default();
        for (at, case) in spec.case.iter().enumerate() {
            let kill = |context: &mut Context| rows(case, &spec, at, context);
            let rows: Vec<Row> = context.step(&case.name, kill)?;
            report(case, &rows, &mut outcome);
        }
        outcome.note(
            "Coverage is the share of devices, extra ones among them, whose death from the first \
             stage to the last leaves the answer that of the whole model.",
        );
        outcome.note(
            "2MR protects a split layer by a copy of each of its parts or not at all, and extra \
             devices are spent where they protect most; numbers of them that cannot be spent so \
             have no row.",
        );
        outcome.note(
            "The paper's text has numbers for the two C3Ds only. Where it cuts the networks it \
             does not say; here they are cut as the specs list.",
        );
        Ok(outcome)
    }
}

/// Kills the devices of every plan of a case.
fn rows(case: &Case, spec: &Spec, at: usize, context: &mut Context) -> anyhow::Result<Vec<Row>> {
    let mut system = System::of(&case.system, spec.size, context.seed())?;
    for layer in &case.system.split {
        system = system.split(layer, case.devices)?;
    }
    let whole = Whole::run(&system, context.seed())?;
    let mut all = Vec::new();
    for (number, (_, protection)) in PROTECTIONS.into_iter().enumerate() {
        let most = match number {
            SPARE => 1,
            _ => system.plans(protection)?.map_or(0, |plans| extra(&system, &plans)),
        };
        let least = if number == SPARE { 1 } else { 0 };
        for count in least..=most {
            let plans = match number {
                SPARE => system.plans(protection)?,
                _ => system.partial(protection, count)?,
            };
            all.extend(plans.map(|plans| (number, plans)));
        }
    }
    let total = all.len() * spec.case.len();
    let mut rows = Vec::new();
    for (done, (number, plans)) in all.into_iter().enumerate() {
        context.go_on()?;
        let what = format!("{}, {}", case.system.title, PROTECTIONS[number].0);
        context.progress(at * total / spec.case.len() + done, total, &what);
        rows.push(kill_each(&system, number, plans, &whole).context(what)?);
    }
    Ok(rows)
}

/// Devices of a plan beyond those that do the work.
fn extra(system: &System, plans: &Plans) -> usize {
    plans.cluster().devices().len() - system.devices()
}

/// An input, and what the whole model answers to it.
struct Whole {
    input: Vec<Tensor>,
    answer: Vec<Tensor>,
}

impl Whole {
    fn run(system: &System, seed: u64) -> anyhow::Result<Whole> {
        let graph = &system.model.staged.model.graph;
        let [name] = &graph.inputs[..] else { bail!("{} inputs, needs 1", graph.inputs.len()) };
        let input = input::seeded(&graph.types[name].shape, seed, 1)?;
        let answer = system.model.task(&*engine(), &[])?.run(&input)?;
        Ok(Whole { input, answer })
    }
}

/// Packs a plan and plays it with each device dead in turn. Each device runs
/// its own files, but none twice on the same values.
fn kill_each(system: &System, number: usize, plans: Plans, whole: &Whole) -> anyhow::Result<Row> {
    let engine: Arc<dyn Engine> = Arc::new(Remembering(engine()));
    let (model, folder) = (&system.model, tempfile::tempdir().context("a temporary folder")?);
    let packed = folder.path().join("bundle");
    bundle::write(&model.staged, &model.sha256, &plans, &packed, &mut |_| ())?;
    let mut row = weighed(system, number, &plans);
    let everybody = plans.everybody();
    let (input, answer) = (whole.input.clone(), whole.answer.clone());
    let rehearsal = Rehearsal::expecting(&engine, plans, &packed, input, answer);
    let healthy = rehearsal.with_dead(&[DeviceSet::default()], &mut |_| ())?;
    ensure!(healthy.is_good(), "error {:.1e} while nobody is dead", healthy.error);
    let plan = rehearsal.plans().main().clone();
    for device in (0..row.devices as u8).map(DeviceId) {
        let dead: DeviceSet = [device].into_iter().collect();
        let promised = plan.viable(everybody, everybody.without(dead));
        let found = match rehearsal.with_dead(&[dead], &mut |_| ()) {
            Ok(finding) => Some(finding),
            // An answer that was not to be had; anything else is a mistake.
            Err(_) if !promised => None,
            Err(error) => return Err(error),
        };
        let covered = found.as_ref().is_some_and(|finding| finding.is_good());
        row.covered += usize::from(covered);
        row.surprises += usize::from(covered != promised);
        if let Some(finding) = found.filter(|_| covered) {
            row.error = row.error.max(finding.error);
        }
    }
    Ok(row)
}

/// What a plan costs, before anything is killed.
fn weighed(system: &System, number: usize, plans: &Plans) -> Row {
    let devices = plans.cluster().devices().len();
    let (staged, plan) = (&system.model.staged, plans.main());
    let weights = (0..devices as u8).map(|s| cost::weight_bytes(staged, plans, plan, SeatId(s)));
    let weights: Vec<u64> = weights.collect();
    Row {
        protection: number,
        extra: devices - system.devices(),
        devices,
        covered: 0,
        surprises: 0,
        error: 0.0,
        weight_bytes: weights.iter().sum(),
        largest_bytes: weights.iter().copied().max().unwrap_or(0),
        wire_bytes: cost::wire_bytes(plans, plan),
    }
}

fn report(case: &Case, rows: &[Row], outcome: &mut Outcome) {
    outcome.tables.push(table(case, rows));
    outcome.charts.push(chart(case, rows));
    outcome.verdicts.extend(verdicts(case, rows));
}

fn table(case: &Case, rows: &[Row]) -> Table {
    let columns = [
        ("protection", ""),
        ("extra devices", ""),
        ("devices", ""),
        ("may die", ""),
        ("coverage", "%"),
        ("worst error", ""),
        ("weights in all", "MB"),
        ("weights of the largest", "MB"),
        ("sent for a request", "MB"),
    ];
    let mut table = Table::new(&format!("{}-plans", case.name), &case.system.title, &columns);
    for row in rows {
        let mb = |bytes: u64| (bytes as f64 / 1e6).into();
        table.push(vec![
            PROTECTIONS[row.protection].0.into(),
            row.extra.into(),
            row.devices.into(),
            row.covered.into(),
            row.percent().into(),
            (row.covered > 0).then(|| in_one_digit(row.error)).into(),
            mb(row.weight_bytes),
            mb(row.largest_bytes),
            mb(row.wire_bytes),
        ]);
    }
    table
}

/// An error whose other digits depend on the processor's instructions.
fn in_one_digit(error: f64) -> String {
    if error == 0.0 { "0".to_owned() } else { format!("{error:.0e}") }
}

fn chart(case: &Case, rows: &[Row]) -> Chart {
    let x = Axis::new("extra devices", "");
    let y = Axis::new("devices that may die, of all", "%").from(0.0).until(100.0);
    let mut chart = Chart::new(&format!("{}-coverage", case.name), &case.system.title, x, y);
    for (number, (name, _)) in PROTECTIONS.into_iter().enumerate() {
        let here = rows.iter().filter(|row| row.protection == number);
        let points = here.map(|row| (row.extra as f64, row.percent())).collect();
        let kind = if number == SPARE { SeriesKind::Points } else { SeriesKind::Line };
        chart.add(name, kind, points);
    }
    if let Some(paper) = case.paper {
        let devices = rows.iter().find(|row| row.extra == paper.extra).map(|row| row.devices);
        let devices = devices.unwrap_or(1) as f64;
        for (name, count) in [("2MR", paper.replication), ("CDC + 2MR", paper.hybrid)] {
            let percent = 100.0 * count as f64 / devices;
            let words = format!("paper: {name}, {} extra: {percent:.0} %", paper.extra);
            chart.mark(&words, Place::Horizontal(percent));
        }
    }
    chart
}

fn verdicts(case: &Case, rows: &[Row]) -> Vec<Verdict> {
    let title = &case.system.title;
    let of = |number: usize| rows.iter().filter(move |row| row.protection == number);
    let mut verdicts = Vec::new();
    if let Some(paper) = case.paper {
        for (number, count) in [(REPLICATION, paper.replication), (HYBRID, paper.hybrid)] {
            let row = of(number).find(|row| row.extra == paper.extra);
            let covered = row.map_or(f64::NAN, |row| row.covered as f64);
            let devices = row.map_or(0, |row| row.devices);
            let (name, extra) = (PROTECTIONS[number].0, paper.extra);
            let what =
                format!("{title}: of {devices} devices, {extra} of them extra by {name}, may die");
            let percent = 100.0 * count as f64 / devices as f64;
            let verdict = Verdict::new(&what, covered, Goal::Equals(count as f64, 0.0));
            verdicts.push(verdict.paper(format!("{percent:.0} %")));
        }
    }
    let full = |number| of(number).find(|row| row.covered == row.devices).map(|row| row.extra);
    let [replication, hybrid, spare] = [REPLICATION, HYBRID, SPARE].map(full);
    let number = |extra: Option<usize>| extra.map_or(f64::NAN, |extra| extra as f64);
    let what = format!("{title}: extra devices until all may die, by");
    let fewer = Goal::AtMost(number(replication) - 1.0);
    let hybrid =
        Verdict::new(&format!("{what} CDC + 2MR (fewer than by 2MR)"), number(hybrid), fewer);
    verdicts.push(hybrid.paper("fewer than by 2MR"));
    let spare =
        Verdict::new(&format!("{what} one spare for all"), number(spare), Goal::Equals(1.0, 0.0));
    verdicts.push(spare);
    let surprises = rows.iter().map(|row| row.surprises).sum::<usize>() as f64;
    let what = format!("{title}: deaths that ended otherwise than the plan says");
    verdicts.push(Verdict::new(&what, surprises, Goal::Equals(0.0, 0.0)));
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two devices beyond those that work, as in the paper's figure 17.
    #[test]
    fn killing_finds_who_may_die() {
        let spec: Spec = crate::experiment::Spec::parse(Coverage.spec(), None, true)
            .and_then(|spec| spec.read())
            .unwrap();
        let case = spec.case.iter().find(|case| case.name == "low-res").unwrap();
        let mut system = System::of(&case.system, spec.size, 1).unwrap();
        for layer in &case.system.split {
            system = system.split(layer, case.devices).unwrap();
        }
        for (number, covered) in [(REPLICATION, 4), (HYBRID, 6)] {
            let plans = system.partial(PROTECTIONS[number].1, 2).unwrap().unwrap();
            let row = kill_each(&system, number, plans, &Whole::run(&system, 1).unwrap()).unwrap();
            assert_eq!((row.devices, row.covered, row.surprises), (8, covered, 0), "{row:?}");
            assert!(row.error < 1e-4, "{row:?}");
        }
    }
}
