//! The loop of a gateway: `select -> handle(now, event) -> execute commands`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_core::admit::Peer;
use quorate_core::frame::{Frame, HEAD_BYTES_MAX, Heartbeat, Hello, Role};
use quorate_core::gateway::{Command, Event, Gateway, GatewayConfig, Job, Notice};
use quorate_core::id::{DeviceId, GatewayRun};
use quorate_core::packing::OUTPUT_TASK;
use quorate_core::plan::Plans;
use quorate_model::tensor::Tensor;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc, oneshot, watch};

use super::answer::{Answer, AskError};
use super::status::Status;
use crate::net::dial::Target;
use crate::net::outbox::Outbox;
use crate::net::{EVENTS_MAX, Link, Local, NetEvent, dial};
use crate::node::clock::Clock;
use crate::node::lanes::{Done, LaneJob, Lanes, TaskStore};
use crate::node::refusals::Refusals;

/// Events taken in one go before the clock is read again.
const BATCH: usize = 64;
/// Notices kept for one who looks on and is slow to read.
const NOTICES_MAX: usize = 256;

/// What a handle, or a ticket, asks of the driver.
#[derive(Debug)]
pub(super) enum Ask {
    Submit {
        token: u64,
        inputs: Vec<Tensor>,
        deadline: Duration,
        reply: Reply,
        place: OwnedSemaphorePermit,
    },
    Cancel {
        token: u64,
    },
    SuspectAfter(Duration),
}

type Reply = oneshot::Sender<Result<Answer, AskError>>;

/// A gateway's state machine, and all that it acts on.
pub(super) struct Driver {
    clock: Clock,
    gateway: Gateway,
    plans: Arc<Plans>,
    lanes: Lanes<Job, Vec<Tensor>>,
    outboxes: BTreeMap<DeviceId, Arc<Outbox>>,
    links: BTreeMap<DeviceId, Link>,
    /// By token: where the answer goes, and the place that the request takes.
    replies: BTreeMap<u64, (Reply, OwnedSemaphorePermit)>,
    status: watch::Sender<Status>,
    notices: broadcast::Sender<Notice>,
    refusals: Refusals,
    /// Keeps the channel open while every device is away.
    _events: mpsc::Sender<NetEvent>,
}

impl Driver {
    /// Starts to serve what is `asked`, until nobody can ask any more.
    pub(super) fn start(
        plans: &Arc<Plans>,
        store: &Arc<TaskStore>,
        config: GatewayConfig,
        asked: mpsc::UnboundedReceiver<Ask>,
    ) -> anyhow::Result<(watch::Receiver<Status>, broadcast::Sender<Notice>)> {
        let (lanes, outcomes) = Lanes::start(store, 1)?;
        let (events, net) = mpsc::channel(EVENTS_MAX);
        let run = new_run();
        let beats = vec![Heartbeat::default(); plans.devices.len()];
        let (status, shown) = watch::channel(Status { beats, ..Status::default() });
        let (notices, _) = broadcast::channel(NOTICES_MAX);
        let driver = Driver {
            clock: Clock::start(),
            gateway: Gateway::new(plans.clone(), run, config),
            plans: plans.clone(),
            lanes,
            outboxes: dial_all(plans, run, &events),
            links: BTreeMap::new(),
            replies: BTreeMap::new(),
            status,
            notices: notices.clone(),
            refusals: Refusals::default(),
            _events: events,
        };
        tokio::spawn(driver.run(asked, net, outcomes));
        Ok((shown, notices))
    }

