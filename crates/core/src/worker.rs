//! The work of one device: gathering what its tasks read, having them run, and
//! sending each output to everybody who reads it.
//!
//! ```text
//! Data -> admit -> gather -> Run -> (a lane) -> Done -> Send, own gathers
//! ```
//!
//! A worker has no plan of its own choice: every frame names one. It does each
//! task of an attempt at most once, the oldest request first. It skips what
//! nobody needs any more: requests that are finished or past their deadline,
//! and tasks whose readers all have enough without them.
//!
//! *Invariant:* the number of requests and the bytes of payload kept are
//! bounded, whatever peers send.

mod active;
mod audit_queue;
mod audits;
mod command;
mod delivery;
mod event;
mod gateways;
mod job;
mod lanes;
mod room;
mod rosters;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

pub use self::{
    audit_queue::AuditId,
    command::Command,
    delivery::{Delivery, Outgoing},
    event::Event,
    job::{Job, TaskId},
};

use crate::admit::Peer;
use crate::attempt::Attempt;
use crate::audit::Usual;
use crate::failure::TaskError;
use crate::frame::{Data, Frame, Heartbeat, Watermark};
use crate::gather::Accepted;
use crate::id::{DeviceId, GatewayRun, PlanId, RequestId, SeatId, StageId};
use crate::plan::{Plan, Plans, WaitPolicy};
use crate::time::Time;
use active::{Active, TaskState};
use audit_queue::Audits;
use gateways::Gateways;
use lanes::Lanes;
use rosters::{Rosters, Wait};

/// A request that takes this long is told of, and as often.
const SLOW: Duration = Duration::from_millis(100);
/// A heartbeat that is this late is no busy moment: this device stood still.
const STILL: Duration = Duration::from_millis(100);

/// Bounds and habits of a worker.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Most tasks that run at the same time.
    pub lanes: usize,
    /// Most requests kept; beyond, the newest goes of the gateway with most.
    pub requests_max: usize,
    /// Most bytes of payload kept, and of what it is merged into; beyond, the same.
    pub payload_bytes_max: usize,
    /// Time between two heartbeats.
    pub heartbeat_every: Duration,
    /// Longest time that a request is kept, whatever its deadline.
    pub deadline_max: Duration,
    /// Nobody works for a gateway whose connection has ended so long ago.
    pub gateway_grace: Duration,
    /// How far apart healthy shards are, to know those that are not.
    pub usual: Arc<Usual>,
}

impl Default for WorkerConfig {
    fn default() -> WorkerConfig {
        WorkerConfig {
            lanes: 1,
            requests_max: 4096,
            payload_bytes_max: 1 << 30,
            heartbeat_every: Duration::from_millis(25),
            deadline_max: Duration::from_secs(600),
            gateway_grace: Duration::from_secs(1),
            usual: Arc::default(),
        }
    }
}

/// The state machine of one device.
#[derive(Debug)]
pub struct Worker {
    plans: Arc<Plans>,
    device: DeviceId,
    config: WorkerConfig,
    active: BTreeMap<RequestId, Active>,
    /// Deadlines of active requests.
    deadlines: BTreeSet<(Time, RequestId)>,
    /// When gathers are decided without their roster.
    waits: BTreeSet<(Time, RequestId)>,
    /// Tasks that can run, by the request's order of arrival.
    ready: BTreeSet<(u64, RequestId, StageId, usize)>,
    /// Tasks that run now.
    lanes: Lanes,
    /// Requests that have come in so far.
    arrivals: u64,
    payload_bytes: usize,
    gateways: Gateways,
    rosters: Rosters,
    audits: Audits,
    /// Whether gathers under a plan wait for the roster, found once a plan:
    /// they do where readers that decode apart would cost too much precision.
    waits_for: BTreeMap<PlanId, bool>,
    beat: Heartbeat,
    beat_at: Time,
    /// Bytes that came in and went out.
    moved_bytes: u64,
    /// What of these gateways know.
    told_bytes: u64,
    /// When slow requests are told of next.
    tell_at: Time,
    /// Until then it is known that this device stood still, or did not.
    moved_at: Time,
}

