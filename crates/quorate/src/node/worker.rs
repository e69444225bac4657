//! Drives a worker: `select -> handle(now, event) -> execute commands`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, ensure};
use quorate_core::admit::Peer;
use quorate_core::frame::{Frame, HEAD_BYTES_MAX, Hello, Role};
use quorate_core::id::{DeviceId, SeatId};
use quorate_core::plan::Plans;
use quorate_core::worker::{Command, Event, Job, Outgoing, TaskId, Worker, WorkerConfig};
use quorate_engine::Engine;
use quorate_model::tensor::Tensor;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::lanes::{Done, LaneJob, Lanes, TaskStore, stems};
use super::refusals::Refusals;
use crate::bundle::Folder;
use crate::net::dial::Target;
use crate::net::{EVENTS_MAX, Link, Local, NetEvent, dial, listen};

/// Events taken in one go before the clock is read again.
const BATCH: usize = 64;

/// How a worker runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The device's name in the plan.
    pub name: String,
    /// Where to listen; the plan's address if `None`.
    pub listen: Option<String>,
    /// Tasks computed at the same time.
    pub lanes: usize,
}

/// A worker that listens, before it serves.
pub struct Listening {
    folder: Folder,
    device: DeviceId,
    options: Options,
    listener: TcpListener,
    store: Arc<TaskStore>,
}

impl Listening {
    /// Loads the main plan's tasks and opens the port.
    pub async fn open(
        folder: Folder,
        options: Options,
        engine: Arc<dyn Engine>,
    ) -> anyhow::Result<Listening> {
        let plans = &folder.plans;
        let device = plans.device(&options.name).with_context(|| {
            format!(
                "no device {} in the plan, which has {}",
                options.name,
                plans.devices.join(", ")
            )
        })?;
        ensure!(
            folder.name == options.name,
            "{} was packed for {}, not for {}",
            folder.path.display(),
            folder.name,
            options.name
        );
        let store = Arc::new(TaskStore::new(engine, &folder.path));
        let (ahead, loading) = (plans.clone(), store.clone());
        // Off the thread that listens for an interrupt.
        tokio::task::spawn_blocking(move || load_ahead(&ahead, device, &loading)).await??;
        let address = match &options.listen {
            Some(address) => address.clone(),
            None => plans.hosts[&options.name].clone(),
        };
        let listener = TcpListener::bind(&address)
            .await
            .with_context(|| format!("listening on {address} for {}", options.name))?;
        Ok(Listening { folder, device, options, listener, store })
    }

    /// The port's address.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process ends.
    pub async fn serve(self) -> anyhow::Result<()> {
        let Listening { folder, device, options, listener, store } = self;
        let plans = folder.plans.clone();
        let (lanes, outcomes) = Lanes::start(&store, options.lanes)?;
        let (events, net) = mpsc::channel(EVENTS_MAX);
        let local = Local {
            hello: Hello {
                role: Role::Worker,
                name: options.name.clone(),
                plans: plans.plans.iter().map(|plan| plan.id).collect(),
            },
            frame_bytes_max: HEAD_BYTES_MAX + plans.largest_payload_bytes(),
        };
        let devices = dial_others(&plans, device, &local, &events);
        tokio::spawn(listen::serve(listener, local, plans.clone(), events));
        let config = WorkerConfig { lanes: options.lanes, ..WorkerConfig::default() };
        let driver = Driver {
            clock: Clock::start(),
            worker: Worker::new(plans.clone(), device, config),
            stems: stems(&plans),
            plans,
            lanes,
            devices,
            gateways: BTreeMap::new(),
            links: BTreeMap::new(),
            speaking: None,
            refusals: Refusals::default(),
        };
        driver.run(net, outcomes).await
    }
}

/// Loads the main plan's tasks, and behind the work's back those of the plan
/// for one device fewer. Plans for still fewer are loaded when they are first
/// asked for: a device has no room to spare for what hardly ever happens.
fn load_ahead(plans: &Arc<Plans>, device: DeviceId, store: &Arc<TaskStore>) -> anyhow::Result<()> {
    let of_plan = |index: usize| {
        let plan = &plans.plans[index];
        let seats = plans.possible_seats(plan, device);
        let tasks = seats.flat_map(|seat| plan.tasks(SeatId(seat as u8)));
        tasks
            .map(|(stage, shard)| quorate_core::packing::task_stem(plan, stage, shard))
            .collect::<Vec<_>>()
    };
    for stem in of_plan(0) {
        store.load(&stem)?;
    }
    let later: Vec<String> = (1..plans.plans.len().min(2)).flat_map(of_plan).collect();
    let store = store.clone();
    std::thread::Builder::new().name("load-ahead".to_owned()).spawn(move || {
        yield_to_others();
        for stem in later {
            if let Err(error) = store.load(&stem) {
                tracing::warn!("{error:#}");
            }
        }
    })?;
    Ok(())
}

/// Lets every other thread of the machine go first; for work that nobody
/// waits for.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        // On Linux a priority belongs to the thread that asks.
        let thread = rustix::thread::gettid();
        if let Err(error) = rustix::process::setpriority_process(Some(thread), 19) {
            tracing::debug!("lowering a thread's priority: {error}");
        }
    }
}

