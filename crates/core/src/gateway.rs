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
mod audits;
mod checking;
mod choice;
mod command;
mod event;
mod fate;
mod holdings;
mod intake;
mod job;
mod limit;
mod notice;
mod patience;
mod pending;
mod presence;
mod progress;
mod reach;
mod retries;
mod token;
mod trial;

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
use crate::audit::{Usual, Verify};
use crate::detector::Detector;
use crate::frame::{Data, Frame, Heartbeat, Watermark};
use crate::id::{DeviceId, DeviceSet, GatewayRun, RequestId};
use crate::plan::Plans;
use crate::time::Time;
use ailments::Ailments;
use holdings::Holdings;
use limit::Limit;
use patience::Patience;
use pending::Pending;
use reach::Reach;
use retries::Retries;

/// Finished requests that one watermark lists one by one.
const ALSO_MAX: usize = 256;
/// Time given to further devices once one is heard from again: they may be about
/// to, and requests should not all go to the first.
const SETTLE: Duration = Duration::from_millis(50);
/// Least time between two watermarks.
const WATERMARK_EVERY: Duration = Duration::from_millis(5);
/// Time between two frames to a silent device: where its connection has ended
/// unnoticed, sending over it is what shows it.
const NUDGE_EVERY: Duration = Duration::from_millis(100);
/// Being told of time that is over this late is no busy moment: the gateway
/// stood still.
const STILL: Duration = Duration::from_millis(100);
/// Requests are not held to what they had to do meanwhile where it is late by more
/// than this.
const LATE: Duration = Duration::from_millis(20);

/// Habits of a gateway.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Silence after which a device is suspected.
    pub suspect_after: Duration,
    /// Is a device suspected as soon as its connection, or that of others with
    /// it, ends? If not, only its silence counts, as if it had lost power.
    pub trust_disconnect: bool,
    /// How long a request may stand still before it goes out again, until it is
    /// known what is usual; twice as long with each attempt. Later four times
    /// the longest that was usual under its plan, and a quarter of this at least.
    pub resubmit_after: Duration,
    /// Most requests under way at once.
    pub pending_max: usize,
    /// Are there fewer places where requests take far longer than they do alone?
    pub adapt: bool,
    /// How far apart healthy shards are, to know those that are not.
    pub usual: Arc<Usual>,
}

impl Default for GatewayConfig {
    fn default() -> GatewayConfig {
        GatewayConfig {
            suspect_after: Duration::from_millis(500),
            trust_disconnect: true,
            resubmit_after: Duration::from_secs(2),
            pending_max: 1024,
            adapt: false,
            usual: Arc::default(),
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
    /// Devices whose shards are wrong.
    wrong: Ailments,
    /// Those of them that have to show that they are right again, and by which
    /// request.
    trials: BTreeMap<DeviceId, u64>,
    /// Inputs by which it shows.
    sample: Option<Vec<Tensor>>,
    reach: Reach,
    /// Devices with a connection.
    connected: DeviceSet,
    /// Those of them that have no room for what is sent.
    crowded: DeviceSet,
    /// When those of them that are silent are sent something next.
    nudge_at: Time,
    holdings: Holdings,
    /// Does the model make numbers that are not finite by itself, as an answer has
    /// shown?
    lenient: bool,
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
    /// How many of those that stand still may be tried again.
    retries: Retries,
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
            detector: Detector::new(devices, plans.protect().silence(config.suspect_after)),
            ailments: Ailments::new(devices),
            wrong: Ailments::new(devices),
            trials: BTreeMap::new(),
            sample: None,
            reach: Reach::new(devices),
            connected: DeviceSet::default(),
            crowded: DeviceSet::default(),
            nudge_at: Time::default(),
            holdings: Holdings::new(plans.all().len()),
            plans,
            run,
            config,
            lenient: false,
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
            retries: Retries::default(),
            due: None,
        }
    }

