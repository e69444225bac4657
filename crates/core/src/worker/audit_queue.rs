//! Audits that wait for a lane, or for shards.

use std::collections::{BTreeMap, BTreeSet};

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

/// An audit that waits for a lane, and how far apart healthy shards are.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) id: AuditId,
    pub(super) audit: Audit,
    pub(super) usual: f64,
}

/// Audits of all requests.
#[derive(Debug, Default)]
pub(super) struct Audits {
    /// Those that answers wait for, by their request's order of arrival.
    prompt: BTreeMap<Place, Queued>,
    /// The others.
    idle: BTreeMap<Place, Queued>,
    /// Those under way.
    pub(super) running: usize,
    /// When shards are not waited for any longer.
    pub(super) waits: BTreeSet<(Time, RequestId)>,
}

/// A request's order of arrival, the attempt and the value.
type Place = (u64, u32, ValueId);

impl Audits {
    /// Is there nothing to be done?
    pub(super) fn is_idle(&self) -> bool {
        let queued = self.prompt.len() + self.idle.len();
        queued + self.running == 0 && self.waits.is_empty()
    }

    /// Queues an audit of a request that came as the `arrival`th.
    pub(super) fn push(&mut self, arrival: u64, prompt: bool, queued: Queued) {
        let queue = if prompt { &mut self.prompt } else { &mut self.idle };
        queue.insert((arrival, queued.id.attempt, queued.id.value), queued);
    }

    /// The next audit, if its turn is before tasks of a request that came as the
    /// `arrival`th; `None` where there are no tasks.
    pub(super) fn pop_before(&mut self, arrival: Option<u64>) -> Option<Queued> {
        let first = self.prompt.first_entry();
        let first = first.filter(|entry| arrival.is_none_or(|arrival| entry.key().0 < arrival));
        match (first, arrival) {
            (Some(entry), _) => Some(entry.remove()),
            (None, None) => self.idle.pop_first().map(|(_, queued)| queued),
            (None, Some(_)) => None,
        }
    }
}
