//! A request under way at one device: what it gathers, and its tasks there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use quorate_model::region::Region;
use quorate_model::value::Value;

use super::delivery::Delivery;
use super::job::Job;
use super::rosters::{Rosters, Wait};
use crate::admit::Peer;
use crate::attempt::Attempt;
use crate::audit::{Audit, Audited, Finding};
use crate::frame::{Data, Standing};
use crate::gather::{Accepted, Decision, Gather, Gathered, task_inputs};
use crate::id::{DeviceId, RequestId, SeatId, StageId, ValueId};
use crate::parcel::Parcel;
use crate::time::Time;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskState {
    /// An input is missing.
    Waiting,
    /// In the ready queue.
    Ready,
    /// Handed to the engine.
    Running,
    /// Done, failed or skipped.
    Over,
}

/// One of this device's tasks for the request.
#[derive(Debug)]
struct Assignment {
    stage: StageId,
    shard: usize,
    state: TaskState,
    /// Was it told that this task is late?
    is_told_late: bool,
}

/// What has become possible for a request.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Tasks that have become ready.
    pub(super) ready: Vec<(StageId, usize)>,
    /// Values that were decided with a data shard missing.
    pub(super) decoded: u64,
    /// When a gather is to be decided without its roster.
    pub(super) wait_until: Option<Time>,
    /// Bytes of what was gathered, once it is merged.
    pub(super) merged_bytes: usize,
}

/// The current attempt at a request, at one device.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) attempt: Attempt,
    /// Order of arrival at this device.
    pub(super) arrival: u64,
    /// When a gather is to be decided without its roster.
    pub(super) wait_until: Option<Time>,
    values: Arc<Vec<Value>>,
    /// By value; only those that this device's tasks read.
    gathers: Vec<Option<Gather>>,
    tasks: Vec<Assignment>,
    /// When its first frame came.
    pub(super) since: Time,
    /// When the last gather was decided.
    decided_at: Time,
    /// Shards taken, and tasks begun and ended.
    moves: u32,
    payload_bytes: usize,
    released: bool,
    is_abandoned: bool,
    /// Values whose shards are held against each other, and what was found.
    audits: Vec<(ValueId, Option<Audited>)>,
    /// What was found and not told yet.
    untold: Vec<Audited>,
    is_reported: bool,
    /// When shards are not waited for any longer.
    pub(super) audit_until: Option<Time>,
}

impl Active {
    /// An attempt in which this device takes `seat`.
    pub(super) fn new(
        values: Arc<Vec<Value>>,
        attempt: Attempt,
        seat: usize,
        (now, arrival): (Time, u64),
    ) -> Active {
        let (plan, seat) = (&attempt.plan, SeatId(seat as u8));
        let tasks: Vec<Assignment> = plan
            .tasks(seat)
            .map(|(stage, shard)| Assignment {
                stage,
                shard,
                state: TaskState::Waiting,
                is_told_late: false,
            })
            .collect();
        let mut gathers: Vec<Option<Gather>> = values.iter().map(|_| None).collect();
        for task in &tasks {
            for &value in &plan.stages()[task.stage.index()].reads {
                let need = || plan.need(value, seat).cloned();
                gathers[value.index()]
                    .get_or_insert_with(|| attempt.gather(&values, value, need()));
            }
        }
        let audited = gathers.iter().enumerate().filter_map(|(value, gather)| {
            gather.as_ref().filter(|gather| gather.is_audited()).map(|_| ValueId(value as u16))
        });
        let audits = audited.map(|value| (value, None)).collect();
        Active {
            audits,
            untold: Vec::new(),
            is_reported: false,
            audit_until: None,
            attempt,
            arrival,
            wait_until: None,
            values,
            gathers,
            tasks,
            since: now,
            decided_at: now,
            moves: 0,
            payload_bytes: 0,
            released: false,
            is_abandoned: false,
        }
    }

    /// Takes in a shard. `None` if no task here reads its value.
    pub(super) fn accept(
        &mut self,
        now: Time,
        data: &Data,
        rosters: &mut Rosters,
    ) -> Option<Accepted> {
        let gather = self.gathers[data.value.index()].as_mut()?;
        let Attempt { plan, members, .. } = &self.attempt;
        if let Some(sharding) = plan.sharding(data.value) {
            rosters.hear(sharding.makers(*members, [data.shard.into()].into_iter().collect()));
        }
        let before = gather.roster_gap();
        let payload = if self.released { Bytes::new() } else { data.payload.bytes().clone() };
        let accepted = gather.accept(now, data.shard.into(), payload);
        gather.note_decoded(accepted, data.of_decoded);
        if let (None, Some(gap)) = (before, gather.roster_gap()) {
            rosters.add(gap);
        }
        if self.released {
            return Some(Accepted::Late);
        }
        if matches!(accepted, Accepted::Taken | Accepted::Aside) {
            self.moves += 1;
            self.payload_bytes += data.payload.bytes().len();
        }
        Some(accepted)
    }

