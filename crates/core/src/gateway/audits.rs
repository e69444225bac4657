//! What devices found when they held shards against each other: whether an
//! answer may be given, and which device is wrong.
//!
//! ```text
//! reports, own audits -> all clean        -> answer, verified
//!                     -> one is wrong     -> again, without it
//!                     -> one of some is   -> again, without each in turn
//! ```

use std::time::Duration;

use quorate_code::ShardSet;
use quorate_model::tensor::Tensor;

use super::checking::Own;
use super::pending::Pending;
use super::{Command, Gateway, Job, Notice, RequestError};
use crate::attempt::Attempt;
use crate::audit::{Audit, Audited, Finding, Verified, Verify};
use crate::frame::Report;
use crate::id::{DeviceId, DeviceSet, StageId, ValueId};
use crate::time::Time;

/// An answer is held back for at least so long; otherwise for as long as it took.
const HOLD_MIN: Duration = Duration::from_millis(500);

impl Gateway {
    /// A device tells what it has found.
    pub(super) fn on_report(
        &mut self,
        now: Time,
        from: DeviceId,
        report: &Report,
        out: &mut Vec<Command>,
    ) {
        self.alive(now, from, out);
        let Some(pending) = self.of_request(report.request) else { return };
        let attempt = &pending.attempt;
        if !attempt.is(report.attempt, report.plan) || !attempt.members.contains(from) {
            return;
        }
        if report.is_complete {
            pending.audits.reported.insert(from);
        }
        self.learn(now, report.request.number, &report.audited, out);
    }

    /// The gateway's own audits have ended.
    pub(super) fn on_audited(
        &mut self,
        now: Time,
        job: Job,
        audited: &[Audited],
        out: &mut Vec<Command>,
    ) {
        let pending = self.pending.get_mut(&job.number);
        let Some(pending) = pending.filter(|p| p.attempt.number == job.attempt) else { return };
        pending.audits.own = Own::Done;
        self.learn(now, job.number, audited, out);
    }

    fn learn(&mut self, now: Time, number: u64, audited: &[Audited], out: &mut Vec<Command>) {
        let Some(pending) = self.pending.get_mut(&number) else { return };
        let mut first: Option<(StageId, DeviceSet)> = None;
        for Audited { value, have, finding } in audited {
            let told = pending.audits.told.entry(*value).or_default();
            told.have = told.have.union(*have);
            match finding {
                Finding::Unchecked => {}
                Finding::Clean => told.clean = told.clean.union(*have),
                Finding::Corrupt(suspects) => {
                    let among = if suspects.is_empty() { *have } else { *suspects };
                    let wrong = makers(&pending.attempt, *value, among);
                    let earlier = wrong.filter(|(stage, _)| first.is_none_or(|(s, _)| *stage < s));
                    first = earlier.or(first);
                }
            }
        }
        match first {
            Some((stage, devices)) => self.contradict(now, number, stage, devices, out),
            None => self.conclude(now, number, out),
        }
    }

    /// Has the gateway's own shards held against each other: once all are there,
    /// or with `force` with what has come.
    pub(super) fn audit_results(&mut self, number: u64, force: bool, out: &mut Vec<Command>) {
        let Some(pending) = self.pending.get_mut(&number) else { return };
        if pending.audits.verify == Verify::Off || pending.audits.own != Own::Waits {
            return;
        }
        let Some(audits) = pending.audits_due(force) else { return };
        let job = Job { number, attempt: pending.attempt.number };
        let known = |audit: &Audit| audit.usual(&self.config.usual);
        let audits: Vec<_> =
            audits.into_iter().filter_map(|audit| Some((known(&audit)?, audit))).collect();
        pending.audits.own = if audits.is_empty() { Own::Done } else { Own::Runs };
        if !audits.is_empty() {
            out.push(Command::Audit(job, audits));
        }
    }

    /// The answer of an audited request is there: gives it, or holds it back.
    pub(super) fn answer_audited(
        &mut self,
        now: Time,
        number: u64,
        outputs: Vec<Tensor>,
        out: &mut Vec<Command>,
    ) {
        let Some(pending) = self.pending.get_mut(&number) else { return };
        pending.audits.until = Some(now + pending.age(now).max(HOLD_MIN));
        if pending.audits.verify == Verify::Detect {
            pending.audits.is_answered = true;
            let mut provenance = pending.provenance();
            provenance.verified = Verified::Pending;
            out.push(Command::Answer(pending.token, outputs, provenance));
        } else {
            pending.audits.held = Some(outputs);
        }
        self.audit_results(number, false, out);
        self.conclude(now, number, out);
    }

