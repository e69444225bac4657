//! Tables, charts and verdicts.

use std::collections::{BTreeMap, BTreeSet};

use super::fleet::{self, FrontSpec};
use super::sweep::{Clock, Row, State, SystemSpec};
use crate::experiment::{Axis, Chart, Goal, Outcome, Place, SeriesKind, Table, Verdict};
use crate::statistics::percentile;

const MB: f64 = 1e6;
const KB: f64 = 1e3;
/// How many times as long a step of the simulator may take among many as among
/// few: what is near constant.
const NEAR_CONSTANT: f64 = 2.0;
/// The paper's largest system.
const PAPER_DEVICES: f64 = 12.0;

/// What was seen of one system.
pub(super) fn system(of: &SystemSpec, rows: &[Row], clocks: &[Clock], outcome: &mut Outcome) {
    let name = format!("{} on {}", of.profile, of.network);
    outcome.tables.push(latencies(of, &name, rows));
    outcome.tables.push(wall(of, &name, clocks));
    let tolerances: BTreeSet<usize> = rows.iter().map(|row| row.tolerance).collect();
    for tolerance in tolerances {
        outcome.charts.push(latency_chart(of, &name, rows, tolerance));
    }
    outcome.charts.push(bytes_chart(of, &name, rows));
    outcome.charts.push(wall_chart(of, &name, clocks));
    let failed: usize = rows.iter().map(|row| row.failed).sum();
    let what = format!("{name}: requests without an answer, of all with as many dead as are spare");
    outcome.verdicts.push(Verdict::new(&what, failed as f64, Goal::Equals(0.0, 0.0)));
    let mut by_devices: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for clock in clocks {
        by_devices.entry(clock.devices).or_default().push(clock.message_us);
    }
    let slowest = spread(by_devices.values().map(|times| percentile(times, 0.5)));
    let what = format!(
        "{name}: wall time to simulate a message, median by devices, most over least, {}",
        words(rows.iter().map(|row| row.devices), "devices")
    );
    let verdict = Verdict::new(&what, slowest, Goal::AtMost(NEAR_CONSTANT));
    outcome.verdicts.push(verdict.unit("times"));
}

/// The largest over the least.
fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    most / least
}

fn words(counts: impl Iterator<Item = usize>, what: &str) -> String {
    let counts: Vec<usize> = counts.collect();
    let (least, most) = (counts.iter().min(), counts.iter().max());
    format!("{} to {} {what}", least.unwrap_or(&0), most.unwrap_or(&0))
}

fn state(state: State) -> &'static str {
    match state {
        State::Bare => "no spare",
        State::Healthy => "all alive",
        State::Dead => "as many dead as are spare",
    }
}

fn latencies(of: &SystemSpec, name: &str, rows: &[Row]) -> Table {
    let columns = [
        ("devices", ""),
        ("of them spare", ""),
        ("state", ""),
        ("requests", ""),
        ("without an answer", ""),
        ("median", "ms"),
        ("99th percentile", "ms"),
        ("messages a request", ""),
        ("bytes a request", "kB"),
        ("weights of a device at most", "MB"),
        ("payload of a device at most", "kB"),
    ];
    let title = format!("{name}: requests, in virtual time");
    let mut table = Table::new(&format!("{}-latency", of.profile), &title, &columns);
    for row in rows {
        let each = |count: u64| count as f64 / row.requests.max(1) as f64;
        let spare = if row.state == State::Bare { 0 } else { row.tolerance };
        table.push(vec![
            (row.devices - row.tolerance + spare).into(),
            spare.into(),
            state(row.state).into(),
            row.requests.into(),
            row.failed.into(),
            row.p50_ms.into(),
            row.p99_ms.into(),
            each(row.data_messages).into(),
            (each(row.data_bytes) / KB).into(),
            (row.weight_bytes as f64 / MB).into(),
            (row.payload_bytes as f64 / KB).into(),
        ]);
    }
    table
}

