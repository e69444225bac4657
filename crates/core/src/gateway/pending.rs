//! One request at its gateway: its inputs, kept until it is answered, and the
//! attempt under way.

use std::sync::Arc;
use std::time::Duration;

use quorate_model::tensor::Tensor;

use super::answer::{Provenance, RequestError};
use super::command::Command;
use crate::attempt::Attempt;
use crate::frame::{Data, Frame};
use crate::gather::{Decision, Gather, Gathered};
use crate::id::DeviceSet;
use crate::parcel::Parcel;
use crate::plan::{Plan, Value, WaitPolicy};
use crate::region::{crop, whole};
use crate::time::Time;

/// Time that a second attempt has at least, whoever is suspected meanwhile;
/// each further one has twice as long. Else suspicions that come and go faster
/// than a request is answered would keep it from ever being answered.
const AT_LEAST: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub struct Pending {
    pub token: u64,
    pub attempt: Attempt,
    /// The plan's place in the file.
    pub plan_index: usize,
    /// Members that have come anew since this attempt began.
    pub lost: DeviceSet,
    /// Attempts that ended by [`Pending::time_out`].
    pub timeouts: u32,
    inputs: Vec<Tensor>,
    values: Arc<Vec<Value>>,
    allowed: Duration,
    gathers: Vec<Gather>,
    /// The last glue is being computed.
    gathered: bool,
    wait_until: Option<Time>,
    /// The attempt is not given up before.
    move_at: Time,
    /// When to look whether the attempt is still stuck.
    pub move_due: Option<Time>,
    /// When the attempt has had all its time.
    pub retry_at: Time,
    retry_after: Duration,
}

impl Pending {
    /// A request with its first attempt, which has `retry_after`.
    pub fn new(
        now: Time,
        token: u64,
        inputs: Vec<Tensor>,
        allowed: Duration,
        values: Arc<Vec<Value>>,
        retry_after: Duration,
        attempt: Attempt,
    ) -> Pending {
        Pending {
            token,
            gathers: gathers(&values, &attempt),
            attempt,
            plan_index: 0,
            lost: DeviceSet::default(),
            timeouts: 0,
            inputs,
            values,
            allowed,
            gathered: false,
            wait_until: None,
            move_at: now,
            move_due: None,
            retry_at: now + retry_after,
            retry_after,
        }
    }

    /// Starts a further attempt.
    pub fn restart(
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
        self.gathered = false;
        self.wait_until = None;
        self.lost = DeviceSet::default();
        self.retry_at = now + self.retry_after;
        let doubled = 1u32.checked_shl(before).unwrap_or(u32::MAX);
        self.move_at = now + AT_LEAST.saturating_mul(doubled).min(self.retry_after);
        self.move_due = None;
    }

    /// The frames that carry this attempt's inputs to all who read them.
    pub fn inputs_out(&mut self, now: Time) -> Vec<Command> {
        let mut commands = Vec::new();
        for (tensor, value) in self.inputs.iter().zip(self.attempt.plan.inputs()) {
            // What the gateway itself reads of the inputs it has already.
            if let Some(at) = self.attempt.plan.result.iter().position(|v| *v == value) {
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

    pub fn accept(&mut self, now: Time, data: &Data) {
        if !self.attempt.includes(data) || self.gathered {
            return;
        }
        if let Some(at) = self.attempt.plan.result.iter().position(|v| *v == data.value) {
            self.gathers[at].accept(now, data.shard.into(), data.payload.bytes().clone());
        }
    }

    /// The results, once all are decided; only the first time.
    pub fn gather(&mut self, now: Time, wait: WaitPolicy) -> Option<Vec<Arc<Gathered>>> {
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

    /// Is a gather to be decided now?
    pub fn is_waiting(&self, now: Time) -> bool {
        self.wait_until.is_some_and(|at| at <= now)
    }

    /// When something is due: the end of a wait, a further attempt, the end.
    pub fn wake_at(&self) -> Time {
        let retry = match self.move_due {
            _ if self.gathered => self.attempt.deadline,
            Some(due) => self.retry_at.min(due),
            None => self.retry_at,
        };
        let wait = self.wait_until.unwrap_or(self.attempt.deadline);
        self.attempt.deadline.min(retry).min(wait)
    }

    /// The attempt led nowhere; the next one has twice as long.
    pub fn time_out(&mut self) {
        self.timeouts += 1;
        self.retry_after = self.retry_after.saturating_mul(2);
    }

    /// Can this attempt not end any more, with those `alive`?
    pub fn is_stuck(&self, alive: DeviceSet) -> bool {
        !self.gathered && !self.attempt.plan.viable(self.attempt.members, alive.without(self.lost))
    }

    /// May this attempt, which is stuck, be given up now? If not, it is looked
    /// at again when it may.
    pub fn may_move(&mut self, now: Time, settle: Duration) -> bool {
        let at = self.move_at.max(now + settle);
        if at > now {
            self.move_due = Some(self.move_due.map_or(at, |due| due.min(at)));
        }
        at <= now
    }

    /// There is nobody to try with: look again later.
    pub fn postpone(&mut self, now: Time) {
        self.retry_at = now + self.retry_after;
    }

    pub fn provenance(&self) -> Provenance {
        let decoded = |gather: &Gather| gather.gathered().is_some_and(|g| g.is_decoded());
        let mut accepted = DeviceSet::default();
        for (gather, value) in self.gathers.iter().zip(&self.attempt.plan.result) {
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
        }
    }

    /// The error of a request whose deadline has passed.
    pub fn overdue(&self, missing: String) -> RequestError {
        let short = self.gathers.iter().position(|gather| !gather.is_quorate()).unwrap_or(0);
        let value = self.attempt.plan.result[short];
        let needed = self.attempt.plan.sharding(value).map_or(0, |s| s.code.data_shards());
        RequestError::Deadline {
            deadline_ms: self.allowed.as_millis(),
            attempts: self.attempt.number + 1,
            stage: format!("result {}", self.values[value.index()].name),
            got: self.gathers[short].have().len(),
            needed,
            plan: self.attempt.plan.name.clone(),
            missing,
        }
    }
}

/// The gathers of an attempt's results.
fn gathers(values: &Arc<Vec<Value>>, attempt: &Attempt) -> Vec<Gather> {
    attempt.plan.result.iter().map(|value| attempt.gather(values, *value, None)).collect()
}
