//! Audits: shards of a value held against each other once all have come, by the
//! lanes: before tasks of later requests where an answer waits for what is found,
//! otherwise when there is nothing else to do.
//!
//! ```text
//! accept -> all are there, or time is up -> Audit -> (a lane) -> Audited -> report
//! ```

use std::time::Duration;

use super::audit_queue::{AuditId, Queued};
use super::{Command, Worker};
use crate::admit::Peer;
use crate::audit::{Audited, Finding};
use crate::frame::{ENTRIES_MAX, Frame, Report};
use crate::id::RequestId;
use crate::time::Time;

/// Once all else is done here, shards are waited for as long as this, and twice
/// as long as rosters usually take.
const WAIT: Duration = Duration::from_millis(50);

impl Worker {
    /// Queues the audits of a request that can be done now; with `force` with
    /// whatever has come.
    pub(super) fn audit(&mut self, id: RequestId, force: bool, out: &mut Vec<Command>) {
        let Some(active) = self.active.get_mut(&id).filter(|a| a.attempt.checks.audit) else {
            return;
        };
        let attempt = active.attempt.number;
        let (arrival, prompt) = (active.arrival, active.attempt.checks.prompt);
        for audit in active.audits_due(force) {
            let value = audit.value();
            match audit.usual(&self.config.usual) {
                Some(usual) => {
                    let id = AuditId { request: id, attempt, value };
                    self.audits.push(arrival, prompt, Queued { id, audit, usual });
                }
                None => {
                    let (have, finding) = (audit.have(), Finding::Unchecked);
                    active.audited(Audited { value, have, finding });
                }
            }
        }
        self.report(id, out);
    }

    /// Has an audit done, if its request is still known.
    pub(super) fn begin_audit(&mut self, queued: Queued, out: &mut Vec<Command>) {
        let Queued { id, audit, usual } = queued;
        let known = self.active.get(&id.request);
        if known.is_some_and(|active| active.attempt.number == id.attempt) {
            self.audits.running += 1;
            out.push(Command::Audit(id, audit, usual));
        }
    }

    /// An audit has ended.
    pub(super) fn on_audited(&mut self, id: AuditId, audited: Audited, out: &mut Vec<Command>) {
        self.audits.running = self.audits.running.saturating_sub(1);
        let Some(active) = self.active.get_mut(&id.request) else { return };
        if active.attempt.number == id.attempt {
            active.audited(audited);
            self.report(id.request, out);
        }
    }

    /// Tells a gateway what was found of its request: what is wrong at once, all
    /// else together.
    fn report(&mut self, id: RequestId, out: &mut Vec<Command>) {
        let Some(active) = self.active.get_mut(&id) else { return };
        let (attempt, plan) = (active.attempt.number, active.attempt.plan.id());
        let (is_complete, audited) = active.take_report();
        if audited.is_empty() && !is_complete {
            return;
        }
        let mut parts: Vec<&[Audited]> = audited.chunks(ENTRIES_MAX).collect();
        let last = parts.pop().unwrap_or_default();
        let report = |audited: &[Audited], is_complete| {
            let audited = audited.to_vec();
            let report = Report { request: id, attempt, plan, is_complete, audited };
            Command::Send(vec![Peer::Gateway(id.run)], Frame::Report(report))
        };
        out.extend(parts.into_iter().map(|part| report(part, false)));
        out.push(report(last, is_complete));
    }

    /// All tasks of a request are over: from now on its shards are not waited
    /// for much longer.
    pub(super) fn wait_for_audits(&mut self, now: Time, id: RequestId) {
        let at = now + WAIT + self.rosters.percentile_90() * 2;
        if let Some(active) = self.active.get_mut(&id)
            && active.audit_until.is_none()
        {
            active.audit_until = Some(at);
            self.audits.waits.insert((at, id));
        }
    }

    /// Audits what has come of requests whose shards were waited for.
    pub(super) fn end_audit_waits(&mut self, now: Time, out: &mut Vec<Command>) {
        while let Some(&(at, id)) = self.audits.waits.first()
            && at <= now
        {
            self.audits.waits.pop_first();
            self.audit(id, true, out);
            self.settle(now, id);
        }
    }
}