    /// Does not wait for a shard of a stage's value any more.
    pub(super) fn give_up(&mut self, stage: StageId, shard: usize) {
        let value = self.attempt.plan.stages()[stage.index()].value;
        if let Some(gather) = &mut self.gathers[value.index()] {
            gather.give_up(shard);
        }
    }

    /// Who waits for shards of a stage's value, and the gateway, which has to
    /// know.
    pub(super) fn waiting(&self, stage: StageId) -> Vec<Peer> {
        let Attempt { plan, members, request, .. } = &self.attempt;
        let value = plan.stages()[stage.index()].value;
        let readers = plan.reading_devices(value, *members).into_iter().map(Peer::Device);
        readers.chain([Peer::Gateway(request.run)]).collect()
    }

    /// Notes that it is told that a task is late; false if it was before.
    pub(super) fn tell_late(&mut self, stage: StageId, shard: usize) -> bool {
        let task = self.task(stage, shard);
        task.is_some_and(|task| !std::mem::replace(&mut task.is_told_late, true))
    }

    fn task(&mut self, stage: StageId, shard: usize) -> Option<&mut Assignment> {
        self.tasks.iter_mut().find(|task| task.stage == stage && task.shard == shard)
    }

    /// Decides gathers where that is possible, and finds the tasks that can run.
    pub(super) fn progress(&mut self, now: Time, wait: Wait, rosters: &mut Rosters) -> Progress {
        let mut progress = Progress::default();
        if self.released {
            return progress;
        }
        for at in 0..self.tasks.len() {
            let Assignment { stage, shard, state, .. } = self.tasks[at];
            if state != TaskState::Waiting {
                continue;
            }
            let reads = self.attempt.plan.stages()[stage.index()].reads.clone();
            let mut decided = 0;
            for value in &reads {
                decided += usize::from(self.decide(*value, (now, wait), rosters, &mut progress));
            }
            if decided == reads.len() {
                self.tasks[at].state = TaskState::Ready;
                progress.ready.push((stage, shard));
            }
        }
        progress
    }

    /// Decides the gather of `value` if that is possible; is it decided?
    fn decide(
        &mut self,
        value: ValueId,
        (now, wait): (Time, Wait),
        rosters: &mut Rosters,
        into: &mut Progress,
    ) -> bool {
        let Some(gather) = &mut self.gathers[value.index()] else { return false };
        if gather.gathered().is_some() {
            return true;
        }
        let Attempt { plan, members, .. } = &self.attempt;
        let Some(sharding) = plan.sharding(value) else { return false };
        let missed = sharding.shards_of(*members, rosters.missed());
        let took = gather.quorate_at().map_or(Duration::ZERO, |at| at.since(self.decided_at));
        let wait = wait.after(took);
        match gather.decide_without(now, wait, missed) {
            Decision::Short => false,
            Decision::WaitUntil(at) => {
                into.wait_until = Some(into.wait_until.map_or(at, |other| other.min(at)));
                false
            }
            Decision::Gathered(gathered) => {
                if !wait.is_zero() && sharding.is_coded() {
                    rosters.miss(sharding.makers(*members, gather.missing()));
                }
                self.decided_at = now;
                into.decoded += u64::from(gathered.is_decoded());
                into.merged_bytes += gathered.merged_bytes();
                self.payload_bytes += gathered.merged_bytes();
                true
            }
        }
    }

    /// The gathered values that a task reads, in order.
    pub(super) fn inputs(&self, stage: StageId, shard: usize) -> Option<Vec<Arc<Gathered>>> {
        task_inputs(&self.attempt.plan, stage, shard, |value| {
            self.gathers[value.index()].as_ref()?.gathered().cloned()
        })
    }

    /// What is to be made of the output of a task of this device, which is
    /// `maker` and reads `inputs`: for each reader of the value, itself included, what it needs.
    pub(super) fn delivery(
        &self,
        stage: StageId,
        shard: usize,
        maker: DeviceId,
        inputs: &[Arc<Gathered>],
    ) -> Delivery {
        let Attempt { plan, members, request, checks, .. } = &self.attempt;
        let value = plan.stages()[stage.index()].value;
        // Audits see for themselves.
        let audited = checks.audit && plan.stage_sharding(stage).has_spares();
        let finite = !audited && !checks.lenient;
        let recipients = plan.recipients(&self.values, value, shard, *members).into_iter();
        let peers = |devices: Vec<DeviceId>| devices.into_iter().map(Peer::Device).collect();
        let mut groups: Vec<(Option<Vec<Region>>, Vec<Peer>)> =
            recipients.map(|(part, devices)| (part, peers(devices))).collect();
        if plan.result().contains(&value) {
            let gateway = Peer::Gateway(request.run);
            match groups.iter_mut().find(|(part, _)| part.is_none()) {
                Some((_, peers)) => peers.push(gateway),
                None => groups.push((None, vec![gateway])),
            }
        }
        let (plan, values) = (plan.clone(), self.values.clone());
        let of_decoded = inputs.iter().any(|gathered| gathered.varies());
        Delivery { plan, values, stage, shard, maker, of_decoded, finite, groups }
    }