    /// Reports were waited for long enough.
    pub(super) fn end_audits(&mut self, now: Time, number: u64, out: &mut Vec<Command>) {
        self.audit_results(number, true, out);
        let Some(pending) = self.pending.get_mut(&number) else { return };
        let deadline = pending.attempt.deadline;
        if pending.audits.own == Own::Runs && now < deadline {
            pending.audits.until = Some((now + HOLD_MIN).min(deadline));
        } else {
            self.conclude(now, number, out);
        }
    }

    /// Ends a request whose answer is there, if its audits have: all, or as many
    /// as have come in time.
    pub(super) fn conclude(&mut self, now: Time, number: u64, out: &mut Vec<Command>) {
        let Some(pending) = self.pending.get(&number) else { return };
        let heard = self.holdings.holding(pending.plan_index, self.heard_devices());
        let audits = &pending.audits;
        if !audits.has_answer() {
            return;
        }
        let until = audits.until.unwrap_or(now).min(pending.attempt.deadline);
        let waited = until <= now;
        let expected = auditors(&pending.attempt);
        let awaited = expected.without(audits.reported).intersection(heard);
        if !waited && (audits.own != Own::Done || !awaited.is_empty()) {
            return;
        }
        let Some(mut pending) = self.close(number) else { return };
        let is_clean = pending.is_clean();
        self.end_trial(now, &pending, is_clean, out);
        if let Some(device) = pending.audits.left_out.filter(|_| is_clean) {
            self.leave_out(now, device, out);
        }
        if is_clean {
            self.acquit(now, &pending, out);
        }
        let verified = if is_clean { Verified::Yes } else { Verified::No };
        let token = pending.token;
        match pending.audits.held.take() {
            Some(outputs) => {
                let mut provenance = pending.provenance();
                provenance.verified = verified;
                out.push(Command::Answer(token, outputs, provenance));
            }
            None => out.push(Command::Notice(Notice::Audited(token, verified))),
        }
    }

    /// Shards of one value contradict each other: one of these devices is wrong.
    fn contradict(
        &mut self,
        now: Time,
        number: u64,
        stage: StageId,
        devices: DeviceSet,
        out: &mut Vec<Command>,
    ) {
        let Some(pending) = self.pending.get_mut(&number) else { return };
        let layer = pending.attempt.plan.stages()[stage.index()].name.clone();
        let blamed = pending.blamed(stage, devices);
        // By these inputs it shows.
        self.sample = Some(pending.inputs().to_vec());
        let before = pending.audits.candidates.unwrap_or(blamed);
        // What this attempt did without was not it.
        let innocent: DeviceSet = pending.audits.left_out.into_iter().collect();
        let candidates = before.intersection(blamed).without(innocent);
        pending.audits.candidates = Some(candidates);
        out.push(Command::Notice(Notice::Contradiction(layer.clone(), devices)));
        if let Some(device) = self.on_trial(number) {
            self.trials.remove(&device);
            self.close(number);
            if candidates.contains(device) {
                return self.leave_out(now, device, out);
            }
            // It is another that is wrong.
            self.wrong.fail(now, device, true);
            let other = candidates.nth(0).filter(|_| candidates.len() == 1);
            other.into_iter().for_each(|other| self.leave_out(now, other, out));
            return;
        }
        let Some(pending) = self.pending.get_mut(&number) else { return };
        let wrong = candidates.nth(0).filter(|_| candidates.len() == 1);
        if pending.audits.is_answered {
            let token = pending.token;
            self.close(number);
            out.push(Command::Notice(Notice::Audited(token, Verified::No)));
            wrong.into_iter().for_each(|device| self.leave_out(now, device, out));
            return;
        }
        let without = match wrong {
            Some(device) => {
                pending.audits.candidates = None;
                pending.audits.convicted.insert(device);
                self.leave_out(now, device, out);
                None
            }
            None => candidates.iter().last(),
        };
        if candidates.is_empty() || !self.resubmit_without(now, number, without, out) {
            let devices = self.plans.device_names(devices);
            if let Some(pending) = self.close(number) {
                let error = RequestError::Contradiction { layer, devices };
                out.push(Command::Fail(pending.token, error));
            }
        }
    }

