//! Takes requests in and hands their answers out.
//!
//! ```text
//! Submit -> Send inputs -> (devices) -> gather results -> Run -> Answer
//! ```
//!
//! The gateway chooses plan, members and suspects from the devices it
//! believes alive. It keeps every input until the answer is out: when too few
//! devices of a request's plan are left, the request goes out again under a
//! plan for those that are. What ends a request without an answer is its
//! deadline, or a failure that nobody left can make up for.
//!
//! *Invariant:* each submitted request ends in exactly one `Answer` or `Fail`,
//! or in none once it was cancelled.

mod ailments;
mod answer;
mod choice;
mod command;
mod event;
mod fate;
mod job;
mod limit;
mod notice;
mod patience;
mod pending;
mod progress;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_model::tensor::Tensor;

pub use self::{
    answer::{Provenance, RequestError},
    command::Command,
    event::Event,
    job::Job,
    notice::Notice,
};

use crate::admit::Peer;
use crate::attempt::Attempt;
use crate::detector::Detector;
use crate::frame::{Data, Frame, Heartbeat, Watermark};
use crate::id::{DeviceId, DeviceSet, GatewayRun, PlanId, RequestId};
use crate::plan::Plans;
use crate::time::Time;
use ailments::Ailments;
use limit::Limit;
use patience::Patience;
use pending::Pending;

/// Finished requests that one watermark lists one by one.
const ALSO_MAX: usize = 256;
/// Time given to further devices once one is heard from again: they may be about
/// to, and requests should not all go to the first.
const SETTLE: Duration = Duration::from_millis(50);
/// Least time between two watermarks.
const WATERMARK_EVERY: Duration = Duration::from_millis(5);
/// Being told of time that is over this late is no busy moment: the gateway
/// stood still.
const STILL: Duration = Duration::from_millis(100);

/// Habits of a gateway.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Silence after which a device is suspected.
    pub suspect_after: Duration,
    /// Is a device suspected as soon as its connection ends? If not, only its
    /// silence counts, as if it had lost power.
    pub trust_disconnect: bool,
    /// How long a request may stand still before it goes out again, until it is
    /// known what is usual; twice as long with each attempt. Later four times
    /// the longest that was usual under its plan, and a quarter of this at least.
    pub resubmit_after: Duration,
    /// Most requests under way at once.
    pub pending_max: usize,
    /// Are there fewer places where requests take far longer than they do alone?
    pub adapt: bool,
}

impl Default for GatewayConfig {
    fn default() -> GatewayConfig {
        GatewayConfig {
            suspect_after: Duration::from_millis(500),
            trust_disconnect: true,
            resubmit_after: Duration::from_secs(2),
            pending_max: 1024,
            adapt: false,
        }
    }
}

/// The state machine of one gateway.
#[derive(Debug)]
pub struct Gateway {
    plans: Arc<Plans>,
    run: GatewayRun,
    config: GatewayConfig,
    detector: Detector,
    ailments: Ailments,
    /// Devices whose bundle lacks a plan of this one.
    unfit: DeviceSet,
    /// Requests without an answer yet, by number.
    pending: BTreeMap<u64, Pending>,
    next_number: u64,
    /// The plan's place in the file that new requests go by.
    plan_in_force: usize,
    /// Could a request be answered, as was last told?
    quorate: bool,
    /// Do the devices know of every request that is finished?
    marked: bool,
    /// The next watermark goes out no earlier.
    mark_at: Time,
    /// By device: its last heartbeat.
    beats: Vec<Heartbeat>,
    /// By device: the bytes that came and went there, as it last said.
    bytes: Vec<u64>,
    /// By plan: how long its requests stand still.
    patience: Vec<Patience>,
    /// By plan: how many requests may be under way.
    limits: Vec<Limit>,
    /// When it had to be told of the time at the latest.
    due: Option<Time>,
}

