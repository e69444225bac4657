//! A request at its gateway: its inputs, which are kept until it is answered,
//! and the attempt under way.

use std::sync::Arc;
use std::time::Duration;

use quorate_model::tensor::Tensor;

use super::answer::{Provenance, RequestError};
use super::command::Command;
use crate::attempt::Attempt;
use crate::frame::{Data, Frame};
use crate::gather::{Accepted, Decision, Gather, Gathered};
use crate::id::{DeviceId, DeviceSet};
use crate::parcel::Parcel;
use crate::plan::{Plan, WaitPolicy};
use crate::time::Time;
use quorate_model::region::{crop, whole};
use quorate_model::value::Value;

/// Least time of a second attempt, whoever is suspected meanwhile; each further
/// one has twice as long. Otherwise suspicions that come and go faster than a
/// request takes would keep it from ever being answered.
const ATTEMPT_MIN: Duration = Duration::from_millis(20);

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
    /// Attempts that have timed out.
    pub(super) timeouts: u32,
    inputs: Vec<Tensor>,
    values: Arc<Vec<Value>>,
    /// Time from submission to deadline.
    allowed: Duration,
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
    /// When the attempt times out.
    pub(super) timeout_at: Time,
    /// Time that an attempt has before it times out.
    timeout_after: Duration,
}

impl Pending {
    /// A request with its first attempt, which has `timeout_after`.
    pub(super) fn new(
        now: Time,
        token: u64,
        inputs: Vec<Tensor>,
        allowed: Duration,
        values: Arc<Vec<Value>>,
        timeout_after: Duration,
        attempt: Attempt,
    ) -> Pending {
        Pending {
            token,
            gathers: gathers(&values, &attempt),
            attempt,
            plan_index: 0,
            restarted: DeviceSet::default(),
            timeouts: 0,
            inputs,
            values,
            allowed,
            arrivals: Vec::new(),
            gathered: false,
            wait_until: None,
            keep_until: now,
            recheck_at: None,
            timeout_at: now + timeout_after,
            timeout_after,
        }
    }

    /// Starts a further attempt.
    pub(super) fn restart(
        &mut self,
        now: Time,
        (plan_index, plan): (usize, Arc<Plan>),
        members: DeviceSet,
        suspects: DeviceSet,
    ) {
        let before = self.attempt.number;
        self.attempt = Attempt { number: before + 1, plan, members, suspects, ..self.attempt };
        self.plan_index = plan_index;
        self.gathers = gathers(&self.values, &self.attempt);
        self.arrivals.clear();
        self.gathered = false;
        self.wait_until = None;
        self.restarted = DeviceSet::default();
        self.timeout_at = now + self.timeout_after;
        let doubled = 1u32.checked_shl(before).unwrap_or(u32::MAX);
        self.keep_until = now + ATTEMPT_MIN.saturating_mul(doubled).min(self.timeout_after);
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
            for (part, to) in plan.recipients(&self.values, value, 0, *members) {
                let parcel = match part {
                    // The tensor was held against the model's input before.
                    Some(part) => Parcel::new(&crop(tensor, &from, &part).expect("a part")),
                    None => Parcel::new(tensor),
                };
                let data = self.attempt.data(now, &self.values, (value, 0), parcel);
                commands.push(Command::Send(to, Frame::Data(data)));
            }
        }
        commands
    }

    pub(super) fn accept(&mut self, now: Time, from: DeviceId, data: &Data) {
        if !self.attempt.includes(data) || self.gathered {
            return;
        }
        if let Some(at) = self.attempt.plan.result().iter().position(|v| *v == data.value) {
            let payload = data.payload.bytes().clone();
            if self.gathers[at].accept(now, data.shard.into(), payload) == Accepted::Taken {
                let left = self.attempt.deadline.since(now);
                self.arrivals.push((from, self.allowed.saturating_sub(left)));
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
            _ if self.gathered => self.attempt.deadline,
            Some(due) => self.timeout_at.min(due),
            None => self.timeout_at,
        };
        let wait = self.wait_until.unwrap_or(self.attempt.deadline);
        self.attempt.deadline.min(attempt).min(wait)
    }

    /// Counts a timeout; the next attempt has twice as long.
    pub(super) fn time_out(&mut self) {
        self.timeouts += 1;
        self.timeout_after = self.timeout_after.saturating_mul(2);
    }

    /// Can this attempt no longer be answered by those `alive`?
    pub(super) fn is_stuck(&self, alive: DeviceSet) -> bool {
        !self.gathered
            && !self.attempt.plan.viable(self.attempt.members, alive.without(self.restarted))
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

    /// Puts the timeout off while there is nobody to try with.
    pub(super) fn postpone(&mut self, now: Time) {
        self.timeout_at = now + self.timeout_after;
    }

    pub(super) fn into_provenance(self) -> Provenance {
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
            arrivals: self.arrivals,
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