    async fn run(
        mut self,
        mut asked: mpsc::UnboundedReceiver<Ask>,
        mut net: mpsc::Receiver<NetEvent>,
        mut outcomes: Done<Job, Vec<Tensor>>,
    ) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let hour = Duration::from_secs(3600);
            let wake = match self.gateway.wake_at() {
                Some(time) => self.clock.instant(time),
                None => Instant::now() + hour,
            };
            tokio::select! {
                biased;
                outcome = outcomes.recv() => {
                    let Some((job, result)) = outcome else { return };
                    self.handle(Event::Done(job, result));
                }
                ask = asked.recv() => match ask {
                    None => return,
                    Some(ask) => self.on_ask(ask),
                },
                () = tokio::time::sleep_until(wake.into()) => self.handle(Event::Tick),
                _ = net.recv_many(&mut batch, BATCH) => {
                    for event in batch.drain(..) {
                        self.on_net(event);
                    }
                }
            }
        }
    }

    fn on_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Submit { token, inputs, deadline, reply, place } => {
                self.replies.insert(token, (reply, place));
                self.handle(Event::Submit { token, inputs, deadline });
            }
            Ask::Cancel { token } => {
                self.replies.remove(&token);
                self.handle(Event::Cancel(token));
            }
            Ask::SuspectAfter(silence) => self.handle(Event::SuspectAfter(silence)),
        }
    }

    fn on_net(&mut self, event: NetEvent) {
        let device = |peer| match peer {
            Peer::Device(device) => device,
            Peer::Gateway(_) => unreachable!("a gateway dials devices only"),
        };
        match event {
            NetEvent::Up(peer, hello, link) => {
                let device = device(peer);
                self.links.insert(device, link);
                self.status.send_modify(|status| status.connected.insert(device));
                self.handle(Event::Up(device, hello.plans));
            }
            NetEvent::Down(peer, _) => {
                let device = device(peer);
                self.links.remove(&device);
                self.status.send_modify(|status| status.connected.remove(device));
                self.handle(Event::Down(device));
            }
            NetEvent::Frame(peer, _, Frame::Data(data)) => {
                self.handle(Event::Data(device(peer), data));
            }
            NetEvent::Frame(peer, _, Frame::Heartbeat(beat)) => {
                let device = device(peer);
                self.handle(Event::Beat(device, beat));
                let beat = self.gateway.beat(device);
                self.status.send_modify(|status| status.beats[device.index()] = beat);
            }
            NetEvent::Frame(..) => {}
        }
    }

    fn handle(&mut self, event: Event) {
        let mut commands = Vec::new();
        self.gateway.handle(self.clock.now(), event, &mut commands);
        commands.into_iter().for_each(|command| self.execute(command));
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Send(devices, frame) => {
                let frame = frame.encode();
                for device in devices {
                    self.outboxes[&device].push(frame.clone());
                }
            }
            Command::Run(job, inputs) => {
                let (stem, finish) = (OUTPUT_TASK.to_owned(), Box::new(Ok));
                self.lanes.run(LaneJob { job, stem, inputs, finish });
            }
            Command::Answer(token, outputs, provenance) => {
                self.reply(token, Ok(Answer { outputs, provenance, at: Instant::now() }));
            }
            Command::Fail(token, error) => self.reply(token, Err(error.into())),
            Command::Refuse(device, refusal) => {
                self.refusals.tell(self.plans.device_name(device), &refusal);
                if let Some(link) = self.links.get(&device)
                    && refusal.is_violation()
                {
                    link.close();
                }
            }
            Command::Notice(notice) => self.on_notice(notice),
        }
    }

    fn reply(&mut self, token: u64, answer: Result<Answer, AskError>) {
        if let Some((reply, place)) = self.replies.remove(&token) {
            // Free before the answer is out: who has it may ask again at once.
            drop(place);
            // Whoever asked may have gone; then nobody wants the answer.
            let _ = reply.send(answer);
        }
    }

    fn on_notice(&mut self, notice: Notice) {
        tell(&self.plans, &notice);
        let alive = self.gateway.alive_devices();
        self.status.send_modify(|status| status.note(&notice, alive));
        // It is the same to the gateway whether anybody looks on.
        let _ = self.notices.send(notice);
    }
}

/// Logs a notice.
fn tell(plans: &Plans, notice: &Notice) {
    let name = |device: &DeviceId| plans.device_name(*device);
    match notice {
        Notice::Suspect(device) => tracing::info!("{} is not heard from", name(device)),
        Notice::Healthy(device) => tracing::info!("{} is heard from", name(device)),
        Notice::Mismatch(device, plan) => tracing::error!(
            "{} holds another bundle: it lacks plan {plan}; copy this one to it",
            name(device)
        ),
        Notice::Match(device) => tracing::info!("{} holds this bundle now", name(device)),
        Notice::Plan(plan) => tracing::info!("requests go by plan {}", plans.plans[*plan].name),
        Notice::Resubmitted(requests) => tracing::info!("{requests} requests go out again"),
        Notice::Quorate(true) => tracing::info!("enough devices are there"),
        Notice::Quorate(false) => tracing::info!("too few devices are there"),
    }
}

/// A run of a gateway that nobody has seen before.
fn new_run() -> GatewayRun {
    use std::hash::{BuildHasher, Hasher};
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let random = std::hash::RandomState::new().build_hasher().finish();
    GatewayRun { gateway: random, epoch: since.as_micros() as u64 }
}

fn dial_all(
    plans: &Arc<Plans>,
    run: GatewayRun,
    events: &mpsc::Sender<NetEvent>,
) -> BTreeMap<DeviceId, Arc<Outbox>> {
    let local = Local {
        hello: Hello {
            role: Role::Gateway(run),
            name: String::new(),
            plans: plans.plans.iter().map(|plan| plan.id).collect(),
        },
        frame_bytes_max: HEAD_BYTES_MAX + plans.largest_payload_bytes(),
    };
    let dial = |device| {
        let target = Target::of(plans, device);
        tokio::spawn(dial::keep(local.clone(), target.clone(), events.clone()));
        (device, target.outbox)
    };
    plans.everybody().iter().map(dial).collect()
}