    /// Takes in one event at `now`; appends what is to be done.
    pub fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Command>) {
        self.excuse(self.due.map_or(Duration::ZERO, |due| now.since(due)));
        let is_time = matches!(event, Event::Tick);
        match event {
            Event::Submit { token, inputs, deadline, verify } => {
                self.submit(now, token, inputs, deadline, verify, out);
            }
            Event::Cancel(token) => self.cancel(token),
            Event::Crowded(devices) => self.crowded = devices,
            Event::End => self.leave(out),
            Event::Up(device, plans) => self.on_up(now, device, &plans, out),
            Event::Down(device) => {
                self.connected.remove(device);
                if self.config.trust_disconnect && self.detector.lost(device) {
                    out.push(Command::Notice(Notice::Suspect(device)));
                    self.regroup(now, Duration::ZERO, out);
                }
            }
            Event::Data(from, data) => self.on_data(now, from, data, out),
            Event::Beat(from, beat) => self.on_beat(now, from, beat, out),
            Event::Audited(job, audited) => self.on_audited(now, job, &audited, out),
            Event::Report(from, report) => self.on_report(now, from, &report, out),
            Event::Done(job, result) => self.on_done(now, job, result, out),
            Event::Progress(from, progress) => self.on_progress(now, from, &progress, out),
            Event::Heard(from, ago) => self.was_alive(now, from, ago, out),
            Event::Moved => self.pending.values_mut().for_each(|p| p.bytes_move(now, None)),
            Event::Failure(from, failure) => self.on_failure(now, from, &failure, out),
            Event::SuspectAfter(after) => self.detector.set_after(after),
            Event::Tick => {}
        }
        // Nobody is late before what has come in until then is taken in.
        if is_time {
            self.on_late(now, out);
        }
        self.on_time(now, is_time, out);
        self.settle_trials(now, out);
        // What is overdue now does not make the next event late.
        self.due = self.wake_at().map(|at| at.max(now));
    }

    /// This process is so late for what was due: what others have said meanwhile is
    /// about to be heard.
    fn excuse(&mut self, late: Duration) {
        if late > LATE {
            self.pending.values_mut().for_each(|pending| pending.stood_still(late));
        }
        if late > STILL {
            self.detector.stood_still(late);
        }
    }

    /// When the next [`Event::Tick`] is due, if ever.
    pub fn wake_at(&self) -> Option<Time> {
        let mark = (!self.marked).then_some(self.mark_at);
        let requests = self.pending.values().map(Pending::wake_at).min();
        let nudge = (!self.silent().is_empty()).then_some(self.nudge_at);
        let times =
            [mark, requests, nudge, self.detector.next(), self.ailments.next(), self.wrong.next()];
        times.into_iter().flatten().min()
    }

    /// Could a request be answered now?
    fn is_quorate(&self) -> bool {
        self.choose().is_some()
    }

    /// The last heartbeat of a device.
    pub fn beat(&self, device: DeviceId) -> Heartbeat {
        self.beats[device.index()]
    }

    /// Is this a request of this gateway that is without an answer no more?
    pub fn is_finished(&self, request: RequestId) -> bool {
        request.run == self.run && !self.pending.contains_key(&request.number)
    }

    /// Requests without an answer yet.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Those of them that clients wait for.
    fn clients(&self) -> usize {
        self.pending.len().saturating_sub(self.trials.len())
    }

    /// The number that the next request has.
    pub fn next_number(&self) -> u64 {
        self.next_number
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

    /// Forgets a request, and has the devices forget it.
    fn cancel(&mut self, token: u64) {
        let found = self.pending.iter().find(|(_, pending)| pending.token == token);
        if let Some(number) = found.map(|(number, _)| *number) {
            self.close(number);
        }
    }

    /// Forgets a request that ends; the devices are told soon.
    fn close(&mut self, number: u64) -> Option<Pending> {
        let pending = self.pending.remove(&number)?;
        self.marked = false;
        Some(pending)
    }

    /// The request of this name, if it is one of this run and has not ended.
    fn of_request(&mut self, request: RequestId) -> Option<&mut Pending> {
        self.pending.get_mut(&request.number).filter(|_| request.run == self.run)
    }

    fn on_data(&mut self, now: Time, from: DeviceId, data: Data, out: &mut Vec<Command>) {
        if let Err(refusal) = self.plans.admit(Peer::Device(from), &data) {
            out.push(Command::Refuse(from, refusal));
            return;
        }
        self.alive(now, from, out);
        if let Some(pending) = self.of_request(data.request) {
            let number = data.request.number;
            pending.accept(now, from, &data);
            self.gather(now, number, out);
            self.audit_results(number, false, out);
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
        let Some(pending) = self.pending.get(&job.number) else { return };
        self.patience[pending.plan_index].learn(pending.quiet_until(now));
        if pending.flows() {
            let took = pending.age(now);
            let left = self.flowing().saturating_sub(1);
            self.limits[pending.plan_index].answered(now, left, pending.under_way, took);
        }
        self.pending.range_mut(..job.number).for_each(|(_, earlier)| earlier.overtaken += 1);
        if result.is_ok() {
            self.judge_numbers(now, job.number, out);
        }
        let pending = match result {
            Ok(outputs) if self.pending[&job.number].audits.verify != Verify::Off => {
                return self.answer_audited(now, job.number, outputs, out);
            }
            result => self.close(job.number).map(|pending| (pending, result)),
        };
        out.extend(pending.map(|(pending, result)| match result {
            Ok(outputs) => Command::Answer(pending.token, outputs, pending.provenance()),
            Err(words) => Command::Fail(pending.token, RequestError::Glue { words }),
        }));
    }

    /// Devices that are silent for too long, or were left out for long enough.
    fn on_late(&mut self, now: Time, out: &mut Vec<Command>) {
        let fresh = self.detector.expire(now);
        if !fresh.is_empty() {
            out.extend(fresh.iter().map(|d| Command::Notice(Notice::Suspect(d))));
            self.regroup(now, Duration::ZERO, out);
        }
        let rested = self.wrong.expire(now);
        self.try_out(now, rested, out);
        let rested = self.ailments.expire(now).without(self.wrong_devices());
        if !rested.is_empty() {
            out.extend(rested.iter().map(|d| Command::Notice(Notice::Rested(d))));
            self.regroup(now, Duration::ZERO, out);
        }
    }

    /// What is due: of requests that are late, only with `is_time`.
    fn on_time(&mut self, now: Time, is_time: bool, out: &mut Vec<Command>) {
        let due: Vec<u64> =
            self.pending.iter().filter(|(_, p)| p.wake_at() <= now).map(|(n, _)| *n).collect();
        for number in due {
            let Some(pending) = self.pending.get(&number) else { continue };
            if !is_time && !pending.is_waiting(now) {
                continue;
            }
            if pending.audits.has_answer() {
                self.end_audits(now, number, out);
            } else if pending.attempt.deadline <= now {
                self.give_up(number, out);
            } else if pending.is_waiting(now) {
                self.gather(now, number, out);
            } else {
                self.time_out(now, number, out);
            }
        }
        let silent = self.silent();
        if !silent.is_empty() && self.nudge_at <= now {
            self.nudge_at = now + NUDGE_EVERY;
            out.push(Command::Send(silent.iter().collect(), Frame::Watermark(self.watermark())));
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
        if pending.timeout_at() > now {
            return;
        }
        if self.retries.pay(now) {
            pending.time_out();
            self.resubmit(now, &[number], out);
        } else {
            pending.postpone(now);
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
