//! What the report says of stragglers.

use super::seen::{Reading, Row, Seen, Spec, Swept};
use crate::experiment::{Axis, Chart, Goal, Outcome, Place, SeriesKind, Table, Verdict};
use crate::statistics::percentile;

/// How far from the limit is near enough.
const NEAR: f64 = 5.0;

/// By how many per cent `less` is below `more`.
fn cut(more: f64, less: f64) -> f64 {
    100.0 * (1.0 - less / more)
}

pub(super) fn report(spec: &Spec, reading: &Reading, seen: &Seen, outcome: &mut Outcome) {
    let profile = &reading.profile;
    outcome.tables.push(improvement_table(reading, &seen.rows));
    outcome.charts.push(improvement_chart(reading, &seen.rows));
    outcome.verdicts.extend(verdicts(reading, &seen.rows));
    if !reading.sweeps {
        return;
    }
    let title = format!("Waiting for everybody before going on, {profile}");
    outcome.tables.push(sweep_table("wait", &title, ("wait", "ms"), profile, &seen.waits));
    let x = Axis::new("time to wait for everybody", "ms").from(0.0);
    outcome.charts.push(sweep_chart("wait", &title, x, profile, &seen.waits));
    let devices = spec.sweep_devices;
    let title = format!(
        "What stragglers have done so far is used: {devices} devices and one more with several \
         shards each, {profile}"
    );
    let column = ("shards a device", "");
    outcome.tables.push(sweep_table("parts", &title, column, profile, &seen.parts));
}

fn improvement_table(reading: &Reading, rows: &[Row]) -> Table {
    let columns = [
        ("devices", ""),
        ("all data, median", "ms"),
        ("first that suffice, median", "ms"),
        ("improvement", "%"),
        ("limit of all data", "ms"),
        ("limit of the first", "ms"),
        ("limit of the improvement", "%"),
        ("off the limit", "%"),
    ];
    let title = format!("Improvement by not waiting for stragglers, {}", reading.profile);
    let name = format!("improvement-{}", reading.profile);
    let mut table = Table::new(&name, &title, &columns).measured();
    for row in rows {
        let (all, first) = (percentile(&row.all, 0.5), percentile(&row.first, 0.5));
        let limit = row.limit;
        table.push(vec![
            row.devices.into(),
            all.into(),
            first.into(),
            cut(all, first).into(),
            limit.map(|l| l.all_ms).into(),
            limit.map(|l| l.first_ms).into(),
            limit.map(|l| cut(l.all_ms, l.first_ms)).into(),
            limit.map(|l| 100.0 * (first / l.first_ms - 1.0)).into(),
        ]);
    }
    table
}

fn improvement_chart(reading: &Reading, rows: &[Row]) -> Chart {
    let x = Axis::new("devices with data", "");
    let y = Axis::new("improvement of the median", "%").from(0.0);
    let name = format!("improvement-{}", reading.profile);
    let title = format!("Figure 16: improvement by the number of devices, {}", reading.profile);
    let mut chart = Chart::new(&name, &title, x, y);
    let at = |row: &Row| row.devices as f64;
    let measured = rows
        .iter()
        .map(|row| (at(row), cut(percentile(&row.all, 0.5), percentile(&row.first, 0.5))));
    chart.add("measured", SeriesKind::Points, measured.collect());
    let limits = rows.iter().filter_map(|row| {
        let limit = row.limit?;
        Some((at(row), cut(limit.all_ms, limit.first_ms)))
    });
    chart.add("limit by order statistics", SeriesKind::Line, limits.collect());
    chart.mark("paper: up to 35 %", Place::Horizontal(35.0));
    chart
}

fn sweep_table(
    name: &str,
    title: &str,
    first: (&str, &str),
    profile: &str,
    swept: &[Swept],
) -> Table {
    let columns = [first, ("median", "ms"), ("99 %", "ms"), ("answers decoded", "%")];
    let mut table = Table::new(&format!("{name}-{profile}"), title, &columns).measured();
    for one in swept {
        let at = |share| percentile(&one.latencies, share).into();
        table.push(vec![one.at.into(), at(0.5), at(0.99), (100.0 * one.decoded).into()]);
    }
    table
}

fn sweep_chart(name: &str, title: &str, x: Axis, profile: &str, swept: &[Swept]) -> Chart {
    let y = Axis::new("latency", "ms").from(0.0);
    let mut chart = Chart::new(&format!("{name}-{profile}"), title, x, y);
    for (series, share) in [("median", 0.5), ("90 %", 0.9)] {
        let points = swept.iter().map(|one| (one.at, percentile(&one.latencies, share)));
        chart.add(series, SeriesKind::Line, points.collect());
    }
    chart
}

fn verdicts(reading: &Reading, rows: &[Row]) -> Vec<Verdict> {
    let profile = &reading.profile;
    let mut verdicts = Vec::new();
    for row in rows {
        let Some(limit) = row.limit else { continue };
        let off = 100.0 * (percentile(&row.first, 0.5) / limit.first_ms - 1.0);
        let what = format!("{profile}, {} devices: off the limit", row.devices);
        verdicts.push(Verdict::new(&what, off, Goal::Between(-NEAR, NEAR)).unit("%"));
    }
    let improvement = |row: &Row| cut(percentile(&row.all, 0.5), percentile(&row.first, 0.5));
    let best = rows.iter().map(improvement).fold(f64::NAN, f64::max);
    let what = format!("{profile}: the largest improvement");
    let goal = Goal::AtLeast(35.0);
    verdicts.push(Verdict::new(&what, best, goal).unit("%").paper("up to 35 %"));
    verdicts
}
