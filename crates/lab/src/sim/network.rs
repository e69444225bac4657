//! Links on which frames are late, lost, doubled, damaged or untrue.

use std::time::Duration;

use bytes::Bytes;
use quorate_core::cluster::{Nanos, Port};
use quorate_core::frame::{Data, Frame, LENGTH_BYTES};
use quorate_core::id::{PlanId, ValueId};

use super::random::SplitMix;
use super::world::NANOS_PER_BYTE;

const NANOS_PER_S: Nanos = 1_000_000_000;

/// How a network treats frames, per mille of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Noise {
    /// Not delivered.
    pub(super) lost: u32,
    /// Delivered twice.
    pub(super) twice: u32,
    /// Followed by a copy with changed bytes.
    pub(super) garbage: u32,
    /// Followed by a well-formed copy whose header lies.
    pub(super) lies: u32,
}

/// What one frame arrives as.
#[derive(Debug)]
pub(super) struct Arrival {
    /// Microseconds after it was sent.
    pub(super) after_us: u64,
    /// The bytes behind the length.
    pub(super) bytes: Bytes,
    /// It claims to come from somebody else.
    pub(super) wrong_sender: bool,
}

/// All links between `nodes` nodes, gateways being the last.
#[derive(Debug)]
pub(super) struct Network {
    nodes: usize,
    /// Least delay of each directed link.
    base_us: Vec<u64>,
    jitter_us: u64,
    /// How many bytes of shards and inputs a node sends a second, where that is
    /// limited.
    bytes_per_s: Option<u64>,
    /// By node: what it sends its frames over, one after the other.
    out: Vec<Port>,
    /// By node: until when it is sent what is under way.
    into: Vec<Nanos>,
    noise: Noise,
}

impl Network {
    /// Links whose delays are between 100 us and `delay_us_max`.
    pub(super) fn new(
        nodes: usize,
        delay_us_max: u64,
        bytes_per_s: Option<u64>,
        random: &mut SplitMix,
    ) -> Network {
        let base_us = (0..nodes * nodes).map(|_| random.between(100, delay_us_max / 2)).collect();
        let (jitter_us, noise) = (delay_us_max / 2, Noise::default());
        let (out, into) = (vec![Port::default(); nodes], vec![0; nodes]);
        Network { nodes, base_us, jitter_us, bytes_per_s, out, into, noise }
    }

    /// Sends so many bytes from one node to another, after all that the sender
    /// was given before: how long it takes until they are there.
    pub(super) fn transfer(
        &mut self,
        now: Nanos,
        (from, to): (usize, usize),
        bytes: usize,
    ) -> Nanos {
        let Some(rate) = self.bytes_per_s else { return 0 };
        let cost = Duration::from_nanos(bytes as u64 * NANOS_PER_S / rate);
        let end = self.out[from].take(now, cost).end;
        self.into[to] = self.into[to].max(end);
        end - now
    }

    /// As many bytes as a node has had time for, as far as it matters whether
    /// any move.
    pub(super) fn moved(&self, now: Nanos, node: usize) -> u64 {
        (self.out[node].busy_until(now) + self.into[node].min(now)) / NANOS_PER_BYTE
    }

    /// Changes what befalls frames from now on.
    pub(super) fn set_noise(&mut self, noise: Noise) {
        self.noise = noise;
    }

    /// What arrives of a frame; each with a delay of its own, so that frames
    /// overtake each other.
    pub(super) fn carry(
        &self,
        from: usize,
        to: usize,
        frame: &Bytes,
        random: &mut SplitMix,
    ) -> Vec<Arrival> {
        let body = frame.slice(LENGTH_BYTES..);
        let base = self.base_us[from * self.nodes + to];
        let mut arrivals = Vec::new();
        let mut add = |bytes: Bytes, wrong_sender, random: &mut SplitMix| {
            let after_us = base + random.below(self.jitter_us + 1);
            arrivals.push(Arrival { after_us, bytes, wrong_sender });
        };
        if !random.chance(self.noise.lost) {
            add(body.clone(), false, random);
        }
        if random.chance(self.noise.twice) {
            add(body.clone(), false, random);
        }
        if random.chance(self.noise.garbage) {
            add(damaged(&body, random), false, random);
        }
        if random.chance(self.noise.lies)
            && let Ok(Frame::Data(data)) = Frame::decode(body)
        {
            let wrong_sender = random.chance(200);
            let frame = if wrong_sender { data } else { untrue(data, random) };
            let bytes = Frame::Data(frame).encode().to_bytes();
            add(bytes.slice(LENGTH_BYTES..), wrong_sender, random);
        }
        arrivals
    }
}

/// Some bytes changed, or some cut off.
fn damaged(body: &Bytes, random: &mut SplitMix) -> Bytes {
    let mut bytes = body.to_vec();
    for _ in 0..random.between(1, 8) {
        let at = random.below(bytes.len() as u64) as usize;
        bytes[at] ^= random.between(1, 255) as u8;
    }
    if random.chance(300) {
        bytes.truncate(random.below(bytes.len() as u64) as usize);
    }
    bytes.into()
}

/// A copy with one field that is not what it was.
fn untrue(mut data: Data, random: &mut SplitMix) -> Data {
    match random.below(10) {
        0 => data.shape.insert(0, 1),
        1 => data.shape = vec![data.shape.iter().product()],
        2 => data.plan = PlanId(random.bits()),
        3 => data.attempt = data.attempt.saturating_sub(1),
        4 => data.place = (data.place.0 + 1, data.place.1 + 1),
        5 => data.shard = data.shard.wrapping_add(random.between(1, 3) as u16),
        6 => data.value = ValueId(data.value.0 ^ 1),
        7 => data.request.run.epoch = 0,
        8 => data.input = !data.input,
        _ => data.deadline_left_us = random.below(2_000) as u32,
    }
    data
}