fn wall(of: &SystemSpec, name: &str, clocks: &[Clock]) -> Table {
    let columns = [
        ("devices", ""),
        ("of them spare", ""),
        ("state", ""),
        ("wall time a request", "us"),
        ("wall time a message", "us"),
        ("runs that differed", ""),
    ];
    let title = format!("{name}: what it takes to simulate");
    let table = Table::new(&format!("{}-wall", of.profile), &title, &columns);
    let mut table = table.measured();
    for clock in clocks {
        let spare = if clock.state == State::Bare { 0 } else { clock.tolerance };
        table.push(vec![
            (clock.devices - clock.tolerance + spare).into(),
            spare.into(),
            state(clock.state).into(),
            clock.request_us.into(),
            clock.message_us.into(),
            clock.differed.into(),
        ]);
    }
    table
}

fn devices_axis() -> Axis {
    Axis::new("devices, the spare ones among them", "").from(0.0)
}

/// A figure of the rows of one state, by the devices of the plan with spares.
fn points(
    rows: &[Row],
    of: State,
    tolerance: usize,
    value: impl Fn(&Row) -> f64,
) -> Vec<(f64, f64)> {
    let here = |row: &&Row| row.state == of && row.tolerance == tolerance;
    rows.iter().filter(here).map(|row| (row.devices as f64, value(row))).collect()
}

fn latency_chart(of: &SystemSpec, name: &str, rows: &[Row], tolerance: usize) -> Chart {
    let title = format!("{name}: latency, {tolerance} of the devices spare");
    let y = Axis::new("latency", "ms").from(0.0);
    let name = format!("{}-latency-{tolerance}", of.profile);
    let mut chart = Chart::new(&name, &title, devices_axis(), y);
    for of in State::ALL {
        let word = match of {
            State::Bare => format!("{tolerance} fewer, all waited for"),
            State::Healthy => "all alive".to_owned(),
            State::Dead => format!("{tolerance} dead"),
        };
        let median = points(rows, of, tolerance, |row| row.p50_ms);
        chart.add(&format!("median, {word}"), SeriesKind::Line, median);
        let tail = points(rows, of, tolerance, |row| row.p99_ms);
        chart.add(&format!("99th percentile, {word}"), SeriesKind::Line, tail);
    }
    chart.mark("the paper's largest system", Place::Vertical(PAPER_DEVICES));
    chart
}

fn bytes_chart(of: &SystemSpec, name: &str, rows: &[Row]) -> Chart {
    let title = format!("{name}: what a request sends, and what a device keeps");
    let y = Axis::new("bytes", "MB").log();
    let mut chart = Chart::new(&format!("{}-bytes", of.profile), &title, devices_axis(), y);
    let tolerance = rows.iter().map(|row| row.tolerance).min().unwrap_or(0);
    let sent = |row: &Row| row.data_bytes as f64 / row.requests.max(1) as f64 / MB;
    let kept = |row: &Row| row.weight_bytes as f64 / MB;
    chart.add(
        "sent for a request",
        SeriesKind::Line,
        points(rows, State::Healthy, tolerance, sent),
    );
    chart.add(
        "weights of a device",
        SeriesKind::Line,
        points(rows, State::Healthy, tolerance, kept),
    );
    chart.mark("the paper's largest system", Place::Vertical(PAPER_DEVICES));
    chart
}

fn wall_chart(of: &SystemSpec, name: &str, clocks: &[Clock]) -> Chart {
    let title = format!("{name}: wall time to simulate a message");
    let y = Axis::new("wall time a message", "us").from(0.0);
    let mut chart = Chart::new(&format!("{}-wall", of.profile), &title, devices_axis(), y);
    for of in State::ALL {
        let here = clocks.iter().filter(|clock| clock.state == of);
        let points = here.map(|clock| (clock.devices as f64, clock.message_us)).collect();
        chart.add(state(of), SeriesKind::Points, points);
    }
    chart
}

