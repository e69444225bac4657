//! A world drawn from a seed: tasks take what they take, frames overtake each
//! other, are lost, doubled or damaged.

use std::convert::Infallible;

use quorate_core::cluster::Nanos;
use quorate_core::frame::Frame;
use quorate_core::worker::TaskId;

use super::network::{Network, Noise};
use super::random::SplitMix;
use super::script::Script;
use super::world::{Address, Letter, Next, World};

const NANOS_PER_US: Nanos = 1000;
/// How long it takes at most until a connection is tried again.
const RELINK_US_MAX: u64 = 250_000;

/// A world drawn from a seed.
#[derive(Debug)]
pub(super) struct Chance {
    random: SplitMix,
    network: Network,
    devices: usize,
    task_us_max: u64,
    delay_us_max: u64,
}

impl Chance {
    /// The world of a script, with so many devices.
    pub(super) fn new(script: &Script, devices: usize) -> Chance {
        let mut random = SplitMix::new(script.seed ^ 0x5151);
        let nodes = devices + script.gateways;
        let network = Network::new(nodes, script.delay_us_max, script.bytes_per_s, &mut random);
        let (task_us_max, delay_us_max) = (script.task_us_max, script.delay_us_max);
        Chance { random, network, devices, task_us_max, delay_us_max }
    }

    fn task_nanos(&mut self) -> Nanos {
        self.random.between(self.task_us_max / 4, self.task_us_max) * NANOS_PER_US
    }
}

impl World for Chance {
    type Hop = Infallible;
    type Trouble = Noise;

    fn send(
        &mut self,
        now: Nanos,
        from: usize,
        frame: Frame,
        to: &[Address],
        next: &mut Vec<Next<Infallible>>,
    ) -> u64 {
        let bytes = frame.encode().to_bytes();
        for &to in to {
            let bulk = matches!(frame, Frame::Data(_));
            let wait =
                if bulk { self.network.transfer(now, (from, to.node), bytes.len()) } else { 0 };
            for arrival in self.network.carry(from, to.node, &bytes, &mut self.random) {
                let from = if arrival.wrong_sender { (from + 1) % self.devices } else { from };
                let frame = Frame::decode(arrival.bytes).ok();
                let letter = Letter { from, to, sent_at: now, left_at: now, frame };
                let at = now + wait + arrival.after_us * NANOS_PER_US;
                next.push(Next::Arrive(at, Box::new(letter)));
            }
        }
        bytes.len() as u64
    }

    fn hop(&mut self, _: Nanos, _: Box<Letter>, hop: Infallible) -> Next<Infallible> {
        match hop {}
    }

    fn task(&mut self, _: usize, _: &TaskId) -> Nanos {
        self.task_nanos()
    }

    fn glue(&mut self) -> Nanos {
        self.task_nanos()
    }

    fn start(&mut self, _: usize) -> Nanos {
        0
    }

    fn noticed(&self, _: bool) -> Option<Nanos> {
        None
    }

    fn reconnect(&self) -> Nanos {
        self.delay_us_max * NANOS_PER_US
    }

    fn relink(&mut self) -> Nanos {
        self.reconnect() + self.random.below(RELINK_US_MAX) * NANOS_PER_US
    }

    fn moved(&self, now: Nanos, node: usize) -> u64 {
        self.network.moved(now, node)
    }

    /// What was sent is on its way at once.
    fn crashed(&mut self, _: usize) {}

    fn change(&mut self, noise: Noise) {
        self.network.set_noise(noise);
    }
}
