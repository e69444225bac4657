//! What becomes of requests whose attempts cannot be answered any more, or were
//! not in time.

use std::time::Duration;

use super::pending::{Failed, Fate, Pending};
use super::{Command, Gateway, Notice, RequestError};
use crate::attempt::Attempt;
use crate::failure::Cause;
use crate::finite::is_finite;
use crate::frame::{Failure, Frame};
use crate::id::{DeviceId, DeviceSet};
use crate::time::Time;

impl Gateway {
    /// Takes note of a shard that will not come: whatever the code makes up for
    /// costs nothing; else the request moves to others, or ends.
    pub(super) fn on_failure(
        &mut self,
        now: Time,
        from: DeviceId,
        failure: &Failure,
        out: &mut Vec<Command>,
    ) {
        self.alive(now, from, out);
        let number = failure.request.number;
        let Some(pending) = self.of_request(failure.request) else { return };
        if !pending.fail(from, failure) {
            return;
        }
        let layer = pending.failed.last().map(|failed| failed.layer.clone()).unwrap_or_default();
        let error = &failure.error;
        // Whether numbers are the device's fault is known once others have answered.
        if !matches!(error.cause, Cause::Request | Cause::NotFinite)
            && self.ailments.fail(now, from, error.cause == Cause::Late)
        {
            out.push(Command::Notice(Notice::Failing(from, layer, error.clone())));
            self.regroup(now, Duration::ZERO, out);
        }
        self.settle(now, vec![number], Duration::ZERO, out);
    }

    /// A request was answered. If it was without numbers that were not finite, who
    /// made them is at fault; if with them, the model makes such numbers.
    pub(super) fn judge_numbers(&mut self, now: Time, number: u64, out: &mut Vec<Command>) {
        let Some(pending) = self.pending.get_mut(&number) else { return };
        let strange = pending.take_strange();
        if pending.lenient {
            // Neither one device alone nor what a client asked speaks for the model.
            let makers: DeviceSet = strange.iter().map(|failed| failed.device).collect();
            self.lenient |= makers.len() > 1 && pending.inputs().iter().all(is_finite);
            return;
        }
        let mut are_new = false;
        for Failed { device, layer, error, .. } in strange {
            if self.ailments.fail(now, device, false) {
                are_new = true;
                out.push(Command::Notice(Notice::Failing(device, layer, error)));
            }
        }
        if are_new {
            self.regroup(now, Duration::ZERO, out);
        }
    }

    /// Moves or ends those of these requests whose attempts cannot be answered
    /// any more, and still cannot after `settle`.
    pub(super) fn settle(
        &mut self,
        now: Time,
        numbers: Vec<u64>,
        settle: Duration,
        out: &mut Vec<Command>,
    ) {
        let (alive, reliable) = (self.heard_devices(), self.reliable_devices());
        let anybody = self.choose().is_some();
        let mut moving = Vec::new();
        for number in numbers {
            let Some(pending) = self.pending.get(&number) else { continue };
            let alive = self.holdings.holding(pending.plan_index, alive);
            if !pending.is_stuck(alive) {
                continue;
            }
            let others = reliable.without(pending.strange_devices());
            let others = self.choose_among(others, number, pending.timeouts).is_some();
            let Some(pending) = self.pending.get_mut(&number) else { continue };
            match pending.fate(alive, others, anybody) {
                Fate::Waits => {}
                Fate::Moves | Fate::Accepts if !pending.may_abandon(now, settle) => {}
                Fate::Moves => moving.push(number),
                Fate::Accepts => {
                    pending.lenient = true;
                    moving.push(number);
                }
                Fate::Ends(failed) => self.end(number, failed, out),
            }
        }
        self.resubmit(now, &moving, out);
    }

    /// Starts a further attempt at each of these requests.
    pub(super) fn resubmit(&mut self, now: Time, numbers: &[u64], out: &mut Vec<Command>) {
        let mut restarted = 0;
        for number in numbers {
            let Some(pending) = self.pending.get(number) else { continue };
            if self.on_trial(*number).is_some() {
                // Without its device it would show nothing.
                self.close(*number);
                continue;
            }
            let (strange, timeouts) = (pending.strange_devices(), pending.timeouts);
            let others = self.reliable_devices().without(strange);
            let without = self.choose_among(others, *number, timeouts);
            let chosen = without.or_else(|| self.choose_after(*number, timeouts));
            let Some(chosen) = chosen else { break };
            let suspects = self.doubted_devices(chosen.0).union(strange);
            self.restart(now, *number, chosen, suspects, out);
            restarted += 1;
        }
        if restarted > 0 {
            out.push(Command::Notice(Notice::Resubmitted(restarted)));
        }
    }

