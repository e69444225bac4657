//! Simulations that take as long as profiles of devices and networks say.
//!
//! ```text
//! plans, files --Material or Blank--> what tasks make
//! profiles, network, costs --Timing--> what they take, and when messages arrive
//! requests, faults --Script--> Timed::run --> Record
//! ```
//!
//! A device computes one task after the other, in its worker's order. A
//! message takes its sender's port, the medium where it is shared, the
//! latency, and its receiver's port, by the arithmetic of
//! [`Port`](quorate_core::cluster::Port); shards wait before that for as long
//! as the device's answers do. The gateway has a port as a device has, and
//! computes in no time.
//!
//! What a port takes first is what is there first: each message is entered at
//! its sender's port when it is ready, and at its receiver's when its first
//! byte is there.
//!
//! *Invariant:* equal shards, timing and script give equal records, and the
//! n-th shard from one node to another waits as long whatever else happens.

mod costs;
mod front;
mod script;
mod timing;
mod wire;

pub use self::{costs::Costs, front::Front, script::Script, timing::Timing};

use anyhow::{Context, anyhow};

use super::record::Record;
use super::shards::Shards;
use super::simulation::Simulation;
use wire::Wire;

/// A model over devices that take their time.
#[derive(Clone, Debug)]
pub struct Timed<S> {
    shards: S,
    timing: Timing,
}

impl<S: Shards> Timed<S> {
    /// The plans of `shards` over the devices of `timing`; an error where they
    /// do not fit together.
    pub fn new(shards: S, timing: Timing) -> anyhow::Result<Timed<S>> {
        timing.check(shards.plans())?;
        Ok(Timed { shards, timing })
    }

    /// Plays a script from the beginning. An error is a wrong answer, or a
    /// simulation that does not end.
    pub fn run(&mut self, script: &Script) -> anyhow::Result<Record> {
        let course = script.course(self.timing.starts_within, self.timing.devices.len())?;
        let played = Simulation::play(&mut self.shards, Wire::new(&self.timing), course);
        played.map_err(|broken| anyhow!(broken)).context("simulation")
    }
}

#[cfg(test)]
mod tests;
