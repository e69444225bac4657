//! Devices that die, freeze and lose their links while requests are asked.

mod healthy;
mod rig;
mod schedule;

use std::time::Duration;

use quorate_core::gateway::GatewayConfig;
use serde::{Deserialize, Serialize};

use crate::experiment::{
    Axis, Chart, Context, Experiment, Goal, Outcome, SeriesKind, Table, Verdict,
};
use crate::statistics::percentile;
use healthy::Healthy;
use rig::{Answered, Rig};
use schedule::{Blow, FaultKind, Pattern};

/// Devices that die, freeze and lose their links.
pub(super) struct Faults;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    runs: usize,
    requests: usize,
    /// Healthy requests after a pause as long as silence that makes a suspect.
    rested: usize,
    inputs: usize,
    devices: usize,
    spares: usize,
    widths: Vec<usize>,
    link: String,
    pattern: Vec<Pattern>,
}

/// The largest relative error of an answer that is right.
const ERROR_MAX: f64 = 1e-4;

/// One of so many usual requests is in the chart.
const SHOWN_EVERY: usize = 20;

/// What one run saw.
#[derive(Serialize, Deserialize)]
struct Seen {
    answers: Vec<Answered>,
    blows: Vec<Blow>,
}

/// A run, looked at.
#[derive(Default)]
struct Looked {
    lost: usize,
    wrong: usize,
    again: usize,
    /// The longest that a request took, in milliseconds.
    worst_ms: f64,
    /// The same over what is allowed: suspicion and two healthy latencies for
    /// each fault that hits the request.
    worst_share: f64,
    /// By kind of fault: the longest of the requests that it hit, in healthy
    /// 99th percentiles.
    worst_of: [f64; 3],
    /// The same of requests that its end may have hit.
    worst_after: [f64; 3],
}

impl Experiment for Faults {
    fn name(&self) -> &'static str {
        "faults"
    }

    fn title(&self) -> &'static str {
        "Devices that die, freeze and lose their links"
    }

    fn paper(&self) -> &'static str {
        "Section 5: one device more makes up for one that is lost, without any request noticing. \
         Here devices are killed, frozen and cut off, one at a time and more at once than the code \
         makes up for, on hosts of their own with links of 94 Mbit/s."
    }

    fn spec(&self) -> &'static str {
        include_str!("../../specs/faults.toml")
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let spec: Spec = context.spec()?;
        let mut outcome = Outcome::default();
        if let Err(error) = rig::try_out(spec.devices + spec.spares, &spec.link) {
            outcome.note(format!(
                "Skipped: this machine has no network namespaces ({error:#}). It takes Linux, \
                 root, `ip`, `tc` and version 1 of the cgroup controller `cpu`."
            ));
            return Ok(outcome);
        }
        let program = context.program()?.to_owned();
        let shape = (spec.devices, spec.spares, spec.widths.as_slice());
        let rig = Rig::pack(&program, shape, &spec.link, context.seed(), spec.inputs)?;
        let runs: usize =
            spec.pattern.iter().map(|pattern| pattern.runs.unwrap_or(spec.runs)).sum();
        context.progress(0, runs + 2, "healthy");
        let requests = spec.requests;
        let ask = |context: &mut Context, key: &str, many, faults| {
            context.step(key, |context| {
                let (answers, blows) = rig.ask(context, many, faults)?;
                Ok(Seen { answers, blows })
            })
        };
        let healthy: Seen = ask(context, "healthy", (requests, Duration::ZERO), None)?;
        context.progress(1, runs + 2, "healthy, after pauses");
        let rested: Seen = ask(context, "rested", (spec.rested, suspect_after()), None)?;
        let healthy = Healthy::new(healthy.answers, &rested.answers);
        let mut table = columns();
        let (mut done, mut all) = (2, Vec::new());
        for pattern in &spec.pattern {
            for run in 0..pattern.runs.unwrap_or(spec.runs) {
                let key = format!("{}-{run}", pattern.name.replace(' ', "-"));
                context.progress(done, runs + 2, &key);
                let seed = context.seed() + run as u64;
                let many = (requests, Duration::ZERO);
                let seen: Seen = ask(context, &key, many, Some((pattern, seed)))?;
                let looked = look(&healthy, &seen);
                table.push(row(&key, &seen, &looked));
                all.push((pattern, seen, looked));
                done += 1;
            }
        }
        report(&healthy, &all, table, &mut outcome);
        Ok(outcome)
    }
}

/// Silence that makes a suspect: that of `quorate run`.
fn suspect_after() -> Duration {
    GatewayConfig::default().suspect_after
}

fn suspect_ms() -> f64 {
    suspect_after().as_secs_f64() * 1e3
}

/// Was a request hit by what happened then: while it was under way, or so shortly
/// before that nobody could know?
fn is_hit(answer: &Answered, at_ms: f64) -> bool {
    let from = answer.at_ms - answer.latency_ms.unwrap_or(0.0) - suspect_ms();
    (from..=answer.at_ms).contains(&at_ms)
}