impl Gateway {
    /// A gateway's run over the devices of `plans`.
    pub fn new(plans: Arc<Plans>, run: GatewayRun, config: GatewayConfig) -> Gateway {
        let devices = plans.cluster().devices().len();
        let patience = vec![Patience::default(); plans.all().len()];
        let limits = vec![Limit::default(); plans.all().len()];
        Gateway {
            detector: Detector::new(devices, config.suspect_after),
            ailments: Ailments::new(devices),
            plans,
            run,
            config,
            unfit: DeviceSet::default(),
            pending: BTreeMap::new(),
            next_number: 0,
            plan_in_force: 0,
            quorate: false,
            marked: true,
            mark_at: Time::default(),
            beats: vec![Heartbeat::default(); devices],
            bytes: vec![0; devices],
            patience,
            limits,
            due: None,
        }
    }

    /// Takes in one event at `now`; appends what is to be done.
    pub fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Command>) {
        let late = self.due.map(|due| now.since(due)).filter(|late| *late > STILL);
        if let Some(late) = late {
            self.detector.stood_still(late);
        }
        match event {
            Event::Submit { token, inputs, deadline } => {
                self.submit(now, token, inputs, deadline, out);
            }
            Event::Cancel(token) => self.cancel(token),
            Event::Up(device, plans) => self.on_up(now, device, &plans, out),
            Event::Down(device) => {
                if self.config.trust_disconnect && self.detector.lost(device) {
                    out.push(Command::Notice(Notice::Suspect(device)));
                    self.regroup(now, Duration::ZERO, out);
                }
            }
            Event::Data(from, data) => self.on_data(now, from, data, out),
            Event::Beat(from, beat) => {
                self.beats[from.index()] = beat;
                self.alive(now, from, out);
            }
            Event::Done(job, result) => self.on_done(now, job, result, out),
            Event::Progress(from, progress) => self.on_progress(now, from, &progress, out),
            Event::Heard(from) => self.alive(now, from, out),
            Event::Moved => self.pending.values_mut().for_each(|p| p.bytes_move(now, None)),
            Event::Failure(from, failure) => self.on_failure(now, from, &failure, out),
            Event::SuspectAfter(after) => self.detector.set_after(after),
            Event::Tick => {}
        }
        self.on_time(now, out);
        self.due = self.wake_at();
    }

    /// When the next [`Event::Tick`] is due, if ever.
    pub fn wake_at(&self) -> Option<Time> {
        let mark = (!self.marked).then_some(self.mark_at);
        let requests = self.pending.values().map(Pending::wake_at).min();
        let times = [mark, requests, self.detector.next(), self.ailments.next()];
        times.into_iter().flatten().min()
    }

    /// Devices believed alive.
    pub fn alive_devices(&self) -> DeviceSet {
        self.plans.everybody().without(self.detector.suspects()).without(self.unfit)
    }

    /// Devices whose tasks are believed to succeed, too.
    fn reliable_devices(&self) -> DeviceSet {
        self.alive_devices().without(self.ailments.ailing())
    }

    /// Devices that the roster leaves out.
    fn doubted_devices(&self) -> DeviceSet {
        self.detector.suspects().union(self.ailments.ailing())
    }

    /// Could a request be answered now?
    fn is_quorate(&self) -> bool {
        self.choose().is_some()
    }

    /// The last heartbeat of a device.
    pub fn beat(&self, device: DeviceId) -> Heartbeat {
        self.beats[device.index()]
    }

    /// Requests without an answer yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    fn on_up(&mut self, now: Time, device: DeviceId, held: &[PlanId], out: &mut Vec<Command>) {
        let missing = self.plans.all().iter().find(|plan| !held.contains(&plan.id()));
        match missing {
            Some(plan) => {
                self.unfit.insert(device);
                out.push(Command::Notice(Notice::Mismatch(device, plan.id())));
            }
            None if self.unfit.contains(device) => {
                self.unfit.remove(device);
                out.push(Command::Notice(Notice::Match(device)));
            }
            None => {}
        }
        // It may have started anew: what it had of these requests is gone, what
        // was wrong with it may be mended, and what is finished it knows no more.
        self.ailments.forgive(device);
        self.marked &= self.next_number == 0;
        self.pending.values_mut().for_each(|pending| pending.restarted.insert(device));
        if self.detector.heard(now, device) {
            out.push(Command::Notice(Notice::Healthy(device)));
        }
        self.regroup(now, SETTLE, out);
    }

    fn alive(&mut self, now: Time, device: DeviceId, out: &mut Vec<Command>) {
        if self.detector.heard(now, device) {
            out.push(Command::Notice(Notice::Healthy(device)));
            self.regroup(now, SETTLE, out);
        }
    }

    /// After a change in who is alive: requests that can no longer be answered,
    /// and still cannot after `settle`, go out again under a plan that can.
    fn regroup(&mut self, now: Time, settle: Duration, out: &mut Vec<Command>) {
        let chosen = self.choose();
        if self.quorate != chosen.is_some() {
            self.quorate = chosen.is_some();
            out.push(Command::Notice(Notice::Quorate(self.quorate)));
        }
        let Some((index, _)) = chosen else { return };
        if index != self.plan_in_force {
            self.plan_in_force = index;
            out.push(Command::Notice(Notice::Plan(index)));
        }
        let numbers = self.pending.keys().copied().collect();
        self.settle(now, numbers, settle, out);
    }

    /// Starts a further attempt at each of these requests.
    fn resubmit(&mut self, now: Time, numbers: &[u64], out: &mut Vec<Command>) {
        let (doubted, first) = (self.doubted_devices(), self.config.resubmit_after);
        for number in numbers {
            let timeouts = self.pending.get(number).map_or(0, |p| p.timeouts);
            let Some((index, members)) = self.choose_after(*number, timeouts) else { return };
            let Some(pending) = self.pending.get_mut(number) else { continue };
            let plan = self.plans.all()[index].clone();
            pending.be_patient(self.patience[index].limit(first, first / 4));
            pending.restart(now, (index, plan), members, doubted);
            out.extend(pending.inputs_out(now));
        }
        if !numbers.is_empty() {
            out.push(Command::Notice(Notice::Resubmitted(numbers.len() as u64)));
        }
    }

    fn submit(
        &mut self,
        now: Time,
        token: u64,
        inputs: Vec<Tensor>,
        deadline: Duration,
        out: &mut Vec<Command>,
    ) {
        if let Err(error) = self.check(now, &inputs) {
            out.push(Command::Fail(token, error));
            return;
        }
        let number = self.next_number;
        self.next_number += 1;
        // Without a plan for those alive the request waits for devices.
        let (index, members) = self.choose().unwrap_or((0, DeviceSet::default()));
        let attempt = Attempt {
            request: RequestId { run: self.run, number },
            number: 0,
            plan: self.plans.all()[index].clone(),
            members,
            suspects: self.doubted_devices(),
            deadline: now + deadline,
        };
        let values = self.plans.values().clone();
        let first = self.config.resubmit_after;
        let patience = self.patience[index].limit(first, first / 4);
        let mut pending = Pending::new(now, token, inputs, deadline, values, patience, attempt);
        pending.plan_index = index;
        pending.under_way = self.pending.len();
        self.limits[index].comes(pending.under_way);
        out.extend(pending.inputs_out(now));
        self.pending.insert(number, pending);
    }

    /// Forgets a request, and has the devices forget it.
    fn cancel(&mut self, token: u64) {
        let found = self.pending.iter().find(|(_, pending)| pending.token == token);
        if let Some(number) = found.map(|(number, _)| *number) {
            self.pending.remove(&number);
            self.marked = false;
        }
    }

    /// Can a request with these inputs be taken in?
    fn check(&self, now: Time, inputs: &[Tensor]) -> Result<(), RequestError> {
        let (flow, got) = (&self.limits[self.plan_in_force], self.pending.len());
        let places = flow.places(now).filter(|_| self.config.adapt).unwrap_or(usize::MAX);
        let limit = self.config.pending_max.min(places);
        if got >= limit {
            let again_ms = flow.again().as_millis() as u64;
            return Err(RequestError::Busy { got, limit, again_ms });
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

    fn on_data(&mut self, now: Time, from: DeviceId, data: Data, out: &mut Vec<Command>) {
        if let Err(refusal) = self.plans.admit(Peer::Device(from), &data) {
            out.push(Command::Refuse(from, refusal));
            return;
        }
        self.alive(now, from, out);
        let RequestId { run, number } = data.request;
        if run != self.run {
            return;
        }
        if let Some(pending) = self.pending.get_mut(&number) {
            pending.accept(now, from, &data);
            self.gather(now, number, out);
        }
    }

    /// Runs the last glue once all results are gathered.
    fn gather(&mut self, now: Time, number: u64, out: &mut Vec<Command>) {
        let wait = self.plans.wait();
        if let Some(pending) = self.pending.get_mut(&number)
            && let Some(inputs) = pending.gather(now, wait)
        {
            out.push(Command::Run(Job { number, attempt: pending.attempt.number }, inputs));
        }
    }

    fn on_done(
        &mut self,
        now: Time,
        job: Job,
        result: Result<Vec<Tensor>, String>,
        out: &mut Vec<Command>,
    ) {
        let current =
            self.pending.get(&job.number).is_some_and(|p| p.attempt.number == job.attempt);
        if !current {
            return;
        }
        let Some(pending) = self.pending.remove(&job.number) else { return };
        self.marked = false;
        self.patience[pending.plan_index].learn(pending.quiet_until(now));
        if pending.attempt.number == 0 {
            let took = pending.age(now);
            let left = self.pending.len();
            self.limits[pending.plan_index].answered(now, left, pending.under_way, took);
        }
        self.pending.range_mut(..job.number).for_each(|(_, earlier)| earlier.overtaken += 1);
        out.push(match result {
            Ok(outputs) => Command::Answer(pending.token, outputs, pending.into_provenance()),
            Err(words) => Command::Fail(pending.token, RequestError::Glue { words }),
        });
    }

    /// All that happens by the passing of time.
    fn on_time(&mut self, now: Time, out: &mut Vec<Command>) {
        let fresh = self.detector.expire(now);
        if !fresh.is_empty() {
            out.extend(fresh.iter().map(|d| Command::Notice(Notice::Suspect(d))));
            self.regroup(now, Duration::ZERO, out);
        }
        let rested = self.ailments.expire(now);
        if !rested.is_empty() {
            out.extend(rested.iter().map(|d| Command::Notice(Notice::Rested(d))));
            self.regroup(now, Duration::ZERO, out);
        }
        let due: Vec<u64> =
            self.pending.iter().filter(|(_, p)| p.wake_at() <= now).map(|(n, _)| *n).collect();
        for number in due {
            let Some(pending) = self.pending.get(&number) else { continue };
            if pending.attempt.deadline <= now {
                self.give_up(number, out);
            } else if pending.is_waiting(now) {
                self.gather(now, number, out);
            } else {
                self.time_out(now, number, out);
            }
        }
        if !self.marked && self.mark_at <= now {
            self.marked = true;
            self.mark_at = now + WATERMARK_EVERY;
            let everybody = self.plans.everybody().iter().collect();
            out.push(Command::Send(everybody, Frame::Watermark(self.watermark())));
        }
    }

    /// A look at a request whose attempt may be stuck or may have timed out.
    fn time_out(&mut self, now: Time, number: u64, out: &mut Vec<Command>) {
        let somebody = self.is_quorate();
        let Some(pending) = self.pending.get_mut(&number) else { return };
        pending.recheck_at = None;
        if !somebody {
            pending.postpone(now);
            return;
        }
        self.settle(now, vec![number], Duration::ZERO, out);
        let Some(pending) = self.pending.get_mut(&number) else { return };
        if pending.timeout_at() <= now {
            pending.time_out();
            self.resubmit(now, &[number], out);
        }
    }

    fn watermark(&self) -> Watermark {
        let below = self.pending.keys().next().copied().unwrap_or(self.next_number);
        // The newest: the others have been in earlier watermarks.
        let beyond = (below..self.next_number).rev();
        let also = beyond.filter(|n| !self.pending.contains_key(n)).take(ALSO_MAX).collect();
        Watermark { run: self.run, below, also }
    }
}

#[cfg(test)]
mod tests;
