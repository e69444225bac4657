//! Many clusters behind one front, which gives each request to the cluster
//! that has the fewest under way.
//!
//! A plan names at most 64 devices, so a larger fleet is many clusters, each
//! with a gateway of its own; the front is what spreads requests over them. It
//! takes no time itself, and hears of answers now and then.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use quorate_core::cluster::Nanos;

use super::script::Script;
use super::timing::Timing;
use super::wire::Wire;
use crate::sim::course::Requests;
use crate::sim::random::SplitMix;
use crate::sim::record::Record;
use crate::sim::shards::Shards;
use crate::sim::simulation::Simulation;

/// How often a front hears of answers. Meanwhile clusters do not depend on each
/// other, so that each can be let go on for so long at a time.
const HEARS_EVERY: Nanos = 5_000_000;

/// Many clusters of one kind on one virtual clock.
pub struct Front<S: Shards> {
    clusters: Vec<Simulation<S, Wire>>,
    /// By requests under way, as far as is heard, and of those with as many by
    /// who was given one the longest ago.
    load: BTreeSet<(usize, u64, usize)>,
    /// By cluster: its entry in `load`.
    entries: Vec<(usize, u64)>,
    given: u64,
}

impl<S: Shards + Clone> Front<S> {
    /// So many clusters of the plans of `shards`, with delays of their own.
    /// What befalls one by the script, whose requests are not looked at,
    /// befalls each.
    pub fn new(
        shards: &S,
        timing: &Timing,
        count: usize,
        script: &Script,
    ) -> anyhow::Result<Front<S>> {
        ensure!(count > 0, "0 clusters, needs 1 at least");
        timing.check(shards.plans())?;
        let script = Script { requests: Requests::At(Vec::new()), ..script.clone() };
        let course = script.course(timing.starts_within, timing.devices.len())?;
        let cluster = |index: usize| {
            let seed = SplitMix::new(timing.seed ^ index as u64).bits();
            let wire = Wire::new(&timing.clone().seeded(seed));
            Simulation::new(shards.clone(), wire, course.clone())
        };
        Ok(Front {
            clusters: (0..count).map(cluster).collect(),
            load: (0..count).map(|cluster| (0, 0, cluster)).collect(),
            entries: vec![(0, 0); count],
            given: 0,
        })
    }

    /// Takes in requests at these times, in ascending order, until all have
    /// ended; what each cluster did.
    pub fn run(mut self, requests: &[Duration]) -> anyhow::Result<Vec<Record>> {
        ensure!(requests.is_sorted(), "requests must come in the order of their times");
        let mut requests = requests.iter().map(|time| time.as_nanos() as Nanos).peekable();
        let mut until = 0;
        while requests.peek().is_some() || self.entries.iter().any(|(open, _)| *open > 0) {
            until += HEARS_EVERY;
            while let Some(at) = requests.next_if(|at| *at < until) {
                self.give(at);
            }
            for cluster in 0..self.clusters.len() {
                self.go_on(cluster, until)?;
            }
        }
        Ok(self.clusters.into_iter().map(Simulation::finish).collect())
    }

    /// Gives a request to the cluster that has the fewest.
    fn give(&mut self, at: Nanos) {
        let Some((open, _, cluster)) = self.load.first().copied() else { return };
        self.given += 1;
        self.clusters[cluster].request_at(at);
        self.enter(cluster, (open + 1, self.given));
    }

    /// Lets a cluster go on until a time, and hears what it has answered.
    fn go_on(&mut self, cluster: usize, until: Nanos) -> anyhow::Result<()> {
        let simulation = &mut self.clusters[cluster];
        let gone = simulation.go_on(until);
        gone.map_err(|broken| anyhow!("cluster {cluster}: {broken}"))?;
        let (open, (known, given)) = (simulation.open(), self.entries[cluster]);
        if open != known {
            self.enter(cluster, (open, given));
        }
        Ok(())
    }

    fn enter(&mut self, cluster: usize, entry: (usize, u64)) {
        let (open, given) = std::mem::replace(&mut self.entries[cluster], entry);
        self.load.remove(&(open, given, cluster));
        self.load.insert((entry.0, entry.1, cluster));
    }
}
