//! What happens to a simulation from outside: requests, and what goes wrong.

use std::time::Duration;

use quorate_core::audit::Verify;
use quorate_core::cluster::Nanos;
use quorate_core::gateway::GatewayConfig;
use quorate_core::worker::WorkerConfig;

use super::fault::Fault;

/// When requests come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requests {
    /// Each at its time, in this order: an open loop.
    At(Vec<Duration>),
    /// So many, each so long after the one before has ended: a closed loop.
    OneByOne {
        /// How many.
        count: usize,
        /// How long after.
        pause: Duration,
    },
}

/// Something that changes while a simulation runs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change<T> {
    /// A device or a link fails, or recovers.
    Fault(Fault),
    /// What only one kind of world has.
    World(T),
}

/// When a simulation is over, once every request has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// When all changes have happened and no node keeps anything.
    Idle,
    /// So long after the last request has ended.
    After(Duration),
}

/// What happens to a simulation from outside.
#[derive(Clone, Debug)]
pub(super) struct Course<T> {
    pub(super) requests: Requests,
    /// When it begins: its times are counted from there.
    pub(super) begin: Nanos,
    /// Time each of them has.
    pub(super) deadline: Duration,
    /// When somebody stops waiting for which request.
    pub(super) cancels: Vec<(Nanos, usize)>,
    /// In the order of their times.
    pub(super) changes: Vec<(Nanos, Change<T>)>,
    /// How many gateways there are, which requests are asked of in turn.
    pub(super) gateways: usize,
    pub(super) gateway: GatewayConfig,
    /// Most bytes of payload that a device keeps, where that is not as usual.
    pub(super) memory: Option<usize>,
    /// By device: which version of the bundle it has; the first where nothing is
    /// said.
    pub(super) versions: Vec<usize>,
    /// How answers are checked.
    pub(super) verify: Verify,
    pub(super) until: Until,
    /// The largest error of an answer that is right.
    pub(super) error_max: f64,
}

impl<T> Course<T> {
    /// The habits of its devices.
    pub(super) fn worker(&self) -> WorkerConfig {
        let usual = WorkerConfig { usual: self.gateway.usual.clone(), ..WorkerConfig::default() };
        let payload_bytes_max = self.memory.unwrap_or(usual.payload_bytes_max);
        WorkerConfig { payload_bytes_max, ..usual }
    }
}
