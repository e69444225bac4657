//! The loop of a gateway: `select -> handle(now, event) -> execute commands`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_code::ShardSet;
use quorate_core::admit::Peer;
use quorate_core::audit::{Audited, Finding, Verified, Verify};
use quorate_core::failure::TaskError;
use quorate_core::frame::{Frame, Heartbeat, Role};
use quorate_core::gateway::{Command, Event, Gateway, GatewayConfig, Job, Notice};
use quorate_core::id::{DeviceId, DeviceSet, GatewayRun, ValueId};
use quorate_core::plan::{OUTPUT_TASK, Plans};
use quorate_model::tensor::Tensor;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::answer::{Answer, AskError};
use super::places::Place;
use super::status::Status;
use crate::emulation::{Emulation, Lateness, Wire};
use crate::memory::Memory;
use crate::net::{Carrier, Link, Links, Local, NetEvent};
use crate::node::clock::Clock;
use crate::node::compute::{ComputeJob, ComputeLanes, ComputedReceiver};
use crate::node::refusals::Refusals;
use crate::node::tasks::TaskStore;

/// Notices kept for a subscriber that reads slowly.
const NOTICES_MAX: usize = 256;

/// Rounds of the loop after which the time is looked at, though there is more to
/// take in.
const EVENTS_MAX: u32 = 64;

/// Time that last words have to get out.
const FLUSH_MAX: Duration = Duration::from_millis(100);

/// What a handle, or a ticket, asks of the driver.
#[derive(Debug)]
pub(super) enum Ask {
    Submit {
        token: u64,
        inputs: Vec<Tensor>,
        deadline: Duration,
        verify: Verify,
        reply: Reply,
        place: Place,
    },
    Cancel {
        token: u64,
    },
    SuspectAfter(Duration),
}

/// What the lane does.
enum Work {
    Glue(Job),
    /// Of which shards of which values.
    Audit(Job, Vec<(ValueId, ShardSet)>),
}

/// What comes of it.
enum Made {
    Outputs(Vec<Tensor>),
    Audited(Vec<Audited>),
}

/// Which run of a gateway it is, where it seems to run, and in how much memory.
#[derive(Clone, Copy)]
pub(super) struct Who<'a> {
    pub(super) run: GatewayRun,
    pub(super) emulation: Option<&'a Emulation>,
    pub(super) memory: Memory,
}

/// A driver that runs: what it shows, what it tells, and its end.
pub(super) struct Started {
    pub(super) status: watch::Receiver<Status>,
    pub(super) notices: broadcast::Sender<Notice>,
    pub(super) end: JoinHandle<()>,
}

type Reply = oneshot::Sender<Result<Answer, AskError>>;

/// A gateway's state machine, and all that it acts on.
pub(super) struct Driver {
    clock: Clock,
    gateway: Gateway,
    plans: Arc<Plans>,
    lanes: ComputeLanes<Work, Made>,
    links: Links,
    /// By token: where the answer goes, and the place that the request takes.
    replies: BTreeMap<u64, (Reply, Place)>,
    /// Devices that had no room for what was submitted last.
    crowded: DeviceSet,
    status: watch::Sender<Status>,
    notices: broadcast::Sender<Notice>,
    refusals: Refusals,
    /// How late this machine is, where it emulates another.
    lateness: Option<Lateness>,
}

impl Driver {
    /// Starts to serve what is `asked`, until nobody can ask any more.
    pub(super) fn start(
        plans: &Arc<Plans>,
        store: &Arc<TaskStore>,
        config: GatewayConfig,
        who: &Who<'_>,
        asked: mpsc::UnboundedReceiver<Ask>,
    ) -> anyhow::Result<Started> {
        let (lanes, computed) = ComputeLanes::start(store, 1)?;
        let Who { run, emulation, memory } = *who;
        let carrier = match emulation {
            None => Carrier::Plain,
            Some(emulation) => Carrier::Emulated(Wire::new(emulation)?),
        };
        let mut links = Links::new(Local::new(Role::Gateway(run), "", plans, carrier, memory));
        links.dial(plans.everybody().iter());
        let beats = vec![Heartbeat::default(); plans.cluster().devices().len()];
        let (status, shown) = watch::channel(Status { beats, ..Status::default() });
        let (notices, _) = broadcast::channel(NOTICES_MAX);
        let driver = Driver {
            clock: Clock::start(emulation.map_or(1.0, |emulation| emulation.dilation)),
            gateway: Gateway::new(plans.clone(), run, config),
            plans: plans.clone(),
            lanes,
            links,
            replies: BTreeMap::new(),
            crowded: DeviceSet::default(),
            status,
            notices: notices.clone(),
            refusals: Refusals::default(),
            lateness: emulation.map(|emulation| emulation.lateness.clone()),
        };
        let end = tokio::spawn(driver.run(asked, computed));
        Ok(Started { status: shown, notices, end })
    }

