//! What tolerance costs: devices, memory and bytes on the wire, against the
//! number of devices that a layer is split over.
//!
//! Every figure is read off a plan that was built and checked; none is a
//! formula of the number of devices.

use quorate_core::cost;
use quorate_core::id::{DeviceSet, SeatId};
use quorate_core::plan::Plans;
use serde::{Deserialize, Serialize};

use crate::experiment::{
    Axis, Chart, Context, Experiment, Goal, Outcome, SeriesKind, Table, Verdict,
};
use crate::system::{Protection, System, SystemSpec};
use crate::zoo::Size;

/// Devices, memory and bytes for what tolerance there is.
pub(super) struct Cost;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    size: Size,
    /// Devices that each split layer is split over.
    devices: Vec<usize>,
    tolerances: Vec<usize>,
    system: Vec<SystemSpec>,
}

/// A plan's cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    protection: String,
    tolerance: usize,
    split: usize,
    /// Devices that do the work.
    working: usize,
    devices: usize,
    weight_bytes: u64,
    largest_bytes: u64,
    wire_bytes: u64,
}

impl Row {
    fn extra(&self) -> usize {
        self.devices - self.working
    }
}

/// What of a row is looked at.
type Figure = fn(&Row) -> f64;

const NAMES: [&str; 3] = ["replication", "CDC + replicas", "one spare"];

fn protections(tolerance: usize) -> [Protection; 3] {
    [
        Protection::Replication(tolerance),
        Protection::Hybrid(tolerance),
        Protection::Spare(tolerance),
    ]
}

impl Experiment for Cost {
    fn name(&self) -> &'static str {
        "cost"
    }

    fn title(&self) -> &'static str {
        "What tolerance costs"
    }

    fn paper(&self) -> &'static str {
        "Sections 1 and 6.3: the coded method has a constant cost with an increasing number of \
         devices, where modular redundancy has a linear one. A layer over N devices is protected \
         from the loss of one by (1 + 1/N) times the hardware instead of twice as much."
    }

    fn spec(&self) -> &'static str {
        include_str!("../../specs/cost.toml")
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let spec: Spec = context.spec()?;
        let mut outcome = Outcome::default();
        for (index, system) in spec.system.iter().enumerate() {
            let of = |context: &mut Context| costs(system, &spec, index, context);
            let rows: Vec<Row> = context.step(&system.model, of)?;
            report(system, &spec, &rows, &mut outcome);
        }
        outcome.note(
            "Memory is the weights that the tasks of a plan need; bytes are those of all values \
             that are sent for one request while nobody fails, without headers.",
        );
        outcome.note(format!(
            "A plan has at most {} devices: rows that would need more are left out.",
            DeviceSet::MAX
        ));
        Ok(outcome)
    }
}

/// What each protection costs, by the number of devices a split layer.
fn costs(
    of: &SystemSpec,
    spec: &Spec,
    index: usize,
    context: &mut Context,
) -> anyhow::Result<Vec<Row>> {
    let mut system = System::of(of, spec.size, context.seed())?;
    let (mut rows, total) = (Vec::new(), spec.system.len() * spec.devices.len());
    for (at, &devices) in spec.devices.iter().enumerate() {
        let done = index * spec.devices.len() + at;
        context.progress(done, total, &format!("{} over {devices}", of.title));
        for name in &of.split {
            system = system.split(name, devices)?;
        }
        let named = |&tolerance: &usize| NAMES.into_iter().zip(protections(tolerance));
        let protections = spec.tolerances.iter().flat_map(named);
        for (name, protection) in [("none", Protection::None)].into_iter().chain(protections) {
            let plans = system.plans(protection)?;
            rows.extend(plans.map(|plans| row(&system, name, devices, &plans)));
        }
    }
    Ok(rows)
}

fn row(system: &System, name: &str, split: usize, plans: &Plans) -> Row {
    let (staged, plan) = (&system.model.staged, plans.main());
    let devices = plans.cluster().devices().len();
    let seats = (0..devices as u8).map(SeatId);
    let weights: Vec<u64> =
        seats.map(|seat| cost::weight_bytes(staged, plans, plan, seat)).collect();
    Row {
        protection: name.to_owned(),
        tolerance: plan.tolerance(),
        split,
        working: system.devices(),
        devices,
        weight_bytes: weights.iter().sum(),
        largest_bytes: weights.iter().copied().max().unwrap_or(0),
        wire_bytes: cost::wire_bytes(plans, plan),
    }
}

