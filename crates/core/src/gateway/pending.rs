//! One request at its gateway: its inputs, kept until it is answered, and the
//! attempt under way.

use std::sync::Arc;
use std::time::Duration;

use quorate_model::tensor::Tensor;

use super::{Command, Provenance, RequestError};
use crate::frame::{Data, Frame};
use crate::gather::{Decision, Gather, Gathered};
use crate::id::{DeviceSet, GatewayRun, RequestId, ValueId};
use crate::plan::{Plan, Value, WaitPolicy};
use crate::region::whole;
use crate::time::Time;

/// Time that a second attempt has at least, whoever is suspected meanwhile;
/// each further one has twice as long. Else suspicions that come and go faster
/// than a request is answered would keep it from ever being answered.
const AT_LEAST: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub struct Pending {
    pub token: u64,
    pub deadline: Time,
    pub attempt: u32,
    pub plan: Arc<Plan>,
    /// Who takes the plan's seats; empty as long as there is nobody.
    pub members: DeviceSet,
    /// Members that have come anew since this attempt began.
    pub lost: DeviceSet,
    /// Attempts that ended by [`Pending::time_out`].
    pub timeouts: u32,
    plan_index: usize,
    suspects: DeviceSet,
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
    pub fn new(
        token: u64,
        inputs: Vec<Tensor>,
        values: Arc<Vec<Value>>,
        (plan_index, plan): (usize, Arc<Plan>),
        now: Time,
        allowed: Duration,
    ) -> Pending {
        Pending {
            token,
            deadline: now + allowed,
            attempt: 0,
            plan,
            members: DeviceSet::default(),
            lost: DeviceSet::default(),
            timeouts: 0,
            plan_index,
            suspects: DeviceSet::default(),
            inputs,
            values,
            allowed,
            gathers: Vec::new(),
            gathered: false,
            wait_until: None,
            move_at: now,
            move_due: None,
            retry_at: now,
            retry_after: Duration::ZERO,
        }
    }

    /// Starts the first attempt.
    pub fn begin(
        &mut self,
        now: Time,
        plan: (usize, Arc<Plan>),
        members: DeviceSet,
        suspects: DeviceSet,
        retry_after: Duration,
    ) {
        self.retry_after = retry_after;
        self.retry_at = now + retry_after;
        self.assign(plan, members, suspects);
    }

    /// Starts a further attempt.
    pub fn restart(
        &mut self,
        now: Time,
        plan: (usize, Arc<Plan>),
        members: DeviceSet,
        suspects: DeviceSet,
    ) {
        self.attempt += 1;
        self.retry_at = now + self.retry_after;
        let doubled = 1u32.checked_shl(self.attempt - 1).unwrap_or(u32::MAX);
        self.move_at = now + AT_LEAST.saturating_mul(doubled).min(self.retry_after);
        self.assign(plan, members, suspects);
    }

    fn assign(
        &mut self,
        (plan_index, plan): (usize, Arc<Plan>),
        members: DeviceSet,
        suspects: DeviceSet,
    ) {
        let gather = |value: &ValueId| {
            Gather::new(self.values.clone(), plan.clone(), *value, members, suspects)
        };
        self.gathers = plan.result.iter().map(gather).collect();
        self.gathered = false;
        self.wait_until = None;
        self.plan = plan;
        self.plan_index = plan_index;
        self.members = members;
        self.lost = DeviceSet::default();
        self.move_due = None;
        self.suspects = suspects;
    }

    /// The frames that carry this attempt's inputs to all who read them.
    pub fn inputs_out(&mut self, now: Time, run: GatewayRun, number: u64) -> Vec<Command> {
        let left = u32::try_from(self.deadline.since(now).as_micros()).unwrap_or(u32::MAX);
        let mut commands = Vec::new();
        for (tensor, value) in self.inputs.iter().zip(self.plan.inputs()) {
            let rows = self.values[value.index()].rows() as u32;
            let data = Data {
                input: true,
                request: RequestId { run, number },
                attempt: self.attempt,
                plan: self.plan.id,
                members: self.members,
                suspects: self.suspects,
                deadline_left_us: left,
                value,
                shard: 0,
                rows: (0, rows),
                dtype: tensor.dtype(),
                shape: tensor.shape().iter().map(|&d| d as u32).collect(),
                payload: tensor.data().clone(),
            };
            // What the gateway itself reads of the inputs it has already.
            if let Some(at) = self.plan.result.iter().position(|v| *v == value) {
                self.gathers[at].accept(now, 0, tensor.data().clone());
            }
            let from = whole(&self.values[value.index()].shape);
            for (part, to) in self.plan.recipients(&self.values, value, 0, self.members) {
                let data = match part {
                    // The tensor was held against the model's input before.
                    Some(part) => data.part(&from, &part).expect("a part of the input"),
                    None => data.clone(),
                };
                commands.push(Command::Send(to, Frame::Data(data)));
            }
        }
        commands
    }

    pub fn accept(&mut self, now: Time, data: &Data) {
        let current = data.attempt == self.attempt
            && data.plan == self.plan.id
            && data.members == self.members;
        if !current || self.gathered {
            return;
        }
        if let Some(at) = self.plan.result.iter().position(|v| *v == data.value) {
            self.gathers[at].accept(now, data.shard.into(), data.payload.clone());
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
            _ if self.gathered => self.deadline,
            Some(due) => self.retry_at.min(due),
            None => self.retry_at,
        };
        let wait = self.wait_until.unwrap_or(self.deadline);
        self.deadline.min(retry).min(wait)
    }

    /// The attempt led nowhere; the next one has twice as long.
    pub fn time_out(&mut self) {
        self.timeouts += 1;
        self.retry_after = self.retry_after.saturating_mul(2);
    }

    /// Can this attempt not end any more, with those `alive`?
    pub fn is_stuck(&self, alive: DeviceSet) -> bool {
        !self.gathered && !self.plan.viable(self.members, alive.without(self.lost))
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
        for (gather, value) in self.gathers.iter().zip(&self.plan.result) {
            let seats = self.plan.sharding(*value).map_or(&[][..], |s| &s.seats);
            for shard in gather.have().iter() {
                let seat = seats.get(shard).and_then(|seat| self.members.nth(seat.index()));
                seat.into_iter().for_each(|device| accepted.insert(device));
            }
        }
        Provenance {
            attempts: self.attempt + 1,
            plan: self.plan_index,
            decoded: self.gathers.iter().any(decoded),
            accepted,
        }
    }

    /// The error of a request whose deadline has passed.
    pub fn overdue(&self, missing: String) -> RequestError {
        let short = self.gathers.iter().position(|gather| !gather.is_quorate()).unwrap_or(0);
        let value = self.plan.result[short];
        let needed = self.plan.sharding(value).map_or(0, |s| s.code.data_shards());
        RequestError::Deadline {
            deadline_ms: self.allowed.as_millis(),
            attempts: self.attempt + 1,
            stage: format!("result {}", self.values[value.index()].name),
            got: self.gathers[short].have().len(),
            needed,
            plan: self.plan.name.clone(),
            missing,
        }
    }
}
