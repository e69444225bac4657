//! Drives a gateway: `select -> handle(now, event) -> execute commands`, and
//! the handle by which the rest of the program asks it for answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use quorate_core::admit::Peer;
use quorate_core::frame::{Frame, HEAD_BYTES_MAX, Heartbeat, Hello, Role};
use quorate_core::gateway::{
    Command, Event, Gateway, GatewayConfig, Job, Notice, Provenance, RequestError,
};
use quorate_core::id::{DeviceId, DeviceSet, GatewayRun};
use quorate_core::plan::{OUTPUT_TASK, Plans};
use quorate_engine::Engine;
use quorate_model::tensor::Tensor;
use tokio::sync::{mpsc, oneshot};

use super::clock::Clock;
use super::lanes::{Done, LaneJob, Lanes, TaskStore};
use super::refusals::Refusals;
use crate::bundle::Folder;
use crate::net::dial::Target;
use crate::net::outbox::Outbox;
use crate::net::{EVENTS_MAX, Link, Local, NetEvent, dial};

/// Events taken in one go before the clock is read again.
const BATCH: usize = 64;

/// A request's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The model's outputs, in its order.
    pub outputs: Vec<Tensor>,
    /// How it came about.
    pub provenance: Provenance,
    /// When it was ready.
    pub at: Instant,
}

/// What becomes of a request.
pub type Outcomes = Result<Answer, RequestError>;

/// How the cluster looks from here.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Devices with a connection.
    pub connected: DeviceSet,
    /// Devices believed alive.
    pub alive: DeviceSet,
    /// Last heartbeat of each device.
    pub beats: Vec<Heartbeat>,
    /// Could a request be answered?
    pub quorate: bool,
    /// Devices whose bundle lacks a plan of this one.
    pub mismatched: DeviceSet,
    /// Place in the file of the plan for new requests.
    pub plan: usize,
    /// Requests that went out again so far.
    pub resubmitted: u64,
}

enum Ask {
    Submit { inputs: Vec<Tensor>, deadline: Duration, reply: oneshot::Sender<Outcomes> },
    SuspectAfter(Duration),
}

/// The handle of a running gateway. The gateway ends when it is dropped.
pub struct Handle {
    plans: Arc<Plans>,
    asks: mpsc::UnboundedSender<Ask>,
    status: Arc<Mutex<Status>>,
    changed: Arc<tokio::sync::Notify>,
}

impl Handle {
    /// Starts a gateway over the devices of a bundle's `gateway` folder.
    pub fn start(
        folder: &Folder,
        engine: Arc<dyn Engine>,
        config: GatewayConfig,
    ) -> anyhow::Result<Handle> {
        let plans = folder.plans.clone();
        let store = Arc::new(TaskStore::new(engine, &folder.path));
        store.load(OUTPUT_TASK)?;
        let (lanes, outcomes) = Lanes::start(&store, 1)?;
        let (events, net) = mpsc::channel(EVENTS_MAX);
        let run = new_run();
        let outboxes = dial_all(&plans, run, &events);
        let (asks, asked) = mpsc::unbounded_channel();
        let beats = vec![Heartbeat::default(); plans.cluster.devices().len()];
        let status = Arc::new(Mutex::new(Status { beats, ..Status::default() }));
        let changed = Arc::new(tokio::sync::Notify::new());
        let driver = Driver {
            clock: Clock::start(),
            gateway: Gateway::new(plans.clone(), run, config),
            plans: plans.clone(),
            lanes,
            outboxes,
            links: BTreeMap::new(),
            replies: BTreeMap::new(),
            next_token: 0,
            status: status.clone(),
            changed: changed.clone(),
            refusals: Refusals::default(),
            _events: events,
        };
        tokio::spawn(driver.run(asked, net, outcomes));
        Ok(Handle { plans, asks, status, changed })
    }

    /// The plans in use.
    pub fn plans(&self) -> &Arc<Plans> {
        &self.plans
    }

    /// Asks for the answer to `inputs`; it arrives on the receiver.
    pub fn submit(&self, inputs: Vec<Tensor>, deadline: Duration) -> oneshot::Receiver<Outcomes> {
        let (reply, answer) = oneshot::channel();
        // If the gateway has ended, the receiver says so.
        let _ = self.asks.send(Ask::Submit { inputs, deadline, reply });
        answer
    }

    /// Suspects devices after this much silence from now on.
    pub fn suspect_after(&self, silence: Duration) {
        let _ = self.asks.send(Ask::SuspectAfter(silence));
    }

    /// How the cluster looks now.
    pub fn status(&self) -> Status {
        self.status.lock().expect("no panic while held").clone()
    }

