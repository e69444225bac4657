//! What came of a simulation.

use std::time::Duration;

use quorate_core::gateway::{Provenance, RequestError};

/// How a request ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// How long after it came in.
    pub after: Duration,
    /// How the answer came about, or why there is none.
    pub outcome: Result<Provenance, RequestError>,
}

/// A shard of a result that has come to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardArrival {
    /// Who sent it.
    pub device: usize,
    /// Which shard of the value.
    pub shard: usize,
    /// How long after its request came in.
    pub after: Duration,
}

/// What a node has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages of any kind.
    pub messages: u64,
    /// Their bytes, heads included.
    pub bytes: u64,
    /// Messages that are inputs or shards.
    pub data_messages: u64,
    /// Their bytes, heads included.
    pub data_bytes: u64,
}

/// What a simulation did.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// By request: when it came in.
    pub came: Vec<Duration>,
    /// By request; `None` for those that were cancelled in time.
    pub endings: Vec<Option<Ending>>,
    /// By request: was it cancelled before it ended?
    pub cancelled: Vec<bool>,
    /// By request: the shards of results that have come to the gateway, late
    /// ones too, in the order in which they came.
    pub arrivals: Vec<Vec<ShardArrival>>,
    /// By node, the gateway last: what it has sent.
    pub traffic: Vec<Traffic>,
    /// By device: values decoded since it last started.
    pub decoded: Vec<u64>,
    /// By device: the most bytes of payload that it kept at any time.
    pub payload_bytes_max: Vec<usize>,
    /// The worst answer's error.
    pub error: f64,
    /// Frames that were refused, and bytes that were no frame.
    pub refused: u64,
    /// Events in all.
    pub events: u64,
    /// Hash of all events: equal for equal runs.
    pub digest: u64,
    /// When the last request ended, in microseconds.
    pub ended_us: u64,
    /// When the simulation was over, in microseconds.
    pub idle_us: u64,
}

impl Record {
    /// What it takes from coming in to the answer, of requests that were
    /// answered, in the order in which they came.
    pub fn latencies(&self) -> impl Iterator<Item = Duration> + '_ {
        let answered = |ending: &&Ending| ending.outcome.is_ok();
        self.endings.iter().flatten().filter(answered).map(|ending| ending.after)
    }

    /// Requests that ended without an answer.
    pub fn failures(&self) -> usize {
        self.endings.iter().flatten().filter(|ending| ending.outcome.is_err()).count()
    }
}
