//! The emulated device's place on the emulated network.
//!
//! ```text
//! message --(delay of an answer)--> own port --(medium)--> record --TCP--> ...
//! ... record --> own port, as the receiver --> there in time --> bytes
//! ```
//!
//! What a flush ends is one message. It goes out at once, with the times at
//! which its first and its last byte leave the emulated device; the receiver
//! works out when it has it all, and hands it on then.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_core::cluster::{Delay, Nanos, Network, Port, Span};
use quorate_core::frame;

use super::instant::now;
use super::medium::MediumClient;
use super::overruns::Overruns;
use super::settings::Emulation;
use super::timer::Timer;
use crate::random::SplitMix;

/// The emulated device's place on the emulated network: all connections of a
/// process share it.
#[derive(Clone, Debug)]
pub(crate) struct Wire(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    network: Network,
    message_cost: Duration,
    answer_delay: Delay,
    dilation: f64,
    out: Mutex<Port>,
    into: Mutex<Port>,
    medium: Option<MediumClient>,
    random: Mutex<SplitMix>,
    timer: Timer,
    overruns: Overruns,
}

impl Wire {
    /// The place of the device that `emulation` speaks of.
    pub(crate) fn new(emulation: &Emulation) -> anyhow::Result<Wire> {
        emulation.check()?;
        let shared = emulation.network.shared;
        let medium = emulation.medium.as_deref().filter(|_| shared).map(MediumClient::new);
        Ok(Wire(Arc::new(Inner {
            network: emulation.network.clone(),
            message_cost: emulation.profile.message_cost,
            answer_delay: emulation.profile.answer_delay,
            dilation: emulation.dilation,
            out: Mutex::default(),
            into: Mutex::default(),
            medium,
            random: Mutex::new(SplitMix::new(emulation.seed)),
            timer: Timer::start()?,
            overruns: Overruns::open(emulation.overruns.as_deref())?,
        })))
    }

    /// How long what takes `time` takes here.
    pub(crate) fn stretch(&self, time: Duration) -> Duration {
        Duration::try_from_secs_f64(time.as_secs_f64() * self.0.dilation).unwrap_or(Duration::MAX)
    }

    /// What the message waits before it is sent: drawn for what was computed,
    /// nothing for all else.
    pub(super) fn delay(&self, message: &[u8]) -> Duration {
        let delay = self.0.answer_delay;
        if !frame::is_shard(message) || delay == Delay::constant(Duration::ZERO) {
            return Duration::ZERO;
        }
        let bits = self.0.random.lock().expect("no panic while held").bits();
        self.stretch(delay.quantile((bits >> 11) as f64 / (1u64 << 53) as f64))
    }

    /// Sends a message of so many bytes, ready at `ready`: when it leaves.
    pub(super) async fn send(&self, ready: Nanos, bytes: usize) -> io::Result<Span> {
        let Inner { network, message_cost, .. } = &*self.0;
        let cost = self.stretch(network.port_time(*message_cost, bytes as u64));
        let own = self.0.out.lock().expect("no panic while held").take(ready, cost);
        match (&self.0.medium, network.medium_time(bytes as u64)) {
            (Some(medium), Some(time)) => {
                Ok(own.over(medium.take(own.start, self.stretch(time)).await?))
            }
            _ => Ok(own),
        }
    }

    /// Receives a message of so many bytes that has `left` its sender so: when
    /// all of it is there.
    pub(super) fn receive(&self, left: Span, bytes: usize) -> Nanos {
        let Inner { network, message_cost, .. } = &*self.0;
        let cost = self.stretch(network.port_time(*message_cost, bytes as u64));
        let latency = self.stretch(network.latency);
        self.0.into.lock().expect("no panic while held").receive(left, latency, cost)
    }

    /// Waits until `at`; later is an overrun.
    pub(super) async fn wait_until(&self, at: Nanos, what: &str) {
        self.check(at, what);
        self.0.timer.sleep_until(at).await;
    }

    /// Waits until `at`, which may have passed.
    pub(super) async fn sleep_until(&self, at: Nanos) {
        self.0.timer.sleep_until(at).await;
    }

    /// Notes if it is later than `at` already.
    pub(super) fn check(&self, at: Nanos, what: &str) {
        let late = Duration::from_nanos(now().saturating_sub(at));
        self.0.overruns.check(late, || what.to_owned());
    }
}