    async fn run(
        mut self,
        mut asked: mpsc::UnboundedReceiver<Ask>,
        mut computed: ComputedReceiver<Work, Made>,
    ) {
        let mut batch = Vec::new();
        // Events since it last looked at the time.
        let mut events = 0;
        loop {
            let hour = Duration::from_secs(3600);
            let wake = match self.gateway.wake_at() {
                Some(time) => self.clock.instant(time),
                None => Instant::now() + hour,
            };
            // However much comes in, the time is looked at now and then; even so
            // after what the network has.
            let overdue = if wake <= Instant::now() { events } else { 0 };
            tokio::select! {
                biased;
                work = computed.recv(), if overdue <= EVENTS_MAX => {
                    let Some((work, made)) = work else { return };
                    self.handle(done(work, made), None);
                }
                ask = asked.recv(), if overdue <= EVENTS_MAX => match ask {
                    None => return self.leave().await,
                    Some(ask) => self.on_ask(ask),
                },
                // Before the time: what came in while this process stood still
                // is no silence.
                () = self.links.next(&mut batch), if overdue <= EVENTS_MAX + 1 => {
                    batch.drain(..).for_each(|event| self.on_net(event));
                }
                () = tokio::time::sleep_until(wake.into()) => {
                    self.on_time();
                    events = 0;
                }
            }
            events += 1;
        }
    }

    /// Nobody asks any more: the devices are told, and need not find out.
    async fn leave(mut self) {
        self.handle(Event::End, None);
        self.links.flush(FLUSH_MAX).await;
    }

    /// The time has come, and halves of frames may have.
    fn on_time(&mut self) {
        for (device, ago) in self.links.heard() {
            self.handle(Event::Heard(device, self.clock.span(ago)), None);
        }
        if self.links.have_sent() {
            self.handle(Event::Moved, None);
        }
        self.handle(Event::Tick, None);
    }

