//! Devices and a network as profiles describe them.
//!
//! ```text
//! sent --(delay of an answer)--> ready --own port--> (medium) --latency-->
//!     at the receiver's port --> there
//! ```

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use quorate_core::cluster::{Delay, Nanos, Network, Port, Profile, Span};
use quorate_core::frame::Frame;
use quorate_core::worker::TaskId;

use super::costs::Costs;
use super::timing::Timing;
use crate::sim::random::SplitMix;
use crate::sim::world::{Address, Letter, NANOS_PER_BYTE, Next, USER_TIMEOUT, World};

/// From a restart to when a device's connections are up: a gateway that has
/// tried in vain for a while dials twice a second.
const RECONNECT: Nanos = 250_000_000;

/// How far a message has got.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hop {
    bytes: u64,
    place: Place,
}

/// A place on a message's way.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Ready to leave.
    Ready,
    /// At the shared medium, with its sender's port taken.
    Medium(Span),
    /// Its first byte is at its receiver's port, having left so.
    There(Span),
}

/// Devices and a network as profiles describe them.
#[derive(Debug)]
pub(super) struct Wire {
    network: Network,
    costs: Costs,
    /// The devices, then the gateway.
    profiles: Vec<Profile>,
    out: Vec<Port>,
    into: Vec<Port>,
    medium: Port,
    /// By device: when it connects.
    starts: Vec<Duration>,
    /// By sender and receiver: the delays of its shards.
    delays: Vec<SplitMix>,
    /// Times of tasks that were asked for.
    tasks: BTreeMap<(usize, TaskId), Nanos>,
}

impl Wire {
    pub(super) fn new(timing: &Timing) -> Wire {
        let profiles: Vec<Profile> =
            timing.devices.iter().chain([&timing.gateway]).cloned().collect();
        let nodes = profiles.len();
        // Numbers that do not depend on how many devices there are.
        let name = |node: usize| if node + 1 == nodes { u64::from(u8::MAX) } else { node as u64 };
        let link = |link: usize| {
            let link = name(link / nodes) << 8 | name(link % nodes);
            SplitMix::new(SplitMix::new(timing.seed ^ link << 32).bits())
        };
        Wire {
            network: timing.network.clone(),
            costs: timing.costs.clone(),
            profiles,
            out: vec![Port::default(); nodes],
            into: vec![Port::default(); nodes],
            medium: Port::default(),
            starts: timing.starts(),
            delays: (0..nodes * nodes).map(link).collect(),
            tasks: BTreeMap::new(),
        }
    }

    /// What a message from one node to another waits before it is ready. What
    /// was not computed does not.
    fn delay(&mut self, from: usize, to: usize, frame: &Frame) -> Nanos {
        let delay = self.profiles[from].answer_delay;
        let computed = matches!(frame, Frame::Data(data) if !data.input);
        if !computed || delay == Delay::constant(Duration::ZERO) {
            return 0;
        }
        let share = self.delays[from * self.profiles.len() + to].share();
        nanos(delay.quantile(share))
    }

    fn port_time(&self, node: usize, bytes: u64) -> Duration {
        self.network.port_time(self.profiles[node].message_cost, bytes)
    }

    /// Sends what goes between the packets of others.
    fn cut_in(&mut self, now: Nanos, mut letter: Box<Letter>, bytes: u64) -> Next<Hop> {
        let cost = self.port_time(letter.from, bytes);
        let mut left = self.out[letter.from].cut_in(now, cost);
        if let Some(time) = self.network.medium_time(bytes) {
            left = left.over(self.medium.cut_in(now, time));
        }
        letter.left_at = left.end;
        let cost = self.port_time(letter.to.node, bytes);
        let port = &mut self.into[letter.to.node];
        Next::Arrive(port.receive_first(left, self.network.latency, cost), letter)
    }