    /// The frame that brings a parcel of a job's output.
    pub(super) fn outgoing(&self, now: Time, job: &Job, parcel: Parcel) -> Data {
        let value = self.attempt.plan.stages()[job.task.stage.index()].value;
        self.attempt.data(now, &self.values, (value, job.task.shard), parcel)
    }

    /// Is a shard of this stage of no use any more, as far as is known here? So
    /// it is when of every stage that reads it enough shards are here, or that
    /// stage is superseded itself.
    pub(super) fn is_superseded(&self, stage: StageId) -> bool {
        self.superseded()[stage.index()]
    }

    /// Which stages are superseded, found from the last one back.
    fn superseded(&self) -> Vec<bool> {
        let mut over = vec![false; self.attempt.plan.stages().len()];
        if self.attempt.checks.audit {
            // Every shard is wanted, to be held against the others.
            return over;
        }
        for (index, stage) in self.attempt.plan.stages().iter().enumerate().rev() {
            let value = stage.value;
            let readers = &self.attempt.plan.readers(value);
            over[index] = !self.attempt.plan.result().contains(&value)
                && readers.iter().all(|reader| {
                    let made = self.attempt.plan.stages()[reader.index()].value;
                    let gather = self.gathers[made.index()].as_ref();
                    gather.is_some_and(Gather::is_whole) || over[reader.index()]
                });
        }
        over
    }

    pub(super) fn set(&mut self, stage: StageId, shard: usize, state: TaskState) {
        if let Some(task) = self.task(stage, shard) {
            task.state = state;
            self.moves += 1;
        }
    }

    /// How far it is; `is_stuck` where no lane here moves.
    pub(super) fn standing(&self, is_stuck: bool) -> Standing {
        let RequestId { number, .. } = self.attempt.request;
        let computes =
            |task: &Assignment| matches!(task.state, TaskState::Running | TaskState::Ready);
        let is_busy = !is_stuck && self.tasks.iter().any(computes);
        Standing { number, attempt: self.attempt.number, moves: self.moves, is_busy }
    }

    /// Is there nothing left to do, but for tasks that are superseded?
    pub(super) fn is_over(&self) -> bool {
        let superseded = self.superseded();
        self.tasks.iter().all(|task| match task.state {
            TaskState::Over => true,
            TaskState::Running | TaskState::Ready => false,
            TaskState::Waiting => superseded[task.stage.index()],
        })
    }

    /// Tasks that are ready and not yet running.
    pub(super) fn waiting_in_queue(&self) -> impl Iterator<Item = (StageId, usize)> + '_ {
        let ready = self.tasks.iter().filter(|task| task.state == TaskState::Ready);
        ready.map(|task| (task.stage, task.shard))
    }

    /// The audits that can be done now; with `force` all, with what has come.
    pub(super) fn audits_due(&mut self, force: bool) -> Vec<Audit> {
        let gathers = self.gathers.iter_mut().flatten();
        let due = gathers.filter(|gather| force || gather.is_audit_due());
        due.filter_map(Gather::audit).collect()
    }

    /// Takes note of what an audit found.
    pub(super) fn audited(&mut self, audited: Audited) {
        if let Some((_, found)) = self.audits.iter_mut().find(|(v, _)| *v == audited.value) {
            *found = Some(audited);
            self.untold.push(audited);
        }
    }

    /// Is nothing kept any more to be held against other shards?
    pub(super) fn is_audited(&self) -> bool {
        self.gathers.iter().flatten().all(|gather| !gather.is_audited())
    }

    /// What its gateway is to be told now: whether that is all, and what was
    /// found.
    pub(super) fn take_report(&mut self) -> (bool, Vec<Audited>) {
        let is_complete = self.audits.iter().all(|(_, found)| found.is_some());
        let is_wrong = |audited: &Audited| matches!(audited.finding, Finding::Corrupt(_));
        if self.is_reported || !(is_complete || self.untold.iter().any(is_wrong)) {
            return (false, Vec::new());
        }
        self.is_reported = is_complete;
        (is_complete && !self.audits.is_empty(), std::mem::take(&mut self.untold))
    }

    /// Bytes of what was gathered, and of what it is merged into.
    pub(super) fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    /// Lets go of all payloads, and has nothing left to do but what runs; returns
    /// how many bytes they were.
    pub(super) fn abandon(&mut self) -> usize {
        let waiting = |task: &&mut Assignment| task.state != TaskState::Running;
        self.tasks.iter_mut().filter(waiting).for_each(|task| task.state = TaskState::Over);
        self.is_abandoned = true;
        self.release()
    }

    /// Is nothing done for it any more, though it may have no end yet?
    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    /// Is a task of it in a lane?
    pub(super) fn runs(&self) -> bool {
        self.tasks.iter().any(|task| task.state == TaskState::Running)
    }

    /// Lets go of all payloads; returns how many bytes they were.
    pub(super) fn release(&mut self) -> usize {
        self.released = true;
        self.gathers.iter_mut().flatten().for_each(Gather::release);
        std::mem::take(&mut self.payload_bytes)
    }
}
