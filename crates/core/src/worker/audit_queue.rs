//! Audits that wait for a lane, or for shards.

use std::collections::{BTreeSet, VecDeque};

use crate::audit::Audit;
use crate::id::{RequestId, ValueId};
use crate::time::Time;

/// One audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditId {
    /// The request.
    pub request: RequestId,
    /// The attempt at it.
    pub attempt: u32,
    /// The value whose shards are held against each other.
    pub value: ValueId,
}

/// Audits of all requests.
#[derive(Debug, Default)]
pub(super) struct Audits {
    /// Those that wait for a lane, and how far apart healthy shards are.
    pub(super) queue: VecDeque<(AuditId, Audit, f64)>,
    /// Those under way.
    pub(super) running: usize,
    /// When shards are not waited for any longer.
    pub(super) waits: BTreeSet<(Time, RequestId)>,
}

impl Audits {
    /// Is there nothing to be done?
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.running == 0 && self.waits.is_empty()
    }
}
