//! Every connection of a process, and the frames that go out over them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quorate_core::admit::Peer;
use quorate_core::frame::Frame;
use quorate_core::id::{DeviceId, DeviceSet, GatewayRun, RequestId};
use tokio::sync::mpsc;

use super::dial::{self, Target};
use super::event::NetEvent;
use super::link::Link;
use super::listen::{self, Listener};
use super::local::Local;
use super::outbox::Outbox;

/// Events that wait for the driver; while there are so many, nothing is read.
const EVENTS_MAX: usize = 1024;
/// Fewer bytes than so are no shards.
const SOME_BYTES: u64 = 4096;
/// Events taken in one go before the clock is read again.
const BATCH: usize = 64;

/// Every connection of a process. Frames to devices go over connections that
/// are opened here, those to gateways over the ones that gateways opened.
pub(crate) struct Links {
    local: Arc<Local>,
    events: mpsc::Receiver<NetEvent>,
    /// Also keeps the channel open while every peer is away.
    sender: mpsc::Sender<NetEvent>,
    devices: BTreeMap<DeviceId, Target>,
    /// By run: its connections, the newest last.
    gateways: BTreeMap<GatewayRun, Vec<Link>>,
    /// Connections with devices, and the bytes that had come over each when that
    /// was last asked.
    up: Vec<(Link, u64)>,
    /// Bytes that had gone out when that was last asked.
    sent: u64,
}

impl Links {
    /// A process without connections yet.
    pub(crate) fn new(local: Local) -> Links {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let (devices, gateways) = (BTreeMap::new(), BTreeMap::new());
        let (local, up, sent) = (Arc::new(local), Vec::new(), 0);
        Links { local, events, sender, devices, gateways, up, sent }
    }

    /// Opens a connection to each of `devices`, and opens it again whenever it
    /// ends.
    pub(crate) fn dial(&mut self, devices: impl Iterator<Item = DeviceId>) {
        for device in devices {
            let target = Target::new(device, &self.local);
            self.devices.insert(device, target.clone());
            tokio::spawn(dial::keep(self.local.clone(), target, self.sender.clone()));
        }
    }

    /// Lets others open connections.
    pub(crate) fn listen(&self, listener: Listener) {
        tokio::spawn(listen::serve(listener, self.local.clone(), self.sender.clone()));
    }

    /// Waits for the next event, and appends it and those that have happened
    /// by then, up to a limit. Safe to give up: no event is lost. All of them
    /// count already for where frames are sent.
    pub(crate) async fn next(&mut self, into: &mut Vec<NetEvent>) {
        let from = into.len();
        self.events.recv_many(into, BATCH).await;
        for event in &into[from..] {
            match event {
                NetEvent::Up(link, _) => self.opened(link),
                NetEvent::Down(link) => self.closed(link),
                NetEvent::Frame(..) => {}
            }
        }
    }

    fn opened(&mut self, link: &Link) {
        match link.peer() {
            Peer::Gateway(run) => {
                self.gateways.entry(run).or_default().push(link.clone());
            }
            // It is there: no need to wait before dialling it.
            Peer::Device(device) => {
                self.up.push((link.clone(), 0));
                if let Some(target) = self.devices.get(&device) {
                    target.now.notify_waiters();
                }
            }
        }
    }

    /// Devices that frames can be sent to now: with whom a connection is up that
    /// was opened here.
    pub(crate) fn reached(&self) -> DeviceSet {
        let own = |link: &Link, device| {
            let target = self.devices.get(&device);
            target.is_some_and(|target| std::ptr::eq(&*target.outbox, link.outbox()))
        };
        let reached = self.up.iter().filter_map(|(link, _)| match link.peer() {
            Peer::Device(device) => Some(device).filter(|device| own(link, *device)),
            Peer::Gateway(_) => None,
        });
        reached.collect()
    }

