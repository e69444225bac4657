//! Many clusters behind one front: what requests take, and what it takes to
//! simulate them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use quorate_model::stage::Staged;
use serde::{Deserialize, Serialize};

use super::subject::{Subject, with_dead};
use crate::experiment::Context;
use crate::sim::Record;
use crate::sim::random::SplitMix;
use crate::sim::timed::{Front, Script};
use crate::statistics::percentile;

/// Clusters behind one front.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FrontSpec {
    pub(super) profile: String,
    pub(super) network: String,
    /// Of each cluster.
    pub(super) devices: usize,
    pub(super) tolerance: usize,
    pub(super) clusters: Vec<usize>,
    requests: usize,
    rate_per_cluster: f64,
}

/// What was seen of so many clusters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) clusters: usize,
    /// Devices that are dead in each.
    pub(super) dead: usize,
    pub(super) requests: usize,
    pub(super) failed: usize,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Requests of the cluster that was given the fewest, and the most.
    pub(super) fewest: usize,
    pub(super) most: usize,
    digest: u64,
}

/// What simulating a row again took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Clock {
    /// Wall time a simulated request, in microseconds.
    pub(super) request_us: f64,
    /// Runs that were not equal to the first.
    pub(super) differed: usize,
}

/// So many clusters behind one front.
pub(super) struct Fleet<'a> {
    pub(super) staged: &'a Staged,
    pub(super) spec: &'a FrontSpec,
    pub(super) clusters: usize,
}

impl Fleet<'_> {
    /// With every device, and with as many dead in each cluster as may be.
    pub(super) fn run(&self, context: &mut Context) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for dead in [0, self.spec.tolerance] {
            context.go_on()?;
            rows.push(self.row(dead, &self.play(dead, context.seed())?));
        }
        Ok(rows)
    }

    /// Every row again so often, by the clock: the least time counts.
    pub(super) fn time(
        &self,
        rows: &[Row],
        runs: usize,
        context: &mut Context,
    ) -> anyhow::Result<Vec<Clock>> {
        let mut clocks = Vec::new();
        for row in rows {
            let (mut least, mut differed) = (f64::INFINITY, 0);
            for _ in 0..runs {
                context.go_on()?;
                let since = Instant::now();
                let records = self.play(row.dead, context.seed())?;
                least = least.min(since.elapsed().as_secs_f64() * 1e6);
                differed += usize::from(digest(&records) != row.digest);
            }
            clocks.push(Clock { request_us: least / row.requests.max(1) as f64, differed });
        }
        Ok(clocks)
    }

    fn play(&self, dead: usize, seed: u64) -> anyhow::Result<Vec<Record>> {
        let FrontSpec { profile, network, devices, tolerance, .. } = self.spec;
        let data = devices - tolerance;
        let subject = Subject::new(self.staged, (profile, network), data, *tolerance, seed)?;
        let script = with_dead(Script::one_by_one(0), dead);
        let front = Front::new(&subject.blank, &subject.timing, self.clusters, &script)?;
        front.run(&self.times(seed))
    }

    /// When requests come to the front: each at random, whatever the others do.
    fn times(&self, seed: u64) -> Vec<Duration> {
        let mut random = SplitMix::new(seed);
        let rate = self.spec.rate_per_cluster * self.clusters as f64;
        let distances = (0..self.spec.requests).map(|_| -(1.0 - random.share()).ln() / rate);
        let times = distances.scan(0.0, |at, distance| {
            *at += distance;
            Some(Duration::from_secs_f64(*at))
        });
        times.collect()
    }

    fn row(&self, dead: usize, records: &[Record]) -> Row {
        let latencies = records.iter().flat_map(Record::latencies);
        let ms: Vec<f64> = latencies.map(|latency| latency.as_secs_f64() * 1e3).collect();
        let given = || records.iter().map(|record| record.endings.len());
        Row {
            clusters: self.clusters,
            dead,
            requests: given().sum(),
            failed: records.iter().map(Record::failures).sum(),
            p50_ms: percentile(&ms, 0.5),
            p99_ms: percentile(&ms, 0.99),
            fewest: given().min().unwrap_or(0),
            most: given().max().unwrap_or(0),
            digest: digest(records),
        }
    }
}

fn digest(records: &[Record]) -> u64 {
    let mut hasher = DefaultHasher::new();
    records.iter().for_each(|record| record.digest.hash(&mut hasher));
    hasher.finish()
}
