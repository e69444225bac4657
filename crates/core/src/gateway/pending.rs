//! A request at its gateway: its inputs, which are kept until it is answered,
//! and the attempt under way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_model::tensor::Tensor;

use super::answer::{Provenance, RequestError};
use super::checking::Audits;
use super::command::Command;
use super::reach::{Cut, apart};
use super::token::is_clients;
use crate::attempt::Attempt;
use crate::audit::{Audit, Checks, Verified};
use crate::detector::GRACE;
use crate::failure::{Cause, TaskError};
use crate::frame::{Data, Failure, Frame, Standing};
use crate::gather::{Accepted, Decision, Gather, Gathered};
use crate::id::{DeviceId, DeviceSet, StageId};
use crate::parcel::Parcel;
use crate::plan::{Plan, Plans, Stage, WaitPolicy};
use crate::time::Time;
use quorate_model::region::{cut, whole};
use quorate_model::value::Value;

/// Least time of a second attempt, whoever is suspected meanwhile; each further
/// one has twice as long. Otherwise suspicions that come and go faster than a
/// request takes would keep it from ever being answered.
const ATTEMPT_MIN: Duration = Duration::from_millis(20);
/// A request that so many later ones have overtaken does not only wait its turn.
const OVERTAKEN_MAX: u32 = 4;

/// A shard that will not come.
#[derive(Clone, Debug)]
pub(super) struct Failed {
    pub(super) device: DeviceId,
    pub(super) layer: String,
    pub(super) error: TaskError,
    stage: StageId,
    shard: usize,
}

impl Failed {
    /// Were its numbers not finite?
    fn is_strange(&self) -> bool {
        self.error.cause == Cause::NotFinite
    }
}

/// What is to become of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It may still be answered, or nothing better is known.
    Waits,
    /// Others may answer the request.
    Moves,
    /// Numbers that are not finite are taken as they are.
    Accepts,
    /// Nobody will: the failure at this place says why.
    Ends(usize),
}

/// A request without an answer yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) token: u64,
    pub(super) attempt: Attempt,
    /// The plan's place in the file.
    pub(super) plan_index: usize,
    /// Members that connected again since this attempt began, and so may have
    /// forgotten it.
    pub(super) restarted: DeviceSet,
    /// Members one of whom did not reach the other for a time since this attempt
    /// began, so that what was under way between them is lost.
    pub(super) cut: Cut,
    /// Others that were under way when it came in.
    pub(super) under_way: usize,
    /// What was found when shards were held against each other.
    pub(super) audits: Audits,
    /// Shards of this attempt that will not come.
    pub(super) failed: Vec<Failed>,
    /// Shards of earlier attempts whose numbers were not finite.
    strange: Vec<Failed>,
    /// Are such numbers taken as they are?
    pub(super) lenient: bool,
    /// Attempts that have timed out.
    pub(super) timeouts: u32,
    inputs: Vec<Tensor>,
    values: Arc<Vec<Value>>,
    /// Time from submission to deadline.
    pub(super) allowed: Duration,
    gathers: Vec<Gather>,
    /// Shards of the results that were taken.
    arrivals: Vec<(DeviceId, Duration)>,
    /// The results are gathered, and the last glue is being computed.
    gathered: bool,
    /// When a gather is to be decided without its roster.
    wait_until: Option<Time>,
    /// Until then the attempt is not abandoned, even if it is stuck.
    keep_until: Time,
    /// When to look again whether the attempt is stuck.
    pub(super) recheck_at: Option<Time>,
    /// When the attempt was last seen to move.
    moved_at: Time,
    /// Was it excused from standing still since then?
    is_excused: bool,
    /// The longest that it was not, before.
    quiet: Duration,
    /// How long it may stand still.
    patience: Duration,
    /// By device: shards taken and tasks done there, as it last said.
    moves: BTreeMap<DeviceId, u32>,
    /// Later requests that were answered since it last moved by itself.
    pub(super) overtaken: u32,
}

impl Pending {
    /// A request with its first attempt, which may stand still for `patience`.
    pub(super) fn new(
        now: Time,
        token: u64,
        inputs: Vec<Tensor>,
        allowed: Duration,
        values: Arc<Vec<Value>>,
        patience: Duration,
        attempt: Attempt,
    ) -> Pending {
        Pending {
            token,
            gathers: gathers(&values, &attempt),
            attempt,
            plan_index: 0,
            restarted: DeviceSet::default(),
            cut: Cut::new(),
            under_way: 0,
            audits: Audits::default(),
            failed: Vec::new(),
            strange: Vec::new(),
            lenient: false,
            timeouts: 0,
            inputs,
            values,
            allowed,
            arrivals: Vec::new(),
            gathered: false,
            wait_until: None,
            keep_until: now,
            recheck_at: None,
            moved_at: now,
            is_excused: false,
            quiet: Duration::ZERO,
            patience,
            moves: BTreeMap::new(),
            overtaken: 0,
        }
    }