    fn closed(&mut self, link: &Link) {
        self.up.retain(|(other, _)| other != link);
        if let Peer::Gateway(run) = link.peer()
            && let Some(links) = self.gateways.get_mut(&run)
        {
            links.retain(|other| other != link);
            if links.is_empty() {
                self.gateways.remove(&run);
            }
        }
    }

    /// Bytes that have come and gone, halves of frames included.
    pub(crate) fn moved_bytes(&self) -> u64 {
        self.local.total.both()
    }

    /// Have more than a few bytes gone out since this was last asked?
    pub(crate) fn have_sent(&mut self) -> bool {
        let sent = self.local.total.sent();
        sent.wrapping_sub(std::mem::replace(&mut self.sent, sent)) >= SOME_BYTES
    }

    /// Devices from which anything has come since this was last asked, and how
    /// long ago the last of it did: it is asked rarely.
    pub(crate) fn heard(&mut self) -> Vec<(DeviceId, Duration)> {
        let mut heard = Vec::new();
        for (link, known) in &mut self.up {
            let received = link.received();
            if std::mem::replace(known, received) != received
                && let Peer::Device(device) = link.peer()
            {
                heard.push((device, link.silence()));
            }
        }
        heard
    }

    /// Has this gateway a connection?
    pub(crate) fn has_gateway(&self, run: GatewayRun) -> bool {
        self.gateways.contains_key(&run)
    }

    /// Gateways with a connection.
    pub(crate) fn gateways(&self) -> Vec<Peer> {
        self.gateways.keys().map(|run| Peer::Gateway(*run)).collect()
    }

    /// Queues a frame for each of `peers` that is connected, or is being
    /// dialled. Returns how many older frames were dropped to make room.
    pub(crate) fn send(&self, peers: &[Peer], frame: &Frame) -> u64 {
        if peers.is_empty() {
            return 0;
        }
        let frame = frame.encode();
        let charge = self.local.outgoing.charge(frame.size());
        let outboxes = peers.iter().filter_map(|peer| self.outbox(*peer));
        let dropped = outboxes.map(|outbox| outbox.push(frame.clone(), charge.clone())).sum();
        if dropped > 0 {
            let names: Vec<String> = peers.iter().map(|p| format!("{p:?}")).collect();
            tracing::debug!("{} of {}: queue full", names.join(" "), self.local.plans.model());
        }
        dropped
    }

    /// Forgets what waits of requests that are finished.
    pub(crate) fn forget(&self, is_finished: &dyn Fn(RequestId) -> bool) {
        self.devices.values().for_each(|target| target.outbox.forget(is_finished));
        self.gateways.values().flatten().for_each(|link| link.outbox().forget(is_finished));
    }

    /// Devices with a connection for which so many bytes more would have something
    /// that waits give way.
    pub(crate) fn crowded(&self, bytes: usize) -> DeviceSet {
        let crowded = |device: &DeviceId| {
            let target = self.devices.get(device);
            target.is_some_and(|target| !target.outbox.has_room(bytes))
        };
        self.reached().iter().filter(crowded).collect()
    }

    /// Waits until all that was queued for devices with a connection is out, but
    /// no longer than `limit`. Over an emulated network it is out once that has
    /// taken it.
    pub(crate) async fn flush(&self, limit: Duration) {
        let reached = self.reached();
        let all = async {
            for (_, target) in self.devices.iter().filter(|(device, _)| reached.contains(**device))
            {
                target.outbox.flushed().await;
            }
        };
        // What is not out by then is told by the connection's end.
        let _ = tokio::time::timeout(self.local.carrier.stretch(limit), all).await;
    }

    fn outbox(&self, peer: Peer) -> Option<&Outbox> {
        match peer {
            Peer::Device(device) => self.devices.get(&device).map(|target| &*target.outbox),
            Peer::Gateway(run) => self.gateways.get(&run)?.last().map(Link::outbox),
        }
    }
}
