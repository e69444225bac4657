//! What the experiment reads and what it sees.

use serde::{Deserialize, Serialize};

use super::limit::Limit;
use crate::fleet::Pace;

/// What it reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    pub(super) width: usize,
    pub(super) devices: Vec<usize>,
    pub(super) requests: usize,
    pub(super) period_ms: u64,
    pub(super) network: String,
    pub(super) draws: usize,
    pub(super) waits_ms: Vec<u64>,
    pub(super) sweep_devices: usize,
    pub(super) parts: Vec<usize>,
    pub(super) reading: Vec<Reading>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reading {
    pub(super) profile: String,
    /// Is the order-statistics limit worked out?
    pub(super) limit: bool,
    /// Is each request simulated by itself, instead of emulated? Of delays with
    /// so long a tail, a median within some per cent takes thousands of
    /// requests, and one in a hundred of those 20 s and more.
    #[serde(default)]
    pub(super) simulated: bool,
    /// Are waiting and several shards a device tried, too?
    pub(super) sweeps: bool,
    /// In place of the spec's.
    pub(super) requests: Option<usize>,
    /// In place of the spec's.
    pub(super) devices: Option<Vec<usize>>,
}

/// A system of so many devices and one more.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) devices: usize,
    /// All data waited for, and the first that suffice, in milliseconds.
    pub(super) all: Vec<f64>,
    pub(super) first: Vec<f64>,
    /// The limit of each.
    pub(super) limit: Option<Limit>,
    pub(super) pace: Pace,
}

/// A sweep over one number.
#[derive(Serialize, Deserialize)]
pub(super) struct Swept {
    pub(super) at: f64,
    pub(super) latencies: Vec<f64>,
    pub(super) decoded: f64,
    pub(super) pace: Pace,
}

/// All of one reading of the paper's first figure.
pub(super) struct Seen {
    pub(super) rows: Vec<Row>,
    pub(super) waits: Vec<Swept>,
    pub(super) parts: Vec<Swept>,
}