impl Worker {
    /// The worker of `device`.
    pub fn new(plans: Arc<Plans>, device: DeviceId, config: WorkerConfig) -> Worker {
        Worker {
            plans,
            device,
            audits: Audits::default(),
            config,
            active: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            waits: BTreeSet::new(),
            ready: BTreeSet::new(),
            lanes: Lanes::default(),
            arrivals: 0,
            payload_bytes: 0,
            gateways: Gateways::default(),
            rosters: Rosters::default(),
            waits_for: BTreeMap::new(),
            beat: Heartbeat::default(),
            beat_at: Time::default(),
            moved_bytes: 0,
            told_bytes: 0,
            tell_at: Time::default(),
            moved_at: Time::default(),
        }
    }

    /// Takes in one event at `now`; appends what is to be done.
    pub fn handle(&mut self, now: Time, event: Event, out: &mut Vec<Command>) {
        let late = now.since(self.beat_at.max(self.moved_at));
        if late > STILL {
            self.lanes.stood_still(late);
            self.moved_at = now;
        }
        match event {
            Event::Gateway(run) => {
                let ended = self.gateways.connect(run);
                self.forget_runs(&ended);
                // It shall know at once whom this device reaches.
                self.beat_at = now;
            }
            Event::GatewayGone(run) => {
                let ended = self.gateways.disconnect(run, now + self.config.gateway_grace);
                self.forget_runs(&ended);
            }
            Event::Data(from, data) => self.on_data(now, from, data, out),
            Event::Watermark(from, mark) => self.on_watermark(from, &mark),
            Event::Done(job, result) => self.on_done(now, job, result, out),
            Event::Failure(from, failure) => self.on_failure(now, from, &failure, out),
            Event::Audited(id, audited) => self.on_audited(id, audited, out),
            Event::Moved(bytes) => self.moved_bytes = bytes,
            Event::Reaches(devices) => {
                if std::mem::replace(&mut self.beat.reaches, devices) != devices {
                    self.beat_at = now;
                }
            }
            Event::Dropped(frames) => {
                // A count asks for nothing.
                self.beat.dropped += frames;
                return;
            }
            Event::Tick => {}
        }
        if self.wake_at() <= now {
            self.on_tick(now, out);
        }
        self.make_room();
        self.dispatch(now, out);
        self.on_late(now, out);
        self.make_room();
    }

    /// When the next [`Event::Tick`] is due.
    pub fn wake_at(&self) -> Time {
        let first = |set: &BTreeSet<(Time, RequestId)>| set.first().map(|(time, _)| *time);
        let late = self.lanes.next();
        let (deadline, wait) = (first(&self.deadlines), first(&self.waits));
        let (gone, audit) = (self.gateways.next(), first(&self.audits.waits));
        let times = [Some(self.beat_at), deadline, wait, audit, late, gone];
        times.into_iter().flatten().min().unwrap_or(self.beat_at)
    }

    /// Is nothing kept for any request, and nothing running?
    pub fn is_idle(&self) -> bool {
        let kept = self.ready.len() + self.waits.len() + self.deadlines.len() + self.payload_bytes;
        let busy = self.lanes.busy() > 0 || !self.audits.is_idle();
        self.active.is_empty() && kept == 0 && !busy
    }

    /// Requests kept now.
    pub fn requests(&self) -> usize {
        self.active.len()
    }

    /// Bytes of payload kept now.
    pub fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// Counters so far.
    pub fn counters(&self) -> Heartbeat {
        self.beat
    }

    /// Is a request of this run to be served?
    fn serves(&mut self, run: GatewayRun) -> bool {
        let active = &self.active;
        self.gateways.serves(run, |run| active.keys().any(|id| id.run == run))
    }

    fn on_watermark(&mut self, from: Peer, mark: &Watermark) {
        if from == Peer::Gateway(mark.run) && self.serves(mark.run) {
            self.gateways.learn(mark);
            self.forget_all(|gateways, id| gateways.is_finished(id));
        }
    }

    /// Keeps nothing more for runs that have ended.
    fn forget_runs(&mut self, ended: &[GatewayRun]) {
        if !ended.is_empty() {
            self.forget_all(|_, id| ended.contains(&id.run));
        }
    }