    fn on_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Submit { token, inputs, deadline, verify, reply, place } => {
                self.replies.insert(token, (reply, place));
                let bytes = inputs.iter().map(|tensor| tensor.data().len()).sum();
                let crowded = self.links.crowded(bytes);
                if std::mem::replace(&mut self.crowded, crowded) != crowded {
                    self.handle(Event::Crowded(crowded), None);
                }
                self.handle(Event::Submit { token, inputs, deadline, verify }, None);
            }
            Ask::Cancel { token } => {
                self.replies.remove(&token);
                self.handle(Event::Cancel(token), None);
            }
            Ask::SuspectAfter(silence) => self.handle(Event::SuspectAfter(silence), None),
        }
    }

    fn on_net(&mut self, event: NetEvent) {
        match event {
            NetEvent::Up(link, plans) => {
                let Some(device) = device(&link) else { return };
                self.status.send_modify(|status| status.connected.insert(device));
                self.handle(Event::Up(device, plans), Some(&link));
            }
            NetEvent::Down(link) => {
                let Some(device) = device(&link) else { return };
                self.status.send_modify(|status| status.connected.remove(device));
                self.handle(Event::Down(device), None);
            }
            NetEvent::Frame(link, Frame::Data(data), _room) => {
                let Some(device) = device(&link) else { return };
                self.handle(Event::Data(device, data), Some(&link));
            }
            NetEvent::Frame(link, Frame::Heartbeat(beat), _room) => {
                let Some(device) = device(&link) else { return };
                self.handle(Event::Beat(device, beat), Some(&link));
                let (beat, alive) = (self.gateway.beat(device), self.gateway.alive_devices());
                self.status.send_modify(|status| {
                    status.beats[device.index()] = beat;
                    status.alive = alive;
                });
            }
            NetEvent::Frame(link, Frame::Progress(progress), _room) => {
                let Some(device) = device(&link) else { return };
                self.handle(Event::Progress(device, progress), Some(&link));
            }
            NetEvent::Frame(link, Frame::Report(report), _room) => {
                let Some(device) = device(&link) else { return };
                self.handle(Event::Report(device, report), Some(&link));
            }
            NetEvent::Frame(link, Frame::Failure(failure), _room) => {
                let Some(device) = device(&link) else { return };
                self.handle(Event::Failure(device, failure), Some(&link));
            }
            NetEvent::Frame(..) => {}
        }
    }

    /// Hands over an event, which came in `over` a connection if it did, and
    /// carries out what it leads to.
    fn handle(&mut self, event: Event, over: Option<&Link>) {
        let mut commands = Vec::new();
        self.gateway.handle(self.clock.now(), event, &mut commands);
        commands.into_iter().for_each(|command| self.execute(command, over));
    }

    fn execute(&mut self, command: Command, over: Option<&Link>) {
        match command {
            Command::Send(devices, frame) => {
                let peers: Vec<Peer> = devices.into_iter().map(Peer::Device).collect();
                if matches!(frame, Frame::Watermark(_)) {
                    self.links.forget(&|request| self.gateway.is_finished(request));
                }
                let dropped = self.links.send(&peers, &frame);
                // A mark that gives way to a later one is no loss.
                if dropped > 0 && matches!(frame, Frame::Data(_)) {
                    self.on_dropped(dropped);
                }
            }
            Command::Run(job, inputs) => {
                let task = Some((OUTPUT_TASK.to_owned(), inputs));
                let finish = Box::new(|outputs| Ok(Made::Outputs(outputs)));
                self.lanes.run(ComputeJob { job: Work::Glue(job), task, finish });
            }
            Command::Audit(job, audits) => {
                let shards = audits.iter().map(|(_, audit)| (audit.value(), audit.have()));
                let job = Work::Audit(job, shards.collect());
                let finish = Box::new(move |_| {
                    let audited = audits.iter().map(|(usual, audit)| audit.audited(*usual));
                    Ok(Made::Audited(audited.collect()))
                });
                self.lanes.run(ComputeJob { job, task: None, finish });
            }
            Command::Answer(token, outputs, provenance) => {
                let (now, late) = (Instant::now(), self.lateness.as_ref().map(Lateness::take));
                let at = late.and_then(|late| now.checked_sub(late)).unwrap_or(now);
                self.reply(token, Ok(Answer { outputs, provenance, at }));
            }
            Command::Fail(token, error) => self.reply(token, Err(error.into())),
            Command::Refuse(device, refusal) => {
                self.refusals.tell(self.plans.device_name(device), &refusal);
                if let Some(link) = over
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

    /// Frames gave way to newer ones, as devices do not take them fast enough.
    fn on_dropped(&mut self, frames: u64) {
        let before = self.status.borrow().dropped;
        let now = before + frames;
        self.status.send_modify(|status| status.dropped = now);
        // Told of ever more rarely.
        if before.checked_ilog2() != now.checked_ilog2() {
            tracing::warn!("{now} frames gave way so far: devices do not take them fast enough");
        }
    }

    fn on_notice(&mut self, notice: Notice) {
        tell(&self.plans, &notice);
        let alive = self.gateway.alive_devices();
        self.status.send_modify(|status| status.note(&notice, alive));
        // Without a subscriber there is nobody to tell.
        let _ = self.notices.send(notice);
    }
}

/// The device at the other end. A gateway has no other peers.
fn device(link: &Link) -> Option<DeviceId> {
    match link.peer() {
        Peer::Device(device) => Some(device),
        Peer::Gateway(_) => None,
    }
}

/// Logs a notice.
fn tell(plans: &Plans, notice: &Notice) {
    let name = |device: &DeviceId| plans.device_name(*device);
    match notice {
        Notice::Suspect(device) => tracing::info!("{} is not heard from", name(device)),
        Notice::Healthy(device) => tracing::info!("{} is heard from", name(device)),
        Notice::Failing(device, layer, error) => tracing::warn!(
            "{} cannot compute {layer}: {error}; it is not relied on for a while",
            name(device)
        ),
        Notice::Contradiction(layer, devices) => tracing::error!(
            "layer {layer}: the shards of {} contradict each other: one of them is wrong",
            plans.device_names(*devices)
        ),
        Notice::Wrong(device) => tracing::error!(
            "{} computes wrongly, as far as can be seen; it is done without for a while: restart it",
            name(device)
        ),
        Notice::Audited(_, Verified::Yes) => {}
        Notice::Audited(token, _) => tracing::warn!("answer {token} could not be verified"),
        Notice::Rested(device) => tracing::info!("{} is relied on again", name(device)),
        Notice::Mismatch(device, plan) => tracing::error!(
            "{} holds another bundle: requests by plan {plan} do without it; copy this one to it",
            name(device)
        ),
        Notice::Match(device) => tracing::info!("{} holds this bundle now", name(device)),
        Notice::Plan(plan) => tracing::info!("requests go by plan {}", plans.all()[*plan].name()),
        Notice::Resubmitted(requests) => tracing::info!("{requests} requests go out again"),
        Notice::Quorate(true) => tracing::info!("enough devices are there"),
        Notice::Quorate(false) => tracing::info!("too few devices are there"),
    }
}

/// What the gateway is told of what the lane did.
fn done(work: Work, made: Result<Made, TaskError>) -> Event {
    match (work, made) {
        (Work::Glue(job), Ok(Made::Outputs(outputs))) => Event::Done(job, Ok(outputs)),
        (Work::Audit(job, _), Ok(Made::Audited(audited))) => Event::Audited(job, audited),
        (Work::Glue(job), made) => {
            let words = made.err().map(|error| error.words);
            Event::Done(job, Err(words.unwrap_or_else(|| "made no output".to_owned())))
        }
        // It has panicked: nothing can be said of these values.
        (Work::Audit(job, values), _) => {
            let finding = Finding::Unchecked;
            let unchecked = |(value, have)| Audited { value, have, finding };
            Event::Audited(job, values.into_iter().map(unchecked).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever used these shards used them unchecked.
    #[test]
    fn an_audit_that_panics_has_checked_nothing() {
        let job = Job { number: 3, attempt: 1 };
        let have = ShardSet::first(2);
        let work = Work::Audit(job, vec![(ValueId(4), have)]);
        let event = done(work, Err(TaskError::of_device("task of the lane panicked")));
        let Event::Audited(told, audited) = event else { panic!("{event:?}") };
        let unchecked = Audited { value: ValueId(4), have, finding: Finding::Unchecked };
        assert_eq!((told, audited), (job, vec![unchecked]));
    }
}