    /// Starts a further attempt.
    pub(super) fn restart(
        &mut self,
        now: Time,
        (plan_index, plan): (usize, Arc<Plan>),
        members: DeviceSet,
        suspects: DeviceSet,
        checks: Checks,
    ) {
        let before = self.attempt.number;
        let number = before + 1;
        self.attempt = Attempt { number, plan, members, suspects, checks, ..self.attempt };
        self.audits.restart();
        self.plan_index = plan_index;
        self.gathers = gathers(&self.values, &self.attempt);
        self.arrivals.clear();
        self.gathered = false;
        self.wait_until = None;
        self.restarted = DeviceSet::default();
        self.cut = Cut::new();
        self.strange.extend(self.failed.drain(..).filter(Failed::is_strange));
        (self.moved_at, self.quiet, self.overtaken) = (now, Duration::ZERO, 0);
        self.is_excused = false;
        self.moves.clear();
        let doubled = 1u32.checked_shl(before).unwrap_or(u32::MAX);
        self.keep_until = now + ATTEMPT_MIN.saturating_mul(doubled).min(self.patience);
        self.recheck_at = None;
    }

    /// The frames that carry this attempt's inputs to all who read them.
    pub(super) fn inputs_out(&mut self, now: Time) -> Vec<Command> {
        let mut commands = Vec::new();
        for (tensor, value) in self.inputs.iter().zip(self.attempt.plan.inputs()) {
            // What the gateway itself reads of the inputs it has already.
            if let Some(at) = self.attempt.plan.result().iter().position(|v| *v == value) {
                self.gathers[at].accept(now, 0, tensor.data().clone());
            }
            let Attempt { plan, members, .. } = &self.attempt;
            let from = whole(&self.values[value.index()].shape);
            for (pieces, to) in plan.recipients(&self.values, value, 0, *members) {
                let parcel = match pieces {
                    // The tensor was held against the model's input before.
                    Some(pieces) => Parcel::new(&cut(tensor, &from, &pieces).expect("parts")),
                    None => Parcel::new(tensor),
                };
                let data = self.attempt.data(now, &self.values, (value, 0), parcel);
                commands.push(Command::Send(to, Frame::Data(data)));
            }
        }
        commands
    }

    /// The model's inputs.
    pub(super) fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    pub(super) fn accept(&mut self, now: Time, from: DeviceId, data: &Data) {
        let is_audited = self.attempt.checks.audit;
        if !self.attempt.includes(data) || (self.gathered && !is_audited) {
            return;
        }
        if let Some(at) = self.attempt.plan.result().iter().position(|v| *v == data.value) {
            let payload = data.payload.bytes().clone();
            let accepted = self.gathers[at].accept(now, data.shard.into(), payload);
            self.gathers[at].note_decoded(accepted, data.of_decoded);
            if accepted == Accepted::Taken {
                self.moved(now);
                self.arrivals.push((from, self.age(now)));
            }
        }
    }

    /// The results, once all are decided; only the first time.
    pub(super) fn gather(&mut self, now: Time, wait: WaitPolicy) -> Option<Vec<Arc<Gathered>>> {
        if self.gathered {
            return None;
        }
        // Nobody decodes after the gateway: no reason to wait for a roster
        // but the plan's own word.
        let wait = match wait {
            WaitPolicy::Fixed(wait) => wait,
            WaitPolicy::Auto => Duration::ZERO,
        };
        let mut inputs = Vec::new();
        self.wait_until = None;
        for gather in &mut self.gathers {
            match gather.decide(now, wait) {
                Decision::Gathered(gathered) => inputs.push(gathered),
                Decision::Short => {}
                Decision::WaitUntil(at) => self.wait_until = Some(at),
            }
        }
        if inputs.len() < self.gathers.len() {
            return None;
        }
        self.gathered = true;
        Some(inputs)
    }

    /// Has a gather waited for its roster for long enough?
    pub(super) fn is_waiting(&self, now: Time) -> bool {
        self.wait_until.is_some_and(|at| at <= now)
    }

