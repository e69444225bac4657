//! What a gateway asks for.

use std::sync::Arc;

use quorate_model::tensor::Tensor;

use super::answer::{Provenance, RequestError};
use super::job::Job;
use super::notice::Notice;
use crate::admit::Refusal;
use crate::audit::Audit;
use crate::frame::Frame;
use crate::gather::Gathered;
use crate::id::DeviceId;

/// What a gateway wants done.
#[derive(Debug)]
pub enum Command {
    /// Send a frame to each of these devices.
    ///
    /// Condition: an attempt at a request begins and these read the same part
    /// of an input, or requests have finished since the last watermark and
    /// that is long enough ago, or these are silent although connected.
    Send(Vec<DeviceId>, Frame),
    /// Compute the last glue from the gathered results; ends in one
    /// [`Event::Done`](super::Event::Done).
    ///
    /// Condition: every result of the request's current attempt is gathered,
    /// for the first time.
    Run(Job, Vec<Arc<Gathered>>),
    /// Hold shards against each other, where healthy ones are so far apart; ends
    /// in one [`Event::Audited`](super::Event::Audited).
    ///
    /// Condition: the request is to be audited, and all shards of its results
    /// have come, or were waited for in vain.
    Audit(Job, Vec<(f64, Audit)>),
    /// A request is answered: its token and the model's outputs.
    ///
    /// Condition: the last glue of its current attempt was computed, and, where
    /// it is not to be given before, its audits have ended or had their time. The
    /// request has had neither an answer nor a failure, and will have no other.
    Answer(u64, Vec<Tensor>, Provenance),
    /// A request is given up: its token and why.
    ///
    /// Condition: it cannot be taken in, its deadline has passed, its last glue
    /// failed, or tasks failed for which no device left can make up. The request has had neither an answer nor a failure, and
    /// will have no other.
    Fail(u64, RequestError),
    /// A frame was refused; close the connection if it was a violation.
    ///
    /// Condition: the frame handed in by this event is none that its plan
    /// allows.
    Refuse(DeviceId, Refusal),
    /// Tell whoever looks on.
    ///
    /// Condition: what it says has just changed or happened.
    Notice(Notice),
}
