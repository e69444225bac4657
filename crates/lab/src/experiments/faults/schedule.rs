//! When which device fails, and for how long: drawn from a seed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sim::random::SplitMix;

/// How faults come.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pattern {
    pub(super) name: String,
    /// From the beginning of one to that of the next, at least and at most.
    pub(super) gap_ms: [u64; 2],
    /// How long one lasts, at least and at most.
    pub(super) length_ms: [u64; 2],
    /// Most devices that are away at once.
    pub(super) most: usize,
    /// How often it is played, where that is not the spec's.
    pub(super) runs: Option<usize>,
}

/// What happens to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FaultKind {
    Kill,
    Freeze,
    Cut,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FaultKind::Kill => "killed",
            FaultKind::Freeze => "frozen",
            FaultKind::Cut => "cut off",
        })
    }
}

/// A fault, and when it began: milliseconds since the first request.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Blow {
    pub(super) at_ms: f64,
    pub(super) length_ms: f64,
    pub(super) device: usize,
    pub(super) kind: FaultKind,
}

/// Faults without end, in the order of their times.
pub(super) struct Schedule<'a> {
    pattern: &'a Pattern,
    random: SplitMix,
    devices: usize,
    at_ms: u64,
    /// By device: until when it is away.
    until_ms: Vec<u64>,
}

/// Time that a device is left alone after a fault: it has to come up again.
const REST_MS: u64 = 600;

impl<'a> Schedule<'a> {
    pub(super) fn new(pattern: &'a Pattern, devices: usize, seed: u64) -> Schedule<'a> {
        let random = SplitMix::new(seed);
        Schedule { pattern, random, devices, at_ms: 0, until_ms: vec![0; devices] }
    }
}

impl Iterator for Schedule<'_> {
    type Item = Blow;

    fn next(&mut self) -> Option<Blow> {
        let Pattern { gap_ms, length_ms, most, .. } = self.pattern;
        loop {
            self.at_ms += self.random.between(gap_ms[0], gap_ms[1]);
            let length = self.random.between(length_ms[0], length_ms[1]);
            let kind =
                [FaultKind::Kill, FaultKind::Freeze, FaultKind::Cut][self.random.below(3) as usize];
            let device = self.random.below(self.devices as u64) as usize;
            let away = self.until_ms.iter().filter(|until| **until > self.at_ms).count();
            if away >= *most || self.until_ms[device] > self.at_ms {
                continue;
            }
            self.until_ms[device] = self.at_ms + length + REST_MS;
            let (at_ms, length_ms) = (self.at_ms as f64, length as f64);
            return Some(Blow { at_ms, length_ms, device, kind });
        }
    }
}
