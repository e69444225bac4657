//! What a worker asks for.

use std::sync::Arc;

use super::audit_queue::AuditId;
use super::delivery::Delivery;
use super::job::Job;
use crate::admit::{Peer, Refusal};
use crate::audit::Audit;
use crate::failure::TaskError;
use crate::frame::{Frame, Heartbeat};
use crate::gather::Gathered;

/// What a worker wants done.
#[derive(Debug)]
pub enum Command {
    /// Run a job and prepare its output for delivery; ends in one
    /// [`Event::Done`](super::Event::Done).
    ///
    /// Condition: everything that the task reads is gathered, its request is
    /// neither finished nor past its deadline, somebody still needs its
    /// output, and a lane is free.
    Run {
        /// Comes back with the result.
        job: Job,
        /// The values that the task reads, in order.
        inputs: Vec<Arc<Gathered>>,
        /// What is to be made of the output.
        delivery: Delivery,
    },
    /// Hold shards against each other, where healthy ones are so far apart; ends
    /// in one [`Event::Audited`](super::Event::Audited).
    ///
    /// Condition: the request is to be audited, all shards of the value have
    /// come or were waited for in vain, no task is ready, and a lane is free.
    Audit(AuditId, Audit, f64),
    /// Send a frame to each of these peers.
    ///
    /// Condition: a job is done, and these read the same part of its output; or
    /// it failed, and these wait for it; or requests of this gateway take long,
    /// and it is to know how far they are; or shards were held against each
    /// other for it.
    Send(Vec<Peer>, Frame),
    /// A frame was refused; close the connection that it came over if it was
    /// a violation.
    ///
    /// Condition: the frame handed in by this event is none that its plan
    /// allows.
    Refuse(Peer, Refusal),
    /// Tell whoever runs this device that a job failed, or is far too late; its
    /// shard is an erasure for everybody.
    ///
    /// Condition: the task could not be run, or its output is not what the
    /// plan says, or it takes far longer than it ever did, and its attempt is
    /// still the current one.
    Failed(Job, TaskError),
    /// Tell every gateway what was done so far.
    ///
    /// Condition: the time between two heartbeats has passed.
    Beat(Heartbeat),
}
