//! What a worker is told.

use super::audit_queue::AuditId;
use super::delivery::Outgoing;
use super::job::Job;
use crate::admit::Peer;
use crate::audit::Audited;
use crate::failure::TaskError;
use crate::frame::{Data, Failure, Watermark};
use crate::id::{DeviceSet, GatewayRun};

/// What happens to a worker.
#[derive(Debug)]
pub enum Event {
    /// A gateway has connected.
    Gateway(GatewayRun),
    /// The last connection of a gateway has ended.
    GatewayGone(GatewayRun),
    /// An input or a shard came in.
    Data(Peer, Data),
    /// A gateway says which of its requests are finished.
    Watermark(Peer, Watermark),
    /// A job of [`Command::Run`](super::Command::Run) ended: what its
    /// [`Delivery`](super::Delivery) made of the output, or why there is none.
    Done(Job, Result<Vec<Outgoing>, TaskError>),
    /// An audit of [`Command::Audit`](super::Command::Audit) ended.
    Audited(AuditId, Audited),
    /// A device says that a shard will not come.
    Failure(Peer, Failure),
    /// Bytes that came in and went out so far, those of halves of frames
    /// included.
    Moved(u64),
    /// Devices that frames can be sent to now.
    Reaches(DeviceSet),
    /// Frames that the transport let go because a peer's queue was full.
    Dropped(u64),
    /// The time asked for by [`Worker::wake_at`](super::Worker::wake_at) has
    /// come.
    Tick,
}