    /// Starts a further attempt at a request, by this plan over these members.
    pub(super) fn restart(
        &mut self,
        now: Time,
        number: u64,
        (index, members): (usize, DeviceSet),
        suspects: DeviceSet,
        out: &mut Vec<Command>,
    ) {
        let first = self.config.resubmit_after;
        let Some(pending) = self.pending.get(&number) else { return };
        let checks = self.checks(pending.audits.verify, pending.lenient);
        let Some(pending) = self.pending.get_mut(&number) else { return };
        let plan = self.plans.all()[index].clone();
        pending.be_patient(self.patience[index].limit(first, first / 4));
        pending.restart(now, (index, plan), members, suspects, checks);
        pending.cut = self.reach.cut();
        out.extend(pending.inputs_out(now));
    }

    /// Starts a further attempt at a request that can be audited, without this
    /// device if one is named. False if there are no plan and devices for it.
    pub(super) fn resubmit_without(
        &mut self,
        now: Time,
        number: u64,
        without: Option<DeviceId>,
        out: &mut Vec<Command>,
    ) -> bool {
        let Some(pending) = self.pending.get(&number) else { return false };
        let out_of_it = without.into_iter().chain(pending.audits.convicted.iter()).collect();
        let reliable = self.reliable_devices().without(out_of_it);
        // Of those that were left out before some may have been so by mistake.
        let alive = self.alive_devices().without(out_of_it);
        let audited = self.choose_audited(reliable).map(|chosen| (chosen, reliable));
        let audited = audited.or_else(|| Some((self.choose_audited(alive)?, alive)));
        // Who is wrong is only known where what is left can be audited.
        let chosen = match without {
            Some(_) => audited,
            None => audited.or_else(|| Some((self.choose_among(reliable, 0, 0)?, reliable))),
        };
        let Some((chosen, used)) = chosen else { return false };
        let suspects = self.plans.everybody().without(self.holdings.holding(chosen.0, used));
        self.restart(now, number, chosen, suspects, out);
        if let Some(pending) = self.pending.get_mut(&number) {
            pending.audits.left_out = without;
        }
        out.push(Command::Notice(Notice::Resubmitted(1)));
        true
    }

    /// Ends a request by the failure at this place of its list.
    fn end(&mut self, number: u64, failed: usize, out: &mut Vec<Command>) {
        let Some(Pending { token, failed: mut all, .. }) = self.close(number) else { return };
        let Failed { device, layer, error, .. } = all.swap_remove(failed);
        let device = self.plans.device_name(device).to_owned();
        out.push(Command::Fail(token, RequestError::Failed { device, layer, words: error.words }));
    }

    /// Ends a request whose deadline has passed.
    pub(super) fn give_up(&mut self, number: u64, out: &mut Vec<Command>) {
        let heard = self.heard_devices();
        if let Some(pending) = self.close(number) {
            if pending.flows() {
                // What is too much is learned from what is not answered, too.
                self.limits[pending.plan_index].took(pending.under_way, pending.allowed);
            }
            let alive = self.holdings.holding(pending.plan_index, heard);
            let missing =
                self.missing(&pending.attempt, alive) + &pending.failures_said(&self.plans);
            out.push(Command::Fail(pending.token, pending.overdue(missing)));
        }
    }

    /// Ends without an answer to anybody, and has the devices forget all of it.
    pub(super) fn leave(&mut self, out: &mut Vec<Command>) {
        self.pending.clear();
        self.marked = true;
        let everybody = self.plans.everybody().iter().collect();
        out.push(Command::Send(everybody, Frame::Watermark(self.watermark())));
    }

    /// Words on who was not heard from, for the error of a deadline.
    fn missing(&self, attempt: &Attempt, alive: DeviceSet) -> String {
        let nobody = attempt.members.is_empty();
        let members = if nobody { self.plans.everybody() } else { attempt.members };
        let away = members.without(alive);
        if away.is_empty() {
            return ", all devices are heard from".to_owned();
        }
        let names = self.plans.device_names(away);
        match attempt.plan.unanswered(members, alive) {
            Some(stage) => format!(", not heard from {names}, which layer {} needs", stage.name),
            None => format!(", not heard from {names}"),
        }
    }
}