fn look(healthy: &Healthy, seen: &Seen) -> Looked {
    let allowed_ms = suspect_ms() + 2.0 * healthy.rested_p90;
    let mut looked = Looked::default();
    for answer in &seen.answers {
        let Some(latency_ms) = answer.latency_ms else {
            looked.lost += 1;
            continue;
        };
        let right = healthy.answer_to(answer.input);
        looked.wrong += usize::from(right.is_none_or(|right| !answer.is_like(right, ERROR_MAX)));
        looked.again += usize::from(answer.attempts > 1);
        looked.worst_ms = looked.worst_ms.max(latency_ms);
        let (times, mut hits) = (latency_ms / healthy.p99, 0);
        for blow in &seen.blows {
            let kind = blow.kind as usize;
            if is_hit(answer, blow.at_ms) {
                hits += 1;
                looked.worst_of[kind] = looked.worst_of[kind].max(times);
            }
            if is_hit(answer, blow.at_ms + blow.length_ms) {
                looked.worst_after[kind] = looked.worst_after[kind].max(times);
            }
        }
        let share = latency_ms / (f64::from(hits.max(1)) * allowed_ms);
        looked.worst_share = looked.worst_share.max(share);
    }
    looked
}

fn columns() -> Table {
    let columns = [
        ("run", ""),
        ("requests", ""),
        ("faults", ""),
        ("lost", ""),
        ("wrong", ""),
        ("begun anew", ""),
        ("p50", "ms"),
        ("p99", "ms"),
        ("worst", "ms"),
        ("worst against what is allowed", ""),
    ];
    Table::new("runs", "Requests while devices fail", &columns).measured()
}

fn row(key: &str, seen: &Seen, looked: &Looked) -> Vec<crate::experiment::Cell> {
    let all: Vec<f64> = seen.answers.iter().filter_map(|answer| answer.latency_ms).collect();
    vec![
        key.into(),
        seen.answers.len().into(),
        seen.blows.len().into(),
        looked.lost.into(),
        looked.wrong.into(),
        looked.again.into(),
        percentile(&all, 0.5).into(),
        percentile(&all, 0.99).into(),
        looked.worst_ms.into(),
        looked.worst_share.into(),
    ]
}

fn report(
    healthy: &Healthy,
    all: &[(&Pattern, Seen, Looked)],
    table: Table,
    outcome: &mut Outcome,
) {
    outcome.tables.push(table);
    let sum = |of: fn(&Looked) -> usize| all.iter().map(|(_, _, looked)| of(looked)).sum::<usize>();
    let zero = Goal::Equals(0.0, 0.0);
    outcome.verdicts.push(Verdict::new("requests lost", sum(|l| l.lost) as f64, zero));
    outcome.verdicts.push(Verdict::new("answers wrong", sum(|l| l.wrong) as f64, zero));
    let worst = all.iter().map(|(_, _, looked)| looked.worst_share).fold(0.0, f64::max);
    let what = "longest request, over suspicion time and two healthy latencies after a pause \
                as long, for each fault that hits it";
    outcome.verdicts.push(Verdict::new(what, worst, Goal::AtMost(1.0)));
    for (kind, times) in [(FaultKind::Kill, 2.0), (FaultKind::Freeze, 2.0), (FaultKind::Cut, 3.0)] {
        let single = all.iter().filter(|(pattern, ..)| pattern.most == 1);
        let worst = single.map(|(_, _, looked)| looked.worst_of[kind as usize]).fold(0.0, f64::max);
        let what = format!("one device {kind} at a time: longest request, in healthy p99");
        outcome.verdicts.push(Verdict::new(&what, worst, Goal::AtMost(times)));
    }
    let Healthy { p99, longest, rested_p90, .. } = *healthy;
    let after = |kind: FaultKind| {
        let single = all.iter().filter(|(pattern, ..)| pattern.most == 1);
        single.map(|(_, _, looked)| looked.worst_after[kind as usize]).fold(0.0, f64::max)
    };
    let [kill, freeze, cut] = [FaultKind::Kill, FaultKind::Freeze, FaultKind::Cut].map(after);
    outcome.note(format!(
        "Healthy: p99 {p99:.1} ms, the longest of as many {longest:.1} ms, which is {:.1} times \
         that. After a pause as long as silence that makes a suspect the 90th percentile is \
         {rested_p90:.1} ms: this machine is slower once it has been idle. A request that moves \
         begins anew after such a pause, so it is this latency of which it is allowed two.",
        longest / p99
    ));
    outcome.note(format!(
        "One at a time: when a device is back from being killed, frozen or cut off, the longest \
         request within {:.0} ms takes {kill:.1}, {freeze:.1} and {cut:.1} healthy p99. All hosts \
         share the cores of this machine, so a process that starts anew takes them from others.",
        suspect_ms()
    ));
    if let Some((pattern, seen, _)) = all.last() {
        let x = Axis::new("time", "s");
        let y = Axis::new("latency", "ms").from(0.0);
        let title = format!("One run, faults {}", pattern.name);
        let mut chart = Chart::new("timeline", &title, x, y);
        let point = |answer: &Answered| Some((answer.at_ms / 1e3, answer.latency_ms?));
        // All that took long, and some of the others.
        let shown = |(at, answer): &(usize, &Answered)| {
            at % SHOWN_EVERY == 0 || answer.latency_ms.is_some_and(|latency| latency > p99)
        };
        let shown = seen.answers.iter().enumerate().filter(shown);
        let points = shown.filter_map(|(_, answer)| point(answer)).collect();
        chart.add("requests", SeriesKind::Points, points);
        let top = |blow: &Blow| (blow.at_ms / 1e3, 0.0);
        chart.add("a fault begins", SeriesKind::Points, seen.blows.iter().map(top).collect());
        outcome.charts.push(chart);
    }
}