const MB: f64 = 1e6;

fn report(system: &SystemSpec, spec: &Spec, rows: &[Row], outcome: &mut Outcome) {
    outcome.tables.push(table(system, rows));
    let y = |label: &str, unit: &str| Axis::new(label, unit).from(0.0);
    let figures: [(&str, Axis, Figure); 3] = [
        ("devices", y("devices beyond those that work", ""), |row| row.extra() as f64),
        ("memory", y("weights in all", "MB"), |row| row.weight_bytes as f64 / MB),
        ("wire", y("sent for a request", "MB"), |row| row.wire_bytes as f64 / MB),
    ];
    for (name, y, value) in figures {
        let shown = if name == "devices" { spec.tolerances.len() } else { 1 };
        for &tolerance in spec.tolerances.iter().take(shown) {
            outcome.charts.push(chart(system, rows, tolerance, (name, y.clone()), value));
        }
    }
    for &tolerance in &spec.tolerances {
        outcome.verdicts.extend(verdicts(system, rows, tolerance));
    }
}

fn table(system: &SystemSpec, rows: &[Row]) -> Table {
    let columns = [
        ("protection", ""),
        ("tolerance", ""),
        ("devices a split layer", ""),
        ("devices", ""),
        ("of them extra", ""),
        ("weights in all", "MB"),
        ("weights of the largest", "MB"),
        ("sent for a request", "MB"),
    ];
    let mut table = Table::new(&format!("{}-plans", system.model), &system.title, &columns);
    for row in rows {
        let mb = |bytes: u64| (bytes as f64 / MB).into();
        table.push(vec![
            row.protection.as_str().into(),
            row.tolerance.into(),
            row.split.into(),
            row.devices.into(),
            row.extra().into(),
            mb(row.weight_bytes),
            mb(row.largest_bytes),
            mb(row.wire_bytes),
        ]);
    }
    table
}

fn chart(
    system: &SystemSpec,
    rows: &[Row],
    tolerance: usize,
    (name, y): (&str, Axis),
    value: Figure,
) -> Chart {
    let x = Axis::new("devices that each split layer is split over", "");
    let title = format!("{}, tolerance {tolerance}", system.title);
    let name = format!("{}-{name}-{tolerance}", system.model);
    let mut chart = Chart::new(&name, &title, x, y);
    for protection in NAMES {
        let points = series(rows, protection, tolerance, value);
        chart.add(protection, SeriesKind::Line, points);
    }
    chart
}

/// A figure against the number of devices a split layer.
fn series(rows: &[Row], protection: &str, tolerance: usize, value: Figure) -> Vec<(f64, f64)> {
    let here = |row: &&Row| row.protection == protection && row.tolerance == tolerance;
    rows.iter().filter(here).map(|row| (row.split as f64, value(row))).collect()
}

/// Extra devices for each more that a layer is split over: the slope between
/// the fewest and the most.
fn slope(points: &[(f64, f64)]) -> f64 {
    match points {
        [first, .., last] => (last.1 - first.1) / (last.0 - first.0),
        _ => f64::NAN,
    }
}

fn verdicts(system: &SystemSpec, rows: &[Row], tolerance: usize) -> [Verdict; 3] {
    let verdict = |protection: &str, paper: &str, goal| {
        let extra = series(rows, protection, tolerance, |row| row.extra() as f64);
        let what = format!(
            "{}, tolerance {tolerance}: extra devices by {protection} for each device more a \
             split layer",
            system.title
        );
        Verdict::new(&what, slope(&extra), goal).paper(paper)
    };
    let linear = (tolerance * system.split.len()) as f64;
    [
        verdict(NAMES[0], "linear", Goal::Equals(linear, 0.0)),
        verdict(NAMES[1], "constant", Goal::Equals(0.0, 0.0)),
        verdict(NAMES[2], "constant", Goal::Equals(0.0, 0.0)),
    ]
}