    fn leave(&mut self, now: Nanos, letter: Box<Letter>, bytes: u64) -> Next<Hop> {
        let cost = self.port_time(letter.from, bytes);
        let own = self.out[letter.from].take(now, cost);
        match self.network.medium_time(bytes) {
            Some(_) if own.start > now => {
                Next::Hop(own.start, letter, Hop { bytes, place: Place::Medium(own) })
            }
            Some(_) => self.cross(now, letter, bytes, own),
            None => self.travel(letter, bytes, own),
        }
    }

    fn cross(&mut self, now: Nanos, letter: Box<Letter>, bytes: u64, own: Span) -> Next<Hop> {
        let time = self.network.medium_time(bytes).unwrap_or_default();
        let left = own.over(self.medium.take(now, time));
        self.travel(letter, bytes, left)
    }

    fn travel(&self, mut letter: Box<Letter>, bytes: u64, left: Span) -> Next<Hop> {
        letter.left_at = left.end;
        let there = left.start.saturating_add(nanos(self.network.latency));
        Next::Hop(there, letter, Hop { bytes, place: Place::There(left) })
    }
}

impl World for Wire {
    type Hop = Hop;
    type Trouble = Infallible;

    fn send(
        &mut self,
        now: Nanos,
        from: usize,
        frame: Frame,
        to: &[Address],
        next: &mut Vec<Next<Hop>>,
    ) -> u64 {
        let (bytes, is_data) = (frame.encode().size() as u64, matches!(frame, Frame::Data(_)));
        for &to in to {
            let after = self.delay(from, to.node, &frame);
            let frame = Some(frame.clone());
            let letter = Box::new(Letter { from, to, sent_at: now, left_at: Nanos::MAX, frame });
            next.push(match after {
                0 if !is_data => self.cut_in(now, letter, bytes),
                0 => self.leave(now, letter, bytes),
                _ => {
                    let hop = Hop { bytes, place: Place::Ready };
                    Next::Hop(now.saturating_add(after), letter, hop)
                }
            });
        }
        bytes
    }

    fn hop(&mut self, now: Nanos, letter: Box<Letter>, hop: Hop) -> Next<Hop> {
        let bytes = hop.bytes;
        match hop.place {
            Place::Ready => self.leave(now, letter, bytes),
            Place::Medium(own) => self.cross(now, letter, bytes, own),
            Place::There(left) => {
                let cost = self.port_time(letter.to.node, bytes);
                let port = &mut self.into[letter.to.node];
                Next::Arrive(port.receive(left, self.network.latency, cost), letter)
            }
        }
    }

    fn task(&mut self, device: usize, task: &TaskId) -> Nanos {
        let (costs, profile) = (&self.costs, &self.profiles[device]);
        let time = || nanos(costs.time(task, profile).expect("every task was looked up before"));
        *self.tasks.entry((device, *task)).or_insert_with(time)
    }

    fn glue(&mut self) -> Nanos {
        0
    }

    fn start(&mut self, device: usize) -> Nanos {
        nanos(self.starts[device])
    }

    /// The connections of a process that ended are closed by its system, at
    /// once.
    fn noticed(&self, goodbye: bool) -> Option<Nanos> {
        Some(if goodbye { nanos(self.network.latency) } else { USER_TIMEOUT })
    }

    fn reconnect(&self) -> Nanos {
        RECONNECT
    }

    fn relink(&mut self) -> Nanos {
        RECONNECT
    }

    /// As many as the ports had time for.
    fn moved(&self, now: Nanos, node: usize) -> u64 {
        let ports = [&self.out[node], &self.into[node], &self.medium];
        ports.map(|port| port.busy_until(now)).iter().sum::<Nanos>() / NANOS_PER_BYTE
    }

    fn crashed(&mut self, device: usize) {
        self.out[device] = Port::default();
    }

    fn change(&mut self, trouble: Infallible) {
        match trouble {}
    }
}

fn nanos(time: Duration) -> Nanos {
    Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
mod tests;