    /// Shards that did not fit made this request begin anew, and now all of them do:
    /// of devices that take part, and that are left out elsewhere as they were
    /// wrong, that was a mistake.
    fn acquit(&mut self, now: Time, pending: &Pending, out: &mut Vec<Command>) {
        if pending.audits.convicted.is_empty() {
            return;
        }
        let shown: DeviceSet = self.wrong.ailing().iter().filter(|d| pending.shows(*d)).collect();
        for device in shown.iter() {
            self.wrong.forgive(device);
            out.push(Command::Notice(Notice::Rested(device)));
        }
        if !shown.is_empty() {
            self.regroup(now, Duration::ZERO, out);
        }
    }

    /// Does without a device that is wrong, for a while.
    fn leave_out(&mut self, now: Time, device: DeviceId, out: &mut Vec<Command>) {
        if self.wrong.fail(now, device, false) {
            if let Some(number) = self.trials.remove(&device) {
                self.close(number);
            }
            out.push(Command::Notice(Notice::Wrong(device)));
            self.regroup(now, Duration::ZERO, out);
        }
    }
}

/// The stage that makes a value, and the devices that make these shards of it.
fn makers(attempt: &Attempt, value: ValueId, shards: ShardSet) -> Option<(StageId, DeviceSet)> {
    let sharding = attempt.plan.sharding(value)?;
    let stage = sharding.stage?;
    let device = |shard| attempt.maker(stage, shard);
    let devices: DeviceSet = shards.iter().filter_map(device).collect();
    (!devices.is_empty()).then_some((stage, devices))
}

/// Devices that hold shards against each other in this attempt.
fn auditors(attempt: &Attempt) -> DeviceSet {
    let readers = |value: ValueId| attempt.plan.whole_readers(value, attempt.members);
    attempt.plan.spared_values().flat_map(readers).collect()
}

impl Pending {
    /// Was every shard that somebody may have used found to fit?
    fn is_clean(&self) -> bool {
        self.attempt.plan.stages().iter().all(|stage| self.fits(stage.value))
    }

    /// The same of one value. Who has told of it used what it has; who has not, or
    /// gathered only a part, may have used any shard but those of suspects.
    fn fits(&self, value: ValueId) -> bool {
        let (Attempt { plan, members, suspects, .. }, audits) = (&self.attempt, &self.audits);
        let Some(sharding) = plan.sharding(value) else { return false };
        let told = audits.told.get(&value).copied().unwrap_or_default();
        let whole: DeviceSet = plan.whole_readers(value, *members).into_iter().collect();
        let readers: DeviceSet = plan.reading_devices(value, *members).into_iter().collect();
        let silent = readers.without(whole.intersection(audits.reported)).without(*suspects);
        let own = plan.result().contains(&value) && audits.own != Own::Done;
        let used = match silent.is_empty() && !own {
            true => told.have,
            false => told.have.union(sharding.shards_of(*members, members.without(*suspects))),
        };
        !told.clean.is_empty() && used.is_subset(told.clean)
    }

    /// Who may be wrong where `devices` have made shards of a stage that contradict
    /// each other: one of them, if all that they read is known to be right. If it
    /// is not, anybody: of what is wrong those make wrong shards who are right.
    fn blamed(&self, stage: StageId, devices: DeviceSet) -> DeviceSet {
        let Attempt { plan, members, suspects, .. } = &self.attempt;
        let used = members.without(*suspects);
        let (mut stages, mut seen) = (vec![stage], vec![false; plan.stages().len()]);
        while let Some(stage) = stages.pop() {
            if std::mem::replace(&mut seen[stage.index()], true) {
                continue;
            }
            for value in &plan.stages()[stage.index()].reads {
                let Some(sharding) = plan.sharding(*value) else { return used };
                // The model's inputs nobody makes.
                let Some(maker) = sharding.stage else { continue };
                let clean = self.audits.told.get(value).map_or(ShardSet::new(), |told| told.clean);
                if !sharding.shards_of(*members, used).is_subset(clean) {
                    return used;
                }
                stages.push(maker);
            }
        }
        devices
    }
}
