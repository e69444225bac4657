//! Runs of gateways, as one device knows them.
//!
//! A run is served from its first frame until some time after its connection has
//! ended. A newer run of the same gateway ends one that has no connection at
//! once, and leaves one alone that has: who only says a higher number takes
//! nobody's place.

use std::collections::BTreeMap;

use crate::finished::Finished;
use crate::frame::Watermark;
use crate::id::{GatewayRun, RequestId};
use crate::time::Time;

/// Most runs that are remembered, but for those with a connection.
pub(super) const RUNS_MAX: usize = 64;

/// How a run is connected with this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// Not so far: devices have sent shards of its requests.
    Unseen,
    Up,
    /// Not any more; from then on it is taken for ended.
    Down(Time),
    Ended,
}

#[derive(Debug)]
struct Known {
    line: Line,
    finished: Finished,
    /// When it was last heard of, as a count of such times.
    heard: u64,
}

/// Runs of gateways, and which of their requests are finished.
#[derive(Debug, Default)]
pub(super) struct Gateways {
    runs: BTreeMap<GatewayRun, Known>,
    heard: u64,
}

impl Gateways {
    /// A run's connection is up. Returns the runs that have ended with that.
    pub(super) fn connect(&mut self, run: GatewayRun) -> Vec<GatewayRun> {
        self.heard += 1;
        let heard = self.heard;
        let new = || Known { line: Line::Up, finished: Finished::default(), heard };
        let known = self.runs.entry(run).or_insert_with(new);
        (known.line, known.heard) = (Line::Up, heard);
        self.end(|other, line| is_newer(run, *other) && *line != Line::Up)
    }

    /// A run's connection has ended: it is ended at `at`, or now where a newer
    /// run of its gateway has a connection. Returns the runs that have ended.
    pub(super) fn disconnect(&mut self, run: GatewayRun, at: Time) -> Vec<GatewayRun> {
        let is_replaced = self.connected().any(|other| is_newer(other, run));
        self.heard += 1;
        if let Some(known) = self.runs.get_mut(&run).filter(|known| known.line == Line::Up) {
            (known.line, known.heard) = (Line::Down(at), self.heard);
        }
        let mut ended = self.end(|other, _| *other == run && is_replaced);
        // It takes one of the places from now on.
        if self.unconnected() > RUNS_MAX {
            ended.extend(self.drop_oldest(|_| false));
        }
        ended
    }

    /// Runs that are ended at `now`.
    pub(super) fn expire(&mut self, now: Time) -> Vec<GatewayRun> {
        self.end(|_, line| matches!(line, Line::Down(at) if *at <= now))
    }

    /// When the next of them is.
    pub(super) fn next(&self) -> Option<Time> {
        let down = |known: &Known| match known.line {
            Line::Down(at) => Some(at),
            _ => None,
        };
        self.runs.values().filter_map(down).min()
    }

    fn end(&mut self, ends: impl Fn(&GatewayRun, &Line) -> bool) -> Vec<GatewayRun> {
        let is_new = |run: &GatewayRun, line: &Line| *line != Line::Ended && ends(run, line);
        let ended = self.runs.iter_mut().filter(|(run, known)| is_new(run, &known.line));
        let ended = ended.map(|(run, known)| {
            known.line = Line::Ended;
            *run
        });
        ended.collect()
    }

    /// Is a request of this run to be served? Not one of a run that has ended, or
    /// is older than one that is known; nor where there are too many of which
    /// any is `busy`.
    pub(super) fn serves(&mut self, run: GatewayRun, busy: impl Fn(GatewayRun) -> bool) -> bool {
        self.heard += 1;
        if let Some(known) = self.runs.get_mut(&run) {
            known.heard = self.heard;
            return known.line != Line::Ended;
        }
        if self.runs.keys().any(|other| is_newer(*other, run)) {
            return false;
        }
        if self.unconnected() >= RUNS_MAX && self.drop_oldest(busy).is_none() {
            return false;
        }
        let (finished, heard) = (Finished::default(), self.heard);
        self.runs.insert(run, Known { line: Line::Unseen, finished, heard });
        true
    }

    fn unconnected(&self) -> usize {
        self.runs.values().filter(|known| known.line != Line::Up).count()
    }

    /// Forgets the one that was not heard of for longest and has no connection.
    fn drop_oldest(&mut self, busy: impl Fn(GatewayRun) -> bool) -> Option<GatewayRun> {
        let without = self.runs.iter().filter(|(_, known)| known.line != Line::Up);
        let idle = without.filter(|(run, _)| !busy(**run));
        let oldest = idle.min_by_key(|(_, known)| known.heard).map(|(run, _)| *run)?;
        self.runs.remove(&oldest);
        Some(oldest)
    }

    /// Takes note of a run's finished requests.
    pub(super) fn learn(&mut self, mark: &Watermark) {
        if let Some(known) = self.runs.get_mut(&mark.run) {
            known.finished.learn(mark);
        }
    }

    /// Is a request finished?
    pub(super) fn is_finished(&self, request: RequestId) -> bool {
        let known = self.runs.get(&request.run);
        known.is_some_and(|known| known.finished.contains(request.number))
    }

    /// Runs with a connection.
    pub(super) fn connected(&self) -> impl Iterator<Item = GatewayRun> + '_ {
        self.runs.iter().filter(|(_, known)| known.line == Line::Up).map(|(run, _)| *run)
    }

    /// Runs that are remembered.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.runs.len()
    }
}

/// Is `run` a later run of the same gateway than `other`?
fn is_newer(run: GatewayRun, other: GatewayRun) -> bool {
    run.gateway == other.gateway && run.epoch > other.epoch
}