    fn forget_all(&mut self, is: impl Fn(&Gateways, RequestId) -> bool) {
        let all = self.active.keys().copied();
        let over: Vec<RequestId> = all.filter(|id| is(&self.gateways, *id)).collect();
        over.into_iter().for_each(|id| self.forget(id));
    }

    fn on_data(&mut self, now: Time, from: Peer, data: Data, out: &mut Vec<Command>) {
        let plan = match self.plans.admit_at(self.device, from, &data) {
            Ok(plan) => plan.clone(),
            Err(refusal) => {
                self.beat.refused += 1;
                out.push(Command::Refuse(from, refusal));
                return;
            }
        };
        let id = data.request;
        if !self.serves(id.run) || self.gateways.is_finished(id) || data.deadline_left_us == 0 {
            return;
        }
        let mut place = None;
        match self.active.get(&id) {
            Some(active) if active.attempt.number > data.attempt => return,
            Some(active) if active.attempt.number < data.attempt => {
                place = Some(active.arrival);
                self.forget(id);
            }
            _ => {}
        }
        if !self.active.contains_key(&id) && !self.open(now, plan, &data, place) {
            return;
        }
        let Some(active) = self.active.get_mut(&id) else { return };
        if !active.attempt.includes(&data) {
            return;
        }
        let accepted = active.accept(now, &data, &mut self.rosters);
        if let Some(Accepted::Taken | Accepted::Aside) = accepted {
            self.payload_bytes += data.payload.bytes().len();
            self.progress(now, id);
            self.audit(id, false, out);
            self.settle(now, id);
        }
    }

    /// Has its gateway said that this request is finished?
    pub fn is_finished(&self, request: RequestId) -> bool {
        self.gateways.is_finished(request)
    }

    /// Begins to keep a request, which has its `place` in the queue already where
    /// it was tried before. False if it is none of this device's: no task here
    /// reads the frame's value.
    fn open(&mut self, now: Time, plan: Arc<Plan>, data: &Data, place: Option<u64>) -> bool {
        let Some(seat) = data.members.rank(self.device) else { return false };
        if !plan.reading_seats(data.value).contains(&SeatId(seat as u8)) {
            return false;
        }
        let left = Duration::from_micros(data.deadline_left_us.into());
        let deadline = now + left.min(self.config.deadline_max);
        let attempt = Attempt {
            request: data.request,
            number: data.attempt,
            plan,
            members: data.members,
            suspects: data.suspects,
            checks: data.checks,
            deadline,
        };
        self.arrivals += 1;
        let arrival = place.unwrap_or(self.arrivals);
        let active = Active::new(self.plans.values().clone(), attempt, seat, (now, arrival));
        self.active.insert(data.request, active);
        self.deadlines.insert((deadline, data.request));
        true
    }

    /// How long gathers under `plan` wait for the roster.
    fn wait(&mut self, plan: &Plan) -> Wait {
        let tolerance = self.plans.tolerance();
        match self.plans.wait() {
            WaitPolicy::Fixed(wait) => Wait::Fixed(wait),
            WaitPolicy::Auto => {
                let too_far = || plan.decodes_too_far_apart(tolerance);
                let waits = *self.waits_for.entry(plan.id()).or_insert_with(too_far);
                let learned = || Wait::Learned(self.rosters.percentile_90());
                if waits { learned() } else { Wait::Fixed(Duration::ZERO) }
            }
        }
    }

    /// Moves tasks whose inputs are all gathered into the ready queue.
    fn progress(&mut self, now: Time, id: RequestId) {
        let Some(plan) = self.active.get(&id).map(|a| a.attempt.plan.clone()) else { return };
        let wait = self.wait(&plan);
        let Some(active) = self.active.get_mut(&id) else { return };
        let progress = active.progress(now, wait, &mut self.rosters);
        self.beat.decoded += progress.decoded;
        self.payload_bytes += progress.merged_bytes;
        for (stage, shard) in progress.ready {
            self.ready.insert((active.arrival, id, stage, shard));
        }
        if let Some(at) = std::mem::replace(&mut active.wait_until, progress.wait_until) {
            self.waits.remove(&(at, id));
        }
        self.waits.extend(progress.wait_until.map(|at| (at, id)));
    }