    /// When something is due next: a gather's decision, a look at a stuck
    /// attempt, a timeout or the deadline.
    pub(super) fn wake_at(&self) -> Time {
        let attempt = match self.recheck_at {
            _ if self.gathered => self.audits.until.unwrap_or(self.attempt.deadline),
            Some(due) => self.timeout_at().min(due),
            None => self.timeout_at(),
        };
        let wait = self.wait_until.unwrap_or(self.attempt.deadline);
        self.attempt.deadline.min(attempt).min(wait)
    }

    /// Does a client wait for its first attempt, which keeps devices busy? Others
    /// wait for devices that were lost, or have done so.
    pub(super) fn flows(&self) -> bool {
        self.attempt.number == 0 && is_clients(self.token)
    }

    /// How long ago it came in.
    pub(super) fn age(&self, now: Time) -> Duration {
        self.allowed.saturating_sub(self.attempt.deadline.since(now))
    }

    /// When the attempt has stood still for too long.
    pub(super) fn timeout_at(&self) -> Time {
        self.moved_at + self.patience
    }

    /// The attempt moves by itself.
    fn moved(&mut self, now: Time) {
        self.seen(now);
        self.overtaken = 0;
    }

    /// The attempt does not stand still, as far as can be seen.
    fn seen(&mut self, now: Time) {
        self.quiet = self.quiet_until(now);
        (self.moved_at, self.is_excused) = (now, false);
    }

    /// The gateway stood still for so long: what was said of it meanwhile is about
    /// to be heard. That is an excuse only once.
    pub(super) fn stood_still(&mut self, by: Duration) {
        if !std::mem::replace(&mut self.is_excused, true) {
            self.moved_at = self.moved_at + by + GRACE;
        }
    }

    /// How long it has stood still at the longest.
    pub(super) fn quiet_until(&self, now: Time) -> Duration {
        self.quiet.max(now.since(self.moved_at))
    }

    /// A device says how far it is there.
    pub(super) fn stands(&mut self, now: Time, device: DeviceId, standing: &Standing) {
        if standing.attempt != self.attempt.number {
            return;
        }
        let before = self.moves.insert(device, standing.moves);
        if standing.is_busy || before != Some(standing.moves) {
            self.moved(now);
        }
    }

    /// Bytes come and go at a device that it waits for, or go out at the gateway
    /// (`None`): they may be its own, unless those that came after it have been
    /// answered.
    pub(super) fn bytes_move(&mut self, now: Time, device: Option<DeviceId>) {
        let concerned = device.is_none_or(|device| self.attempt.members.contains(device));
        if concerned && self.overtaken < OVERTAKEN_MAX {
            self.seen(now);
        }
    }

    /// Lets attempts stand still for so long at least.
    pub(super) fn be_patient(&mut self, patience: Duration) {
        self.patience = self.patience.max(patience);
    }

    /// Counts a timeout; the next attempt has twice as long.
    pub(super) fn time_out(&mut self) {
        self.timeouts += 1;
        self.patience = self.patience.saturating_mul(2);
    }

    /// Can this attempt no longer be answered by those `alive`?
    pub(super) fn is_stuck(&self, alive: DeviceSet) -> bool {
        let unbroken = alive.without(self.restarted);
        let apart = apart(unbroken, &self.cut, |_| 0);
        !self.gathered && self.unanswered(unbroken.without(apart)).is_some()
    }

    /// The first stage that those `alive` cannot answer.
    fn unanswered(&self, alive: DeviceSet) -> Option<&Stage> {
        let failed = |stage, shard| {
            self.failed.iter().any(|failed| (failed.stage, failed.shard) == (stage, shard))
        };
        let Attempt { plan, members, .. } = &self.attempt;
        plan.unanswered_without(*members, alive, failed)
    }

    /// Takes note of a shard of this attempt that `device` will not make; false
    /// if it is not of this attempt, or not its to make.
    pub(super) fn fail(&mut self, device: DeviceId, failure: &Failure) -> bool {
        let Failure { stage, error, .. } = failure;
        let (stage, shard) = (*stage, usize::from(failure.shard));
        if !self.attempt.is(failure.attempt, failure.plan)
            || self.attempt.maker(stage, shard) != Some(device)
        {
            return false;
        }
        let layer = self.attempt.plan.stages()[stage.index()].name.clone();
        let error = error.clone();
        self.failed.retain(|failed| (failed.stage, failed.shard) != (stage, shard));
        self.failed.push(Failed { device, layer, error, stage, shard });
        true
    }

