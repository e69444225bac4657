//! What a gateway is told.

use std::time::Duration;

use quorate_model::tensor::Tensor;

use super::job::Job;
use crate::audit::{Audited, Verify};
use crate::frame::{Data, Failure, Heartbeat, Progress, Report};
use crate::id::{DeviceId, DeviceSet, PlanId};

/// What happens to a gateway.
#[derive(Debug)]
pub enum Event {
    /// A request: the model's inputs, in the order of the plan's inputs.
    Submit {
        /// Comes back with the answer.
        token: u64,
        /// One tensor an input.
        inputs: Vec<Tensor>,
        /// Time until the request is given up.
        deadline: Duration,
        /// How its answer is checked.
        verify: Verify,
    },
    /// Nobody wants the answer to the request of this token any more. The
    /// devices are told as of any request that has ended.
    Cancel(u64),
    /// Devices to which nothing as large as the next request's inputs can be sent
    /// without something older that gives way.
    Crowded(DeviceSet),
    /// The gateway ends: nobody wants any answer any more.
    End,
    /// A worker has said hello; the plans of its bundle.
    Up(DeviceId, Vec<PlanId>),
    /// The connection to a worker is gone.
    Down(DeviceId),
    /// A shard of a result came in.
    Data(DeviceId, Data),
    /// A sign of life.
    Beat(DeviceId, Heartbeat),
    /// A device says how far requests are there.
    Progress(DeviceId, Progress),
    /// A part of a frame has come in from a device, so long ago.
    Heard(DeviceId, Duration),
    /// Some bytes have gone out since the last time.
    Moved,
    /// The audits of a [`Command::Audit`](super::Command::Audit) ended.
    Audited(Job, Vec<Audited>),
    /// A device says what it found when it held shards against each other.
    Report(DeviceId, Report),
    /// A device says that a shard will not come.
    Failure(DeviceId, Failure),
    /// A job of [`Command::Run`](super::Command::Run) ended: the model's
    /// outputs, or why there are none.
    Done(Job, Result<Vec<Tensor>, String>),
    /// Silence that is borne from now on.
    SuspectAfter(Duration),
    /// The time asked for by [`Gateway::wake_at`](super::Gateway::wake_at) has
    /// come.
    Tick,
}
