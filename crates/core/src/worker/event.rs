//! What a worker is told.

use super::delivery::Outgoing;
use super::job::Job;
use crate::admit::Peer;
use crate::failure::TaskError;
use crate::frame::{Data, Failure, Watermark};
use crate::id::GatewayRun;

/// What happens to a worker.
#[derive(Debug)]
pub enum Event {
    /// A gateway has connected.
    Gateway(GatewayRun),
    /// An input or a shard came in.
    Data(Peer, Data),
    /// A gateway says which of its requests are finished.
    Watermark(Peer, Watermark),
    /// A job of [`Command::Run`](super::Command::Run) ended: what its
    /// [`Delivery`](super::Delivery) made of the output, or why there is none.
    Done(Job, Result<Vec<Outgoing>, TaskError>),
    /// A device says that a shard will not come.
    Failure(Peer, Failure),
    /// Bytes that came in and went out so far, those of halves of frames
    /// included.
    Moved(u64),
    /// Frames that the transport let go because a peer's queue was full.
    Dropped(u64),
    /// The time asked for by [`Worker::wake_at`](super::Worker::wake_at) has
    /// come.
    Tick,
}