/// What was seen of clusters behind a front.
pub(super) fn front(spec: &FrontSpec, rows: &[(fleet::Row, fleet::Clock)], outcome: &mut Outcome) {
    let title = format!(
        "Clusters of {} devices ({} on {}) behind one front, in virtual time",
        spec.devices, spec.profile, spec.network
    );
    let columns = [
        ("clusters", ""),
        ("devices", ""),
        ("dead of each cluster", ""),
        ("requests", ""),
        ("without an answer", ""),
        ("median", "ms"),
        ("99th percentile", "ms"),
        ("fewest of a cluster", ""),
        ("most of a cluster", ""),
    ];
    let mut table = Table::new("front", &title, &columns);
    let columns = [("clusters", ""), ("dead of each cluster", ""), ("wall time a request", "us")];
    let title = "Clusters behind one front: what it takes to simulate";
    let mut wall = Table::new("front-wall", title, &columns).measured();
    for (row, clock) in rows {
        table.push(vec![
            row.clusters.into(),
            (row.clusters * spec.devices).into(),
            row.dead.into(),
            row.requests.into(),
            row.failed.into(),
            row.p50_ms.into(),
            row.p99_ms.into(),
            row.fewest.into(),
            row.most.into(),
        ]);
        wall.push(vec![row.clusters.into(), row.dead.into(), clock.request_us.into()]);
    }
    outcome.tables.extend([table, wall]);
    outcome.charts.push(front_chart(rows));
    let failed: usize = rows.iter().map(|(row, _)| row.failed).sum();
    let what = "clusters behind one front: requests without an answer";
    outcome.verdicts.push(Verdict::new(what, failed as f64, Goal::Equals(0.0, 0.0)));
    let what = format!(
        "wall time to simulate a request, most over least, {}",
        words(spec.clusters.iter().copied(), "clusters behind one front")
    );
    let healthy = rows.iter().filter(|(row, _)| row.dead == 0);
    let slowest = spread(healthy.map(|(_, clock)| clock.request_us));
    let verdict = Verdict::new(&what, slowest, Goal::AtMost(NEAR_CONSTANT));
    outcome.verdicts.push(verdict.unit("times"));
}

fn front_chart(rows: &[(fleet::Row, fleet::Clock)]) -> Chart {
    let x = Axis::new("clusters", "").log();
    let y = Axis::new("wall time a request", "us").from(0.0);
    let title = "Clusters behind one front: wall time to simulate a request";
    let mut chart = Chart::new("front-wall", title, x, y);
    for (name, is) in [("all alive", true), ("as many dead as are spare", false)] {
        let here = rows.iter().filter(|(row, _)| (row.dead == 0) == is);
        let points = here.map(|(row, clock)| (row.clusters as f64, clock.request_us)).collect();
        chart.add(name, SeriesKind::Line, points);
    }
    chart
}

/// What holds for all of it.
pub(super) fn whole(repeats: &[usize], outcome: &mut Outcome) {
    let differed: usize = repeats.iter().sum();
    let what = "runs that were not, event by event, what the first run of the same seed was";
    outcome.verdicts.push(Verdict::new(what, differed as f64, Goal::Equals(0.0, 0.0)));
    outcome.note(
        "Nothing is computed here: shards are zeros of their size. That simulated devices which \
         do compute take as long, and answer rightly, is tested on smaller plans.",
    );
    outcome.note(
        "A task takes its share of its layer's operations and weights on the profile's device, \
         and each node's overhead in full; no measured times are used, so that one seed gives the \
         same bytes on every machine.",
    );
    outcome.note(
        "A request over N devices sends a number of messages that grows with the square of N, \
         for each device sends its shard of a layer to all. So what is to stay the same from 4 to \
         64 devices is the wall time a message; from 1 to 1,000 clusters it is that of a request.",
    );
    outcome.note(
        "A plan names 64 devices at most, and a gateway serves one plan file. So many devices are \
         many clusters with a gateway each; the front is a dispatcher that gives each request to \
         the cluster with the fewest under way. It takes no time itself and hears of answers as \
         often as devices give signs of life.",
    );
}