    /// What is to become of this attempt, which those `alive` cannot answer,
    /// where `others`, on whom one can rely, could answer the request, or at
    /// least `anybody` might.
    pub(super) fn fate(&self, alive: DeviceSet, others: bool, anybody: bool) -> Fate {
        let of = |cause| self.failed.iter().position(|failed| failed.error.cause == cause);
        if let Some(failed) = of(Cause::Request) {
            return Fate::Ends(failed);
        }
        // Devices that are away may come back.
        let away = self.attempt.members.without(alive);
        if !self.lenient && self.failed.iter().any(Failed::is_strange) {
            // Others are asked as long as there are any.
            return match others {
                true => Fate::Moves,
                false if away.is_empty() => Fate::Accepts,
                false => Fate::Waits,
            };
        }
        if others || (anybody && self.failed.is_empty()) {
            return Fate::Moves;
        }
        match of(Cause::Device) {
            Some(failed) if away.is_empty() => Fate::Ends(failed),
            _ => Fate::Waits,
        }
    }

    /// Shards of any attempt whose numbers were not finite.
    fn all_strange(&self) -> impl Iterator<Item = &Failed> {
        self.strange.iter().chain(self.failed.iter().filter(|failed| failed.is_strange()))
    }

    /// Devices some of whose numbers were not finite, where that counts.
    pub(super) fn strange_devices(&self) -> DeviceSet {
        self.all_strange().filter(|_| !self.lenient).map(|failed| failed.device).collect()
    }

    /// Shards of any attempt whose numbers were not finite; those of earlier ones
    /// are told once.
    pub(super) fn take_strange(&mut self) -> Vec<Failed> {
        let all = self.all_strange().cloned().collect();
        self.strange.clear();
        all
    }

    /// Words on what has failed, for the error of a deadline.
    pub(super) fn failures_said(&self, plans: &Plans) -> String {
        let said = |failed: &Failed| {
            let Failed { device, layer, error, .. } = failed;
            format!(", {} cannot compute {layer}: {error}", plans.device_name(*device))
        };
        self.failed.iter().map(said).collect()
    }

    /// May this attempt, which is stuck, be abandoned now? If not, notes when to
    /// ask again.
    pub(super) fn may_abandon(&mut self, now: Time, settle: Duration) -> bool {
        let at = self.keep_until.max(now + settle);
        if at > now {
            self.recheck_at = Some(self.recheck_at.map_or(at, |due| due.min(at)));
        }
        at <= now
    }

    /// Puts the timeout off, as there is nobody to try with or too much is tried.
    pub(super) fn postpone(&mut self, now: Time) {
        self.moved_at = now;
    }

    /// The audits of the results: once all shards have come, or with `force` with
    /// what has; `None` before that.
    pub(super) fn audits_due(&mut self, force: bool) -> Option<Vec<Audit>> {
        let due = |gather: &Gather| !gather.is_audited() || gather.is_audit_due();
        let all = force || self.gathers.iter().all(due);
        all.then(|| self.gathers.iter_mut().filter_map(Gather::audit).collect())
    }

    pub(super) fn provenance(&self) -> Provenance {
        let decoded = |gather: &Gather| gather.gathered().is_some_and(|g| g.is_decoded());
        let mut accepted = DeviceSet::default();
        for (gather, value) in self.gathers.iter().zip(self.attempt.plan.result()) {
            let seats = self.attempt.plan.sharding(*value).map_or(&[][..], |s| &s.seats);
            for shard in gather.have().iter() {
                let seat = seats.get(shard).and_then(|seat| self.attempt.members.nth(seat.index()));
                seat.into_iter().for_each(|device| accepted.insert(device));
            }
        }
        Provenance {
            attempts: self.attempt.number + 1,
            plan: self.plan_index,
            decoded: self.gathers.iter().any(decoded),
            accepted,
            verified: Verified::Off,
            arrivals: self.arrivals.clone(),
        }
    }

    /// The error of a request whose deadline has passed.
    pub(super) fn overdue(&self, missing: String) -> RequestError {
        let short = self.gathers.iter().position(|gather| !gather.is_quorate()).unwrap_or(0);
        let value = self.attempt.plan.result()[short];
        let needed = self.attempt.plan.sharding(value).map_or(0, |s| s.code.data_shards());
        RequestError::Deadline {
            deadline_ms: self.allowed.as_millis(),
            attempts: self.attempt.number + 1,
            stage: format!("result {}", self.values[value.index()].name),
            got: self.gathers[short].have().len(),
            needed,
            plan: self.attempt.plan.name().to_owned(),
            missing,
        }
    }
}

/// The gathers of an attempt's results.
fn gathers(values: &Arc<Vec<Value>>, attempt: &Attempt) -> Vec<Gather> {
    attempt.plan.result().iter().map(|value| attempt.gather(values, *value, None)).collect()
}
