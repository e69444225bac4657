//! A cluster of emulated devices as real processes, and requests to it.
//!
//! ```text
//! model + plans --pack, measure--> Site
//! Site + World --start processes--> Fleet --requests, blows--> Request, Request, …
//! ```
//!
//! All times are of the emulated devices: where [`World::dilation`] slows them
//! down, what is told has been divided by it.

mod pace;
mod request;
mod site;
mod stream;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use quorate::bundle::Folder;
use quorate::emulation::EmulatedCluster;
use quorate::node::gateway::{Handle, assemble};
use quorate::node::runtime;
use quorate::workers::Workers;
use quorate_core::cluster::GATEWAY_FOLDER;
use quorate_core::gateway::GatewayConfig;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub use self::{
    pace::Pace,
    request::{Request, latencies, latencies_or},
    site::Site,
    stream::{Blow, Script},
};
use crate::engine::{engine, engine_arguments};

/// Of so many requests in turn one may be thrown away, and so many at least.
const DISCARDED_SHARE: usize = 4;
const DISCARDED_MIN: usize = 3;

/// Time that the processes have to come up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The devices and the network that are emulated.
#[derive(Clone, Debug)]
pub struct World {
    /// Names of profiles: one for all devices, or one for each.
    pub devices: Vec<String>,
    /// Name of a network.
    pub network: String,
    /// How many times slower all of it is than it says.
    pub dilation: f64,
    /// Decides delays that are drawn.
    pub seed: u64,
}

impl World {
    /// Devices of one kind on a network.
    pub fn of(profile: &str, network: &str, dilation: f64, seed: u64) -> World {
        let (devices, network) = (vec![profile.to_owned()], network.to_owned());
        World { devices, network, dilation, seed }
    }
}

/// Emulated devices that run, and a gateway.
pub struct Fleet<'a> {
    site: &'a Site,
    cluster: EmulatedCluster,
    workers: Workers,
    handle: Handle,
    /// Requests that do not count, as this machine was too slow meanwhile.
    discarded: usize,
    /// How often it was too slow in what counts.
    late: usize,
    // Last, as the others live on them.
    runtime: Runtime,
    _logs: TempDir,
}

