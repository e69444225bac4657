//! Many clusters behind one front, which gives each request to the cluster
//! that has the fewest under way.
//!
//! A plan names at most 64 devices, so a larger fleet is many clusters, each
//! with a gateway of its own; the front is what spreads requests over them. It
//! takes no time itself.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use quorate_core::cluster::Nanos;

use super::script::Script;
use super::timing::Timing;
use super::wire::Wire;
use crate::sim::course::Requests;
use crate::sim::random::SplitMix;
use crate::sim::record::Record;
use crate::sim::shards::Shards;
use crate::sim::simulation::Simulation;

/// Many clusters of one kind on one virtual clock.
pub struct Front<S: Shards> {
    clusters: Vec<Simulation<S, Wire>>,
    /// Who has something to do at which time.
    agenda: BTreeSet<(Nanos, usize)>,
    /// By requests under way, and of those with as many by who was given one
    /// the longest ago.
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
        let course = script.course(timing.devices.len())?;
        let cluster = |index: usize| {
            let seed = SplitMix::new(timing.seed ^ index as u64).bits();
            let wire = Wire::new(&timing.clone().seeded(seed));
            Simulation::new(shards.clone(), wire, course.clone())
        };
        let mut front = Front {
            clusters: (0..count).map(cluster).collect(),
            agenda: BTreeSet::new(),
            load: (0..count).map(|cluster| (0, 0, cluster)).collect(),
            entries: vec![(0, 0); count],
            given: 0,
        };
        let next =
            |(index, cluster): (usize, &Simulation<S, Wire>)| Some((cluster.next_at()?, index));
        front.agenda = front.clusters.iter().enumerate().filter_map(next).collect();
        Ok(front)
    }

    /// Takes in requests at these times, in ascending order, until all have
    /// ended; what each cluster did.
    pub fn run(mut self, requests: &[Duration]) -> anyhow::Result<Vec<Record>> {
        ensure!(requests.is_sorted(), "requests must come in the order of their times");
        let mut requests = requests.iter().map(|time| time.as_nanos() as Nanos).peekable();
        let mut open = 0;
        loop {
            let event = self.agenda.first().copied();
            if let Some(at) = requests.next_if(|at| event.is_none_or(|(time, _)| *at <= time)) {
                self.give(at);
                open += 1;
                continue;
            }
            if open == 0 && requests.peek().is_none() {
                break;
            }
            let (_, cluster) = event.context("nothing more happens")?;
            open -= self.step(cluster)?;
        }
        Ok(self.clusters.into_iter().map(Simulation::finish).collect())
    }

    /// Gives a request to the cluster that has the fewest.
    fn give(&mut self, at: Nanos) {
        let Some((_, _, cluster)) = self.load.pop_first() else { return };
        self.given += 1;
        let before = self.clusters[cluster].next_at();
        self.clusters[cluster].request_at(at);
        self.note(cluster, before, self.given);
    }

    /// Lets a cluster go on by one event; how many requests have ended by it.
    fn step(&mut self, cluster: usize) -> anyhow::Result<usize> {
        let simulation = &mut self.clusters[cluster];
        let (before, open) = (simulation.next_at(), simulation.open());
        simulation.step().map_err(|broken| anyhow!("cluster {cluster}: {broken}"))?;
        let ended = open - simulation.open();
        if ended > 0 {
            let (had, given) = self.entries[cluster];
            self.load.remove(&(had, given, cluster));
            self.note(cluster, before, given);
        } else {
            self.remind(cluster, before);
        }
        Ok(ended)
    }

    /// Enters what has become of a cluster whose load was taken out.
    fn note(&mut self, cluster: usize, before: Option<Nanos>, given: u64) {
        let entry = (self.clusters[cluster].open(), given);
        self.entries[cluster] = entry;
        self.load.insert((entry.0, entry.1, cluster));
        self.remind(cluster, before);
    }

    /// Enters when a cluster has something to do next.
    fn remind(&mut self, cluster: usize, before: Option<Nanos>) {
        let after = self.clusters[cluster].next_at();
        if after != before {
            before.map(|at| self.agenda.remove(&(at, cluster)));
            self.agenda.extend(after.map(|at| (at, cluster)));
        }
    }
}