    /// Has ready tasks run in free lanes, and audits whose turn it is.
    fn dispatch(&mut self, now: Time, out: &mut Vec<Command>) {
        while self.lanes.busy() + self.audits.running < self.config.lanes {
            let arrival = self.ready.first().map(|(arrival, ..)| *arrival);
            if let Some(audit) = self.audits.pop_before(arrival) {
                self.begin_audit(audit, out);
                continue;
            }
            let Some((_, id, stage, shard)) = self.ready.pop_first() else { return };
            let Some(active) = self.active.get_mut(&id) else { continue };
            if now >= active.attempt.deadline || active.is_superseded(stage) {
                active.set(stage, shard, TaskState::Over);
                self.beat.skipped += 1;
                self.settle(now, id);
                continue;
            }
            let Some(inputs) = active.inputs(stage, shard) else { continue };
            active.set(stage, shard, TaskState::Running);
            let task = TaskId { plan: active.attempt.plan.id(), stage, shard };
            let job = Job { request: id, attempt: active.attempt.number, task };
            let delivery = active.delivery(stage, shard, self.device, &inputs);
            self.lanes.begin(now, job);
            out.push(Command::Run { job, inputs, delivery });
        }
    }

    fn on_done(
        &mut self,
        now: Time,
        job: Job,
        result: Result<Vec<Outgoing>, TaskError>,
        out: &mut Vec<Command>,
    ) {
        self.lanes.end(now, job);
        self.beat.tasks += 1;
        let Some(active) = self.active.get_mut(&job.request) else { return };
        if !active.attempt.is(job.attempt, job.task.plan) {
            return;
        }
        active.set(job.task.stage, job.task.shard, TaskState::Over);
        match result {
            Ok(outgoing) => {
                outgoing.into_iter().for_each(|part| self.deliver(now, &job, part, out));
                self.progress(now, job.request);
            }
            Err(error) => {
                out.push(Command::Failed(job, error.clone()));
                self.tell(now, job, error, out);
            }
        }
        self.audit(job.request, false, out);
        self.settle(now, job.request);
    }

    /// Sends a part of a job's output to its readers; this device, if it is
    /// one of them, has it already.
    fn deliver(&mut self, now: Time, job: &Job, part: Outgoing, out: &mut Vec<Command>) {
        let Some(active) = self.active.get_mut(&job.request) else { return };
        let Outgoing { mut to, parcel } = part;
        let data = active.outgoing(now, job, parcel);
        let own = to.iter().position(|peer| *peer == Peer::Device(self.device));
        if own.map(|at| to.remove(at)).is_some()
            && let Some(Accepted::Taken | Accepted::Aside) =
                active.accept(now, &data, &mut self.rosters)
        {
            self.payload_bytes += data.payload.bytes().len();
        }
        if !to.is_empty() {
            out.push(Command::Send(to, Frame::Data(data)));
        }
    }

    fn on_tick(&mut self, now: Time, out: &mut Vec<Command>) {
        while let Some(&(at, id)) = self.waits.first()
            && at <= now
        {
            self.waits.pop_first();
            self.progress(now, id);
        }
        while let Some(&(at, id)) = self.deadlines.first()
            && at <= now
        {
            self.forget(id);
        }
        let ended = self.gateways.expire(now);
        self.forget_runs(&ended);
        self.end_audit_waits(now, out);
        if self.beat_at <= now {
            self.beat_at = now + self.config.heartbeat_every;
            out.push(Command::Beat(self.beat));
            if self.tell_at <= now {
                self.tell_at = now + SLOW;
                self.tell_progress(now, out);
            }
        }
    }

    /// Lets go of a request's payloads once all its tasks here are over, and its
    /// shards were held against each other.
    fn settle(&mut self, now: Time, id: RequestId) {
        let Some(active) = self.active.get_mut(&id).filter(|active| active.is_over()) else {
            return;
        };
        if active.is_audited() {
            self.payload_bytes -= active.release();
        } else {
            self.wait_for_audits(now, id);
        }
    }
}

#[cfg(test)]
mod tests;