impl<'a> Fleet<'a> {
    /// Starts the processes of `site` by the program `quorate`, and waits
    /// until all are there.
    pub fn start(
        program: &Path,
        site: &'a Site,
        world: &World,
        config: GatewayConfig,
    ) -> anyhow::Result<Fleet<'a>> {
        let (runtime, logs) = (runtime()?, TempDir::new().context("a temporary folder")?);
        let count = site.plans.cluster().devices().len();
        let start = async {
            let World { devices, network, dilation, seed } = world;
            let cluster =
                EmulatedCluster::start(devices, count, network, *dilation, *seed, logs.path());
            let cluster = cluster.await?;
            let arguments = (0..count).map(|device| {
                let own = engine_arguments().map(str::to_owned).into_iter();
                own.chain(cluster.worker_arguments(device)).collect()
            });
            let arguments = arguments.collect();
            let bundle = site.bundle();
            let workers = Workers::start(program, &site.plans, &bundle, logs.path(), arguments)?;
            let folder = Folder::open(&bundle.join(GATEWAY_FOLDER))?;
            let handle = Handle::emulated(&folder, engine(), config, Some(cluster.gateway()))?;
            let ready = assemble(&handle, PATIENCE).await;
            ready.with_context(|| workers.last_words())?;
            // Enough would do to answer, but not under the main plan.
            let everybody = handle.plans().everybody();
            let all = handle.wait_until(PATIENCE, |status| status.alive == everybody).await;
            ensure!(all, "devices that did not come up in time: {}", workers.last_words());
            anyhow::Ok((cluster, workers, handle))
        };
        let (cluster, workers, handle) = runtime.block_on(start)?;
        let (discarded, late) = (0, 0);
        Ok(Fleet { site, cluster, workers, handle, discarded, late, runtime, _logs: logs })
    }

    /// Asks for answers in turn, each `gap` after the one before; a request
    /// without an answer for `deadline` is lost. One that this machine was too
    /// slow for, whatever came of it, is thrown away and asked again, as long as
    /// those are few: nothing else was under way then.
    pub fn in_turn(
        &mut self,
        count: usize,
        gap: Duration,
        deadline: Duration,
    ) -> anyhow::Result<Vec<Request>> {
        let mut left = (count / DISCARDED_SHARE).max(DISCARDED_MIN);
        let mut requests = Vec::with_capacity(count);
        while requests.len() < count {
            let before = self.cluster.overruns()?.0;
            let request = self.ask(requests.len(), gap, deadline)?;
            let late = self.cluster.overruns()?.0 - before;
            if late > 0 && left > 0 {
                left -= 1;
                self.discarded += 1;
            } else {
                self.late += late;
                requests.push(request);
            }
        }
        Ok(requests)
    }

    fn ask(&mut self, number: usize, gap: Duration, deadline: Duration) -> anyhow::Result<Request> {
        let Fleet { site, handle, runtime, .. } = self;
        runtime.block_on(async {
            let request = stream::ask(handle, site, number, deadline).await?;
            tokio::time::sleep(gap.mul_f64(handle.dilation())).await;
            Ok(request)
        })
    }

    /// Plays a script: requests when they are due, whatever became of those
    /// before, and what befalls devices. Where nothing befalls them, requests
    /// that were under way when this machine was too slow are thrown away, as
    /// long as they are few, and as many are asked afterwards, as often.
    pub fn play(&mut self, script: &Script) -> anyhow::Result<Vec<Request>> {
        let mut left = (script.due.len() / DISCARDED_SHARE).max(DISCARDED_MIN);
        let (mut requests, mut rest) = (Vec::new(), script.clone());
        loop {
            let before = self.cluster.overruns()?.0;
            let played = self.play_once(&rest)?;
            let late = self.cluster.overruns()?.0 - before;
            let spoilt = played.spoilt.len();
            if !rest.blows.is_empty() || spoilt > left {
                self.late += late;
                requests.extend(played.requests);
                return Ok(requests);
            }
            left -= spoilt;
            self.discarded += spoilt;
            let good = played.requests.into_iter().enumerate();
            let good = good.filter(|(number, _)| !played.spoilt.contains(number));
            requests.extend(good.map(|(_, request)| request));
            if spoilt == 0 {
                return Ok(requests);
            }
            rest.due.truncate(spoilt);
        }
    }

    fn play_once(&mut self, script: &Script) -> anyhow::Result<stream::Played> {
        let Fleet { site, cluster, workers, handle, runtime, .. } = self;
        let late = || Ok(cluster.overruns()?.0);
        runtime.block_on(stream::play(handle, site, workers, script, late))
    }

    /// Does this to a device now.
    pub fn strike(&mut self, blow: Blow) -> anyhow::Result<()> {
        let Fleet { workers, handle, runtime, .. } = self;
        // A process is started on the runtime.
        runtime.block_on(async { stream::strike(handle, workers, blow) })
    }

    /// Lets time pass for the devices.
    pub fn pass(&mut self, time: Duration) {
        let time = time.mul_f64(self.handle.dilation());
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    /// Waits until all devices are believed alive, at most so long.
    pub fn recover(&mut self, patience: Duration) -> bool {
        let Fleet { handle, runtime, .. } = self;
        let everybody = handle.plans().everybody();
        runtime.block_on(handle.wait_until(patience, |status| status.alive == everybody))
    }

    /// Ends the processes; how often this machine was too slow for them in what
    /// counts, and how many requests do not.
    pub fn end(self) -> (usize, usize) {
        let Fleet { workers, runtime, .. } = self;
        runtime.block_on(workers.end());
        (self.late, self.discarded)
    }
}
