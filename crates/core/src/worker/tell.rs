//! What a worker tells others beside what its tasks make: shards that will not
//! come, and how far requests are that take long.

use std::collections::BTreeMap;

use super::{Command, Job, SLOW, TaskId, Worker};
use crate::admit::Peer;
use crate::failure::TaskError;
use crate::frame::{Failure, Frame, Progress, SOME_BYTES, STANDINGS_MAX, Standing};
use crate::id::GatewayRun;
use crate::time::Time;

impl Worker {
    /// Tells everybody who waits for a job's shard that it will not come, or
    /// not for long.
    pub(super) fn tell(&mut self, now: Time, job: Job, error: TaskError, out: &mut Vec<Command>) {
        let Some(active) = self.active.get_mut(&job.request) else { return };
        let Job { request, attempt, task: TaskId { plan, stage, shard } } = job;
        let shard = shard as u16;
        let failure = Failure { request, attempt, plan, stage, shard, error };
        active.give_up(stage, failure.shard.into());
        let others = active.waiting(stage).into_iter();
        let others = others.filter(|peer| *peer != Peer::Device(self.device)).collect();
        out.push(Command::Send(others, Frame::Failure(failure)));
        self.progress(now, job.request);
        self.audit(job.request, false, out);
    }

    /// Takes note that a shard will not come: nobody need wait for it.
    pub(super) fn on_failure(
        &mut self,
        now: Time,
        from: Peer,
        failure: &Failure,
        out: &mut Vec<Command>,
    ) {
        let Some(active) = self.active.get_mut(&failure.request) else { return };
        let shard = failure.shard.into();
        let known = active.attempt.is(failure.attempt, failure.plan)
            && active.attempt.maker(failure.stage, shard).map(Peer::Device) == Some(from);
        if known {
            active.give_up(failure.stage, shard);
            self.progress(now, failure.request);
            self.audit(failure.request, false, out);
            self.settle(now, failure.request);
        }
    }

    /// Tells of tasks that take far longer than they ever did, and of those
    /// that wait behind them.
    pub(super) fn on_late(&mut self, now: Time, out: &mut Vec<Command>) {
        for (job, running) in self.lanes.late(now) {
            let words = format!("has been running for {} ms", running.as_millis());
            let active = self.active.get(&job.request);
            if active.is_some_and(|active| active.attempt.is(job.attempt, job.task.plan)) {
                let error = TaskError::late(words);
                out.push(Command::Failed(job, error.clone()));
                self.tell(now, job, error, out);
            }
        }
        if !self.lanes.are_stuck(self.config.lanes) {
            return;
        }
        for (_, request, stage, shard) in self.ready.clone() {
            let Some(active) = self.active.get_mut(&request) else { continue };
            if !active.tell_late(stage, shard) {
                continue;
            }
            let task = TaskId { plan: active.attempt.plan.id(), stage, shard };
            let job = Job { request, attempt: active.attempt.number, task };
            let words = "waits for a task that takes far too long";
            self.tell(now, job, TaskError::late(words), out);
        }
    }

    /// Tells gateways how far those of their requests are that take long.
    pub(super) fn tell_progress(&mut self, now: Time, out: &mut Vec<Command>) {
        let is_stuck = self.lanes.are_stuck(self.config.lanes);
        let mut slow: BTreeMap<GatewayRun, Vec<Standing>> = BTreeMap::new();
        for (id, active) in &self.active {
            let told = slow.entry(id.run).or_default();
            // The oldest of each gateway, whose numbers grow.
            let is_slow = now.since(active.since) >= SLOW && !active.is_over();
            if told.len() < STANDINGS_MAX && is_slow {
                told.push(active.standing(is_stuck));
            }
        }
        // What is on its way may belong to requests that are not known here yet.
        let before = std::mem::replace(&mut self.told_bytes, self.moved_bytes);
        if self.moved_bytes.wrapping_sub(before) >= SOME_BYTES {
            self.gateways.connected().for_each(|run| {
                slow.entry(run).or_default();
            });
        } else {
            slow.retain(|_, told| !told.is_empty());
        }
        for (run, standings) in slow {
            let progress = Progress { run, bytes: self.moved_bytes, standings };
            out.push(Command::Send(vec![Peer::Gateway(run)], Frame::Progress(progress)));
        }
    }
}
