//! Keeps what a worker holds within its bounds.

use std::collections::BTreeMap;

use super::Worker;
use super::active::Active;
use crate::id::{GatewayRun, RequestId};

impl Worker {
    /// Where there is too much, of the gateway whose requests take most the newest
    /// gives way: others lose nothing by it, and what is nearly done is done.
    pub(super) fn make_room(&mut self) {
        while self.active.len() > self.config.requests_max {
            let abandoned = self.active.iter().find(|(_, active)| active.is_abandoned());
            let abandoned = abandoned.map(|(id, _)| *id);
            let Some(id) = abandoned.or_else(|| self.newest_of_most(|_| 1)) else { return };
            self.forget(id);
        }
        while self.payload_bytes > self.config.payload_bytes_max {
            let Some(id) = self.newest_of_most(Active::payload_bytes) else { return };
            self.abandon(id);
        }
    }

    /// The newest request of the gateway that has most; none where that is all
    /// there is.
    fn newest_of_most(&self, size: impl Fn(&Active) -> usize) -> Option<RequestId> {
        let mut sizes: BTreeMap<GatewayRun, usize> = BTreeMap::new();
        let taking = || self.active.iter().filter(|(_, active)| size(active) > 0);
        taking().for_each(|(id, active)| *sizes.entry(id.run).or_default() += size(active));
        let (run, _) = sizes.into_iter().max_by_key(|(_, size)| *size)?;
        let of_run = taking().filter(|(id, _)| id.run == run);
        // What a lane has in hand is there until that has ended.
        let newest = of_run.max_by_key(|(_, active)| (!active.runs(), active.arrival));
        let newest = newest.map(|(id, _)| *id);
        newest.filter(|_| taking().nth(1).is_some())
    }

    /// Lets go of a request's payloads, and does nothing more for it: what comes
    /// still is not taken in.
    fn abandon(&mut self, id: RequestId) {
        self.unqueue(id);
        if let Some(active) = self.active.get_mut(&id) {
            self.payload_bytes -= active.abandon();
        }
    }

    /// Keeps nothing more of a request.
    pub(super) fn forget(&mut self, id: RequestId) {
        self.unqueue(id);
        if let Some(mut active) = self.active.remove(&id) {
            self.payload_bytes -= active.release();
            self.deadlines.remove(&(active.attempt.deadline, id));
        }
    }

    /// Takes a request out of all queues.
    fn unqueue(&mut self, id: RequestId) {
        let Some(active) = self.active.get_mut(&id) else { return };
        if let Some(at) = active.wait_until.take() {
            self.waits.remove(&(at, id));
        }
        if let Some(at) = active.audit_until {
            self.audits.waits.remove(&(at, id));
        }
        for (stage, shard) in active.waiting_in_queue() {
            self.ready.remove(&(active.arrival, id, stage, shard));
            self.beat.skipped += 1;
        }
    }
}
