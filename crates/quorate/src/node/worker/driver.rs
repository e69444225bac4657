//! The loop of a worker: `select -> handle(now, event) -> execute commands`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context;
use quorate_code::ShardSet;
use quorate_core::admit::Peer;
use quorate_core::audit::{Audited, Finding};
use quorate_core::failure::TaskError;
use quorate_core::frame::Frame;
use quorate_core::id::DeviceId;
use quorate_core::plan::Plans;
use quorate_core::worker::{AuditId, Command, Event, Job, Outgoing, TaskId, Worker, WorkerConfig};
use quorate_model::tensor::Tensor;

use super::load_ahead::LoadAhead;
use crate::net::{Link, Links, NetEvent};
use crate::node::clock::Clock;
use crate::node::compute::{ComputeJob, ComputeLanes, ComputedReceiver};
use crate::node::refusals::Refusals;
use crate::node::tasks::stems;

/// What a lane does.
pub(super) enum Work {
    Task(Job),
    /// Which shards of which value.
    Audit(AuditId, ShardSet),
}

/// What comes of it.
pub(super) enum Made {
    Parts(Vec<Outgoing>),
    Audited(Audited),
}

/// A worker's state machine, and all that it acts on.
pub(super) struct Driver {
    clock: Clock,
    worker: Worker,
    plans: Arc<Plans>,
    stems: BTreeMap<TaskId, String>,
    lanes: ComputeLanes<Work, Made>,
    links: Links,
    ahead: LoadAhead,
    refusals: Refusals,
}

impl Driver {
    /// The worker of `device`, which speaks over `links`.
    pub(super) fn new(
        clock: Clock,
        (plans, device): (&Arc<Plans>, DeviceId),
        config: WorkerConfig,
        lanes: ComputeLanes<Work, Made>,
        links: Links,
        ahead: LoadAhead,
    ) -> Driver {
        Driver {
            clock,
            worker: Worker::new(plans.clone(), device, config),
            stems: stems(plans),
            plans: plans.clone(),
            lanes,
            links,
            ahead,
            refusals: Refusals::default(),
        }
    }

    /// Serves until the process ends.
    pub(super) async fn run(
        mut self,
        mut computed: ComputedReceiver<Work, Made>,
    ) -> anyhow::Result<()> {
        let (mut commands, mut batch) = (Vec::new(), Vec::new());
        self.tell_reached(&mut commands);
        loop {
            let wake = self.clock.instant(self.worker.wake_at()).into();
            tokio::select! {
                biased;
                job = computed.recv() => {
                    let (work, made) = job.context("all lanes have ended")?;
                    self.handle(done(work, made), None, &mut commands);
                }
                () = self.links.next(&mut batch) => {
                    for event in batch.drain(..) {
                        self.on_net(event, &mut commands);
                    }
                }
                () = tokio::time::sleep_until(wake) => {
                    let moved = Event::Moved(self.links.moved_bytes());
                    self.handle(moved, None, &mut commands);
                    self.handle(Event::Tick, None, &mut commands);
                }
            }
        }
    }

    /// Hands over an event, which came in `over` a connection if it did, and
    /// carries out what it leads to.
    fn handle(&mut self, event: Event, over: Option<&Link>, commands: &mut Vec<Command>) {
        self.worker.handle(self.clock.now(), event, commands);
        for command in commands.drain(..) {
            let dropped = self.execute(command, over);
            if dropped > 0 {
                let mut none = Vec::new();
                self.worker.handle(self.clock.now(), Event::Dropped(dropped), &mut none);
                debug_assert!(none.is_empty(), "a count asks for nothing");
            }
        }
    }

    /// Hands over whom this device can send to.
    fn tell_reached(&mut self, commands: &mut Vec<Command>) {
        let devices = self.links.reached();
        self.handle(Event::Reaches(devices), None, commands);
    }

    fn on_net(&mut self, event: NetEvent, commands: &mut Vec<Command>) {
        if let NetEvent::Up(link, _) | NetEvent::Down(link) = &event
            && let Peer::Device(_) = link.peer()
        {
            self.tell_reached(commands);
        }
        let (link, event) = match event {
            NetEvent::Up(link, _) => match link.peer() {
                Peer::Gateway(run) => {
                    tracing::info!("gateway {:x} connected", run.gateway);
                    (link, Event::Gateway(run))
                }
                Peer::Device(_) => return,
            },
            NetEvent::Frame(link, Frame::Data(data), _room) => {
                let from = link.peer();
                (link, Event::Data(from, data))
            }
            NetEvent::Frame(link, Frame::Watermark(mark), _room) => {
                let from = link.peer();
                (link, Event::Watermark(from, mark))
            }
            NetEvent::Frame(link, Frame::Failure(failure), _room) => {
                let from = link.peer();
                (link, Event::Failure(from, failure))
            }
            NetEvent::Down(link) => match link.peer() {
                // One that has another connection is not gone.
                Peer::Gateway(run) if !self.links.has_gateway(run) => {
                    tracing::info!("gateway {:x} is gone", run.gateway);
                    (link, Event::GatewayGone(run))
                }
                _ => return,
            },
            NetEvent::Frame(..) => return,
        };
        let is_mark = matches!(event, Event::Watermark(Peer::Gateway(_), _));
        self.handle(event, Some(&link), commands);
        if is_mark {
            self.links.forget(&|request| self.worker.is_finished(request));
        }
    }

    /// Carries a command out; says how many frames a full queue let go.
    fn execute(&mut self, command: Command, over: Option<&Link>) -> u64 {
        match command {
            Command::Run { job, inputs, delivery } => {
                let stem = self.stems[&job.task].clone();
                self.ahead.used(job.task.plan);
                let finish = Box::new(move |outputs: Vec<Tensor>| {
                    delivery.prepare(&outputs).map(Made::Parts)
                });
                let (job, task) = (Work::Task(job), Some((stem, inputs)));
                self.lanes.run(ComputeJob { job, task, finish });
            }
            Command::Audit(id, audit, usual) => {
                let job = Work::Audit(id, audit.have());
                let finish = Box::new(move |_| Ok(Made::Audited(audit.audited(usual))));
                self.lanes.run(ComputeJob { job, task: None, finish });
            }
            Command::Send(peers, frame) => return self.links.send(&peers, &frame),
            Command::Refuse(peer, refusal) => {
                self.refusals.tell(&self.plans.peer_name(peer), &refusal);
                // Only the connection it came over: who speaks there may not
                // be whom it says.
                if let Some(link) = over
                    && refusal.is_violation()
                {
                    link.close();
                }
            }
            Command::Failed(job, error) => tracing::error!("{}: {error}", self.stems[&job.task]),
            // A heartbeat that gives way to a later one is no loss.
            Command::Beat(beat) => {
                self.links.send(&self.links.gateways(), &Frame::Heartbeat(beat));
            }
        }
        0
    }
}

/// What the worker is told of what a lane did.
fn done(work: Work, made: Result<Made, TaskError>) -> Event {
    match (work, made) {
        (Work::Task(job), Ok(Made::Parts(parts))) => Event::Done(job, Ok(parts)),
        (Work::Audit(id, _), Ok(Made::Audited(audited))) => Event::Audited(id, audited),
        (Work::Task(job), made) => {
            let error = made.err().unwrap_or_else(|| TaskError::of_device("made no output"));
            Event::Done(job, Err(error))
        }
        // It has panicked: nothing can be said of the value.
        (Work::Audit(id, have), _) => {
            let (value, finding) = (id.value, Finding::Unchecked);
            Event::Audited(id, Audited { value, have, finding })
        }
    }
}