    /// Waits until the status satisfies `is`, at most for `limit`; false if
    /// it did not.
    pub async fn wait_until(&self, limit: Duration, is: impl Fn(&Status) -> bool) -> bool {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if is(&self.status()) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
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

struct Driver {
    clock: Clock,
    gateway: Gateway,
    plans: Arc<Plans>,
    lanes: Lanes<Job, Vec<Tensor>>,
    outboxes: BTreeMap<DeviceId, Arc<Outbox>>,
    links: BTreeMap<DeviceId, Link>,
    replies: BTreeMap<u64, oneshot::Sender<Outcomes>>,
    next_token: u64,
    status: Arc<Mutex<Status>>,
    changed: Arc<tokio::sync::Notify>,
    refusals: Refusals,
    /// Keeps the channel open while every device is away.
    _events: mpsc::Sender<NetEvent>,
}

impl Driver {
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
            Ask::Submit { inputs, deadline, reply } => {
                let token = self.next_token;
                self.next_token += 1;
                self.replies.insert(token, reply);
                self.handle(Event::Submit { token, inputs, deadline });
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
                self.update(|status| {
                    status.connected.insert(device);
                    // Whether its bundle fits is found out anew.
                    status.mismatched.remove(device);
                });
                self.handle(Event::Up(device, hello.plans));
            }
            NetEvent::Down(peer, _) => {
                let device = device(peer);
                self.links.remove(&device);
                self.update(|status| status.connected.remove(device));
                self.handle(Event::Down(device));
            }
            NetEvent::Frame(peer, _, Frame::Data(data)) => {
                self.handle(Event::Data(device(peer), data));
            }
            NetEvent::Frame(peer, _, Frame::Heartbeat(beat)) => {
                let device = device(peer);
                self.handle(Event::Beat(device, beat));
                let mut status = self.status.lock().expect("no panic while held");
                status.beats[device.index()] = self.gateway.beat(device);
            }
            NetEvent::Frame(..) => {}
        }
    }

    fn handle(&mut self, event: Event) {
        let mut commands = Vec::new();
        self.gateway.handle(self.clock.now(), event, &mut commands);
        commands.into_iter().for_each(|command| self.execute(command));
        let (alive, quorate) = (self.gateway.alive_devices(), self.gateway.is_quorate());
        let mut status = self.status.lock().expect("no panic while held");
        let same = status.alive == alive && status.quorate == quorate;
        (status.alive, status.quorate) = (alive, quorate);
        drop(status);
        if !same {
            self.changed.notify_waiters();
        }
    }

    fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.status.lock().expect("no panic while held"));
        self.changed.notify_waiters();
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
            Command::Fail(token, error) => self.reply(token, Err(error)),
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

    fn reply(&mut self, token: u64, outcome: Outcomes) {
        if let Some(reply) = self.replies.remove(&token) {
            // Whoever asked may have gone; then nobody wants the answer.
            let _ = reply.send(outcome);
        }
    }

    fn on_notice(&mut self, notice: Notice) {
        let name = |device| self.plans.device_name(device).to_owned();
        match notice {
            Notice::Suspect(device) => tracing::info!("{} is not heard from", name(device)),
            Notice::Healthy(device) => tracing::info!("{} is heard from", name(device)),
            Notice::Mismatch(device, plan) => {
                tracing::error!(
                    "{} holds another bundle: it lacks plan {plan}; copy this one to it",
                    name(device)
                );
                self.update(|status| status.mismatched.insert(device));
            }
            Notice::Plan(plan) => {
                tracing::info!("requests go by plan {}", self.plans.plans[plan].name);
                self.update(|status| status.plan = plan);
            }
            Notice::Resubmitted(requests) => {
                tracing::info!("{requests} requests go out again");
                self.update(|status| status.resubmitted += requests);
            }
        }
    }
}

/// Waits until enough devices are there, and a little longer for the others.
pub async fn assemble(handle: &Handle, patience: Duration) -> anyhow::Result<()> {
    const LITTLE_LONGER: Duration = Duration::from_millis(300);
    let plans = handle.plans();
    let everybody = plans.everybody();
    if !handle.wait_until(patience, |status| status.quorate).await {
        let status = handle.status();
        let names = plans.device_names(everybody.without(status.alive));
        let other = (!status.mismatched.is_empty())
            .then(|| format!("; {} hold another bundle", plans.device_names(status.mismatched)));
        return Err(anyhow::anyhow!("no answer from {names}{}", other.unwrap_or_default()))
            .context(format!("too few devices after {} ms", patience.as_millis()));
    }
    let extra = LITTLE_LONGER.min(patience);
    if !handle.wait_until(extra, |status| status.alive == everybody).await {
        let away = everybody.without(handle.status().alive);
        tracing::warn!("going on without {}", plans.device_names(away));
    }
    Ok(())
}
