//! Requests that come in.

use std::time::Duration;

use quorate_model::tensor::Tensor;

use super::checking::Audits;
use super::limit::Limit;
use super::pending::Pending;
use super::token::is_clients;
use super::{Command, Gateway, RequestError};
use crate::attempt::Attempt;
use crate::audit::{Checks, Verify};
use crate::id::{DeviceSet, RequestId, ValueId};
use crate::time::Time;

/// No request has longer.
const DEADLINE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

impl Gateway {
    /// Takes a request in, or says why not.
    pub(super) fn submit(
        &mut self,
        now: Time,
        token: u64,
        inputs: Vec<Tensor>,
        deadline: Duration,
        verify: Verify,
        out: &mut Vec<Command>,
    ) {
        let deadline = deadline.min(DEADLINE_MAX);
        let checked = match verify {
            Verify::Off => Ok(()),
            _ if self.config.usual.is_empty() => Err(RequestError::Unverifiable),
            _ => Ok(()),
        };
        if let Err(error) = checked.and_then(|()| self.check(now, &inputs, deadline)) {
            out.push(Command::Fail(token, error));
            return;
        }
        let inputs = match self.as_they_travel(inputs) {
            Ok(inputs) => inputs,
            Err(error) => return out.push(Command::Fail(token, error)),
        };
        let draft = self.draft(verify);
        self.begin(now, (token, inputs, deadline, verify), draft, out);
    }

    /// The plan of a new request, its members, and who of them is not relied on.
    /// Without a plan for those alive it waits for devices.
    fn draft(&self, verify: Verify) -> (usize, DeviceSet, DeviceSet) {
        let doubted = |(index, members)| (index, members, self.doubted_devices(index));
        let none = (0, DeviceSet::default());
        if verify == Verify::Off || self.wrong_devices().is_empty() {
            return doubted(self.choose().unwrap_or(none));
        }
        let reliable = self.reliable_devices();
        if let Some(chosen) = self.choose_audited(reliable) {
            return doubted(chosen);
        }
        if self.choose_among(reliable, 0, 0).is_none()
            && let alive = self.alive_devices()
            && let Some((index, members)) = self.choose_audited(alive)
        {
            // All were wrong once: who is so now shows again.
            let others = self.plans.everybody().without(self.holdings.holding(index, alive));
            return (index, members, others);
        }
        doubted(self.choose().unwrap_or(none))
    }

    /// Inputs of the model in the types in which they are sent.
    fn as_they_travel(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, RequestError> {
        let main = self.plans.main();
        let sent = |(tensor, id): (Tensor, ValueId)| {
            let name = || self.plans.values()[id.index()].name.clone();
            let Some(sharding) = main.sharding(id) else { return Ok(tensor) };
            let sent = sharding.payload(&tensor);
            sent.map_err(|why| RequestError::Half { name: name(), words: why.to_string() })
        };
        inputs.into_iter().zip(main.inputs()).map(sent).collect()
    }

    /// Begins a request by a plan over these members, without those suspects.
    pub(super) fn begin(
        &mut self,
        now: Time,
        (token, inputs, deadline, verify): (u64, Vec<Tensor>, Duration, Verify),
        (index, members, suspects): (usize, DeviceSet, DeviceSet),
        out: &mut Vec<Command>,
    ) {
        let number = self.next_number;
        self.next_number += 1;
        let attempt = Attempt {
            request: RequestId { run: self.run, number },
            number: 0,
            plan: self.plans.all()[index].clone(),
            members,
            suspects,
            checks: self.checks(verify, false),
            deadline: now + deadline,
        };
        let values = self.plans.values().clone();
        let (first, flowing) = (self.config.resubmit_after, self.flowing());
        let patience = self.patience[index].limit(first, first / 4);
        let mut pending = Pending::new(now, token, inputs, deadline, values, patience, attempt);
        pending.plan_index = index;
        pending.audits = Audits::new(verify);
        pending.cut = self.reach.cut();
        pending.under_way = self.unanswered().count();
        if is_clients(token) {
            self.limits[index].comes(flowing);
            self.retries.comes();
        }
        out.extend(pending.inputs_out(now));
        self.pending.insert(number, pending);
    }

    /// What an attempt asks of those who gather, where answers are checked so, and
    /// numbers that are not finite may be taken as they are for this request.
    pub(super) fn checks(&self, verify: Verify, lenient: bool) -> Checks {
        let are_wrong = !self.wrong_devices().is_empty();
        Checks { lenient: self.lenient || lenient, ..Checks::of(verify, are_wrong) }
    }

    /// Clients' requests that wait for an answer.
    fn unanswered(&self) -> impl Iterator<Item = &Pending> {
        let waits = |p: &&Pending| is_clients(p.token) && !p.audits.is_answered;
        self.pending.values().filter(waits)
    }

    /// Those of them that keep devices busy.
    pub(super) fn flowing(&self) -> usize {
        self.unanswered().filter(|pending| pending.flows()).count()
    }

    /// Can a request with these inputs be taken in?
    fn check(
        &mut self,
        now: Time,
        inputs: &[Tensor],
        deadline: Duration,
    ) -> Result<(), RequestError> {
        // Who waits for longer than this one may is not what it waits for.
        let lately = |pending: &&Pending| pending.age(now) <= deadline;
        let waiting = self.unanswered().filter(lately).count();
        let flowing = self.flowing();
        let (clients, adapt) = (self.clients(), self.config.adapt);
        let room = |limit: &Limit| limit.room(deadline);
        // Under a plan that is new in force it is not known yet what requests take.
        let room = room(&self.limits[self.plan_in_force])
            .or_else(|| self.limits.iter().filter_map(room).max());
        let flow = &mut self.limits[self.plan_in_force];
        let again_ms = flow.again().as_millis() as u64;
        let limits = [
            (clients, Some(self.config.pending_max)),
            (waiting, room.filter(|_| adapt)),
            (flowing, flow.places(now, flowing).filter(|_| adapt)),
        ];
        for (got, limit) in limits {
            if let Some(limit) = limit.filter(|limit| got >= *limit) {
                return Err(RequestError::Busy { got, limit, again_ms });
            }
        }
        if !self.crowded.is_empty()
            && let Some((index, members)) = self.choose()
        {
            let alive = self.holdings.holding(index, self.alive_devices());
            let others = alive.without(self.crowded);
            if !self.plans.all()[index].viable(members, others) {
                let devices = self.plans.device_names(self.crowded);
                return Err(RequestError::Crowded { devices, again_ms });
            }
        }
        let wanted: Vec<_> = self.plans.main().inputs().collect();
        if inputs.len() != wanted.len() {
            return Err(RequestError::Inputs { got: inputs.len(), needed: wanted.len() });
        }
        for (tensor, id) in inputs.iter().zip(wanted) {
            let value = &self.plans.values()[id.index()];
            if tensor.dtype() != value.dtype || tensor.shape() != value.shape {
                return Err(RequestError::Input {
                    name: value.name.clone(),
                    got: format!("{} {:?}", tensor.dtype(), tensor.shape()),
                    needed: format!("{} {:?}", value.dtype, value.shape),
                });
            }
        }
        Ok(())
    }
}
