//! One plan of so many devices: what requests take, and what it takes to
//! simulate them.

use std::time::{Duration, Instant};

use quorate_model::stage::Staged;
use serde::{Deserialize, Serialize};

use super::subject::{Subject, with_dead};
use crate::experiment::Context;
use crate::sim::random::SplitMix;
use crate::sim::timed::{Script, Timed};
use crate::sim::{Record, Requests};
use crate::statistics::percentile;

/// Devices of one kind on a network.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SystemSpec {
    pub(super) profile: String,
    pub(super) network: String,
    distance_ms: f64,
}

/// Who is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// The devices that do the work, and no others: every one is waited for.
    Bare,
    /// The spare ones too.
    Healthy,
    /// As many are dead as are spare.
    Dead,
}

impl State {
    pub(super) const ALL: [State; 3] = [State::Bare, State::Healthy, State::Dead];
}

/// What was seen of one plan in one state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    /// Devices in all, the spare ones among them.
    pub(super) devices: usize,
    pub(super) tolerance: usize,
    pub(super) state: State,
    pub(super) requests: usize,
    pub(super) failed: usize,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Inputs and shards, all together.
    pub(super) data_messages: u64,
    pub(super) data_bytes: u64,
    /// Whatever is sent, signs of life among it.
    pub(super) messages: u64,
    pub(super) weight_bytes: u64,
    /// The most payload that a device keeps at a time.
    pub(super) payload_bytes: u64,
}

/// What simulating some requests of a row took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Clock {
    pub(super) devices: usize,
    pub(super) tolerance: usize,
    pub(super) state: State,
    /// Wall time a simulated request, in microseconds.
    pub(super) request_us: f64,
    /// Wall time a simulated message, in microseconds.
    pub(super) message_us: f64,
    /// Runs that were not equal to the first.
    pub(super) differed: usize,
}

/// How the simulator is timed: the least of so many runs counts, each of so
/// many messages.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TimedSpec {
    pub(super) runs: usize,
    messages: u64,
}

/// Plans of so many devices.
pub(super) struct Sweep<'a> {
    pub(super) staged: &'a Staged,
    pub(super) system: &'a SystemSpec,
    pub(super) devices: usize,
    pub(super) tolerances: &'a [usize],
    pub(super) requests: usize,
    pub(super) seed: u64,
}

impl Sweep<'_> {
    /// Every tolerance in every state.
    pub(super) fn run(&self, context: &mut Context) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for &tolerance in self.tolerances {
            for state in State::ALL {
                context.go_on()?;
                let subject = self.subject(tolerance, state)?;
                let record = self.play(&subject, tolerance, state, self.requests)?;
                rows.push(self.row(&subject, tolerance, state, &record));
            }
        }
        Ok(rows)
    }

    /// The first requests of every row again and again, by the clock.
    pub(super) fn time(
        &self,
        rows: &[Row],
        timed: TimedSpec,
        context: &mut Context,
    ) -> anyhow::Result<Vec<Clock>> {
        let mut clocks = Vec::new();
        for row in rows {
            let subject = self.subject(row.tolerance, row.state)?;
            let each = row.messages.div_ceil(row.requests.max(1) as u64).max(1);
            let requests = (timed.messages.div_ceil(each) as usize).clamp(1, row.requests);
            let (mut least, mut first, mut differed) = (f64::INFINITY, None, 0);
            let mut messages = 0;
            for _ in 0..timed.runs {
                context.go_on()?;
                let since = Instant::now();
                let record = self.play(&subject, row.tolerance, row.state, requests)?;
                least = least.min(since.elapsed().as_secs_f64() * 1e6);
                differed += usize::from(*first.get_or_insert(record.digest) != record.digest);
                messages = record.traffic.iter().map(|traffic| traffic.messages).sum();
            }
            clocks.push(Clock {
                devices: row.devices,
                tolerance: row.tolerance,
                state: row.state,
                request_us: least / requests as f64,
                message_us: least / messages.max(1) as f64,
                differed,
            });
        }
        Ok(clocks)
    }

    fn subject(&self, tolerance: usize, state: State) -> anyhow::Result<Subject<'_>> {
        let spares = if state == State::Bare { 0 } else { tolerance };
        let SystemSpec { profile, network, .. } = self.system;
        Subject::new(self.staged, (profile, network), self.devices - tolerance, spares, self.seed)
    }

    fn play(
        &self,
        subject: &Subject<'_>,
        tolerance: usize,
        state: State,
        requests: usize,
    ) -> anyhow::Result<Record> {
        let script = Script::new(Requests::At(self.times(requests)));
        let dead = if state == State::Dead { tolerance } else { 0 };
        let mut timed = Timed::new(subject.blank.clone(), subject.timing.clone())?;
        timed.run(&with_dead(script, dead))
    }

    /// When so many requests come in.
    fn times(&self, requests: usize) -> Vec<Duration> {
        let mut random = SplitMix::new(self.seed);
        let distance = |_| self.system.distance_ms * (1.0 + random.share()) / 1e3;
        let distances = (0..requests).map(distance);
        let times = distances.scan(0.0, |at, distance| {
            *at += distance;
            Some(Duration::from_secs_f64(*at))
        });
        times.collect()
    }

    fn row(&self, subject: &Subject<'_>, tolerance: usize, state: State, of: &Record) -> Row {
        let ms: Vec<f64> = of.latencies().map(|latency| latency.as_secs_f64() * 1e3).collect();
        let sum = |count: fn(&crate::sim::Traffic) -> u64| of.traffic.iter().map(count).sum();
        Row {
            devices: self.devices,
            tolerance,
            state,
            requests: of.endings.len(),
            failed: of.failures(),
            p50_ms: percentile(&ms, 0.5),
            p99_ms: percentile(&ms, 0.99),
            data_messages: sum(|traffic| traffic.data_messages),
            data_bytes: sum(|traffic| traffic.data_bytes),
            messages: sum(|traffic| traffic.messages),
            weight_bytes: subject.largest_weight_bytes(),
            payload_bytes: of.payload_bytes_max.iter().copied().max().unwrap_or(0) as u64,
        }
    }
}