fn dial_others(
    plans: &Plans,
    device: DeviceId,
    local: &Local,
    events: &mpsc::Sender<NetEvent>,
) -> BTreeMap<DeviceId, Target> {
    let others = plans.everybody().iter().filter(|d| *d != device);
    let dial = |other| {
        let target = Target::of(plans, other);
        tokio::spawn(dial::keep(local.clone(), target.clone(), events.clone()));
        (other, target)
    };
    others.map(dial).collect()
}

struct Driver {
    clock: Clock,
    worker: Worker,
    plans: Arc<Plans>,
    stems: BTreeMap<TaskId, String>,
    lanes: Lanes<Job, Vec<Outgoing>>,
    /// Frames to other workers, over the connections dialled here.
    devices: BTreeMap<DeviceId, Target>,
    /// Gateways, by the connections they opened.
    gateways: BTreeMap<Peer, Link>,
    /// Every connection, to close those that break the rules.
    links: BTreeMap<u64, Link>,
    /// The connection that the event in hand came over.
    speaking: Option<u64>,
    refusals: Refusals,
}

impl Driver {
    async fn run(
        mut self,
        mut net: mpsc::Receiver<NetEvent>,
        mut outcomes: Done<Job, Vec<Outgoing>>,
    ) -> anyhow::Result<()> {
        let mut commands = Vec::new();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let wake = self.clock.instant(self.worker.wake_at()).into();
            tokio::select! {
                biased;
                outcome = outcomes.recv() => {
                    let (job, result) = outcome.context("all lanes have ended")?;
                    self.handle(Event::Done(job, result), &mut commands);
                }
                () = tokio::time::sleep_until(wake) => self.handle(Event::Tick, &mut commands),
                taken = net.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return Ok(());
                    }
                    for event in batch.drain(..) {
                        self.on_net(event, &mut commands);
                    }
                }
            }
        }
    }

    fn handle(&mut self, event: Event, commands: &mut Vec<Command>) {
        self.worker.handle(self.clock.now(), event, commands);
        for command in commands.drain(..) {
            if let Some(dropped) = self.execute(command) {
                let mut none = Vec::new();
                self.worker.handle(self.clock.now(), Event::Dropped(dropped), &mut none);
                debug_assert!(none.is_empty(), "a count asks for nothing");
            }
        }
    }

    fn on_net(&mut self, event: NetEvent, commands: &mut Vec<Command>) {
        match event {
            NetEvent::Up(peer, _, link) => {
                self.links.insert(link.id, link.clone());
                match peer {
                    Peer::Gateway(run) => {
                        tracing::info!("gateway {:x} connected", run.gateway);
                        self.gateways.insert(peer, link);
                        self.handle(Event::Gateway(run), commands);
                    }
                    // It is there: no need to wait before dialling it.
                    Peer::Device(device) => {
                        if let Some(target) = self.devices.get(&device) {
                            target.now.notify_waiters();
                        }
                    }
                }
            }
            NetEvent::Down(peer, id) => {
                self.links.remove(&id);
                if self.gateways.get(&peer).is_some_and(|link| link.id == id) {
                    self.gateways.remove(&peer);
                }
            }
            NetEvent::Frame(peer, link, Frame::Data(data)) => {
                self.speaking = Some(link);
                self.handle(Event::Data(peer, data), commands);
                self.speaking = None;
            }
            NetEvent::Frame(peer, _, Frame::Watermark(mark)) => {
                self.handle(Event::Watermark(peer, mark), commands);
            }
            NetEvent::Frame(..) => {}
        }
    }

    /// Carries a command out; says how many frames a full queue let go.
    fn execute(&mut self, command: Command) -> Option<u64> {
        match command {
            Command::Run { job, inputs, delivery } => {
                let stem = self.stems[&job.task].clone();
                let finish = Box::new(move |outputs: Vec<Tensor>| delivery.prepare(&outputs));
                self.lanes.run(LaneJob { job, stem, inputs, finish });
                None
            }
            Command::Send(peers, frame) => Some(self.send(&peers, &frame)).filter(|n| *n > 0),
            Command::Refuse(peer, refusal) => {
                self.refusals.tell(&self.plans.peer_name(peer), &refusal);
                // Only the connection it came over: who speaks there may not
                // be whom it says.
                if let Some(link) = self.speaking.and_then(|id| self.links.get(&id))
                    && refusal.is_violation()
                {
                    link.close();
                }
                None
            }
            Command::Failed(job, words) => {
                tracing::error!("{}: {words}", self.stems[&job.task]);
                None
            }
            Command::Beat(beat) => {
                let peers: Vec<Peer> = self.gateways.keys().copied().collect();
                self.send(&peers, &Frame::Heartbeat(beat));
                None
            }
        }
    }

    fn send(&self, peers: &[Peer], frame: &Frame) -> u64 {
        if peers.is_empty() {
            return 0;
        }
        let frame = frame.encode();
        let mut dropped = 0;
        for peer in peers {
            let outbox = match peer {
                Peer::Device(device) => self.devices.get(device).map(|target| &target.outbox),
                Peer::Gateway(_) => self.gateways.get(peer).map(|link| &link.outbox),
            };
            if let Some(outbox) = outbox {
                dropped += outbox.push(frame.clone());
            }
        }
        if dropped > 0 {
            let names: Vec<String> = peers.iter().map(|p| format!("{p:?}")).collect();
            tracing::debug!("{} of {}: queue full", names.join(" "), self.plans.model);
        }
        dropped
    }
}
