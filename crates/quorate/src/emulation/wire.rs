//! The emulated device's place on the emulated network.
//!
//! ```text
//! message --(delay of an answer)--> own port --(medium)--> record --TCP--> ...
//! ... record --> own port, as the receiver --> there in time --> bytes
//! ```
//!
//! What a flush ends is one message. It goes out when its first byte leaves the
//! emulated device, with the times of that and of its last byte; the receiver
//! works out when it has it all, and hands it on then.

use std::io;
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use quorate_core::cluster::{Delay, Nanos, Port, Span};
use quorate_core::frame;

use super::instant::now;
use super::medium::MediumClient;
use super::overruns::Overruns;
use super::priority::go_first;
use super::settings::Emulation;
use super::timer::Timer;
use crate::random::SplitMix;

/// The emulated device's place on the emulated network: all connections of a
/// process share it.
#[derive(Clone, Debug)]
pub(crate) struct Wire(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    emulation: Emulation,
    out: Mutex<Port>,
    into: Mutex<Port>,
    medium: Option<MediumClient>,
    random: Mutex<SplitMix>,
    timer: Timer,
    overruns: Overruns,
    first: Once,
}

impl Wire {
    /// The place of the device that `emulation` speaks of.
    pub(crate) fn new(emulation: &Emulation) -> anyhow::Result<Wire> {
        emulation.check()?;
        let shared = emulation.network.shared;
        let medium = emulation.medium.as_deref().filter(|_| shared).map(MediumClient::new);
        Ok(Wire(Arc::new(Inner {
            emulation: emulation.clone(),
            out: Mutex::default(),
            into: Mutex::default(),
            medium,
            random: Mutex::new(SplitMix::new(emulation.seed)),
            timer: Timer::start()?,
            overruns: Overruns::open(emulation.overruns.as_deref())?,
            first: Once::new(),
        })))
    }

    /// Tells that the calling thread carries messages. Not before: threads that
    /// it has started until then, which compute, shall not go first.
    pub(super) fn carries(&self) {
        self.0.first.call_once(go_first);
    }

    /// How long what takes `time` takes here.
    pub(crate) fn stretch(&self, time: Duration) -> Duration {
        self.0.emulation.stretch(time)
    }

    /// What the message waits before it is sent: drawn for what was computed,
    /// nothing for all else.
    pub(super) fn delay(&self, message: &[u8]) -> Duration {
        let delay = self.0.emulation.profile.answer_delay;
        if !frame::is_shard(message) || delay == Delay::constant(Duration::ZERO) {
            return Duration::ZERO;
        }
        let share = self.0.random.lock().expect("no panic while held").share();
        self.stretch(delay.quantile(share))
    }

    /// How long a message of so many bytes takes this device's port.
    fn port_time(&self, bytes: usize) -> Duration {
        let Emulation { network, profile, .. } = &self.0.emulation;
        self.stretch(network.port_time(profile.message_cost, bytes as u64))
    }

    /// Sends a message, ready at `ready`: when it leaves.
    pub(super) async fn send(&self, ready: Nanos, message: &[u8]) -> io::Result<Span> {
        let network = &self.0.emulation.network;
        let (cost, first) = (self.port_time(message.len()), !frame::is_data(message));
        let own = {
            let mut out = self.0.out.lock().expect("no panic while held");
            if first { out.cut_in(ready, cost) } else { out.take(ready, cost) }
        };
        match (&self.0.medium, network.medium_time(message.len() as u64)) {
            (Some(medium), Some(time)) => {
                Ok(own.over(medium.take(own.start, self.stretch(time), first).await?))
            }
            _ => Ok(own),
        }
    }

    /// Receives a message that has `left` its sender so: when its first byte is
    /// there, and when all of it is.
    pub(super) fn receive(&self, left: Span, message: &[u8]) -> Span {
        let cost = self.port_time(message.len());
        let latency = self.stretch(self.0.emulation.network.latency);
        let mut into = self.0.into.lock().expect("no panic while held");
        let end = match frame::is_data(message) {
            true => into.receive(left, latency, cost),
            false => into.receive_first(left, latency, cost),
        };
        Span { start: left.start.saturating_add(latency.as_nanos() as Nanos), end }
    }

    /// Waits until `at`, when all of a message is there; notes how late it is
    /// handed on if it leads to anything.
    pub(super) async fn arrive(&self, at: Nanos, message: &[u8]) {
        self.sleep_until(at).await;
        if frame::is_data(message) {
            let late = Duration::from_nanos(now().saturating_sub(at));
            self.0.emulation.lateness.note(late);
            self.0.overruns.check_message(late);
        }
    }

    /// Waits until `at`, which may have passed.
    pub(super) async fn sleep_until(&self, at: Nanos) {
        self.0.timer.sleep_until(at).await;
    }
}
