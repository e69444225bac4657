//! Drives a worker: `select -> handle(now, event) -> execute commands`.

mod driver;
mod load_ahead;

use std::sync::Arc;

use anyhow::{Context, ensure};
use quorate_core::frame::Role;
use quorate_core::id::DeviceId;
use quorate_core::worker::WorkerConfig;
use quorate_engine::Engine;

use super::clock::Clock;
use super::compute::ComputeLanes;
use super::tasks::TaskStore;
use crate::bundle::{Checked, Folder, check_files};
use crate::emulation::{EmulatedEngine, Emulation, Wire};
use crate::memory::Memory;
use crate::net::{Carrier, Links, Listener, Local};
use driver::Driver;
use load_ahead::LoadAhead;

/// How a worker runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The device's name in the plan.
    pub name: String,
    /// Where to listen; the plan's address if `None`.
    pub listen: Option<String>,
    /// Tasks computed at the same time.
    pub lanes: usize,
    /// The device that it emulates, if it does.
    pub emulation: Option<Emulation>,
    /// What it may take for requests.
    pub memory: Memory,
}

/// A worker that listens, before it serves.
pub struct Listening {
    folder: Folder,
    device: DeviceId,
    options: Options,
    listener: Listener,
    store: Arc<TaskStore>,
    ahead: LoadAhead,
    carrier: Carrier,
}

impl Listening {
    /// Loads the main plan's tasks and opens the port.
    pub async fn open(
        folder: Folder,
        options: Options,
        engine: Arc<dyn Engine>,
    ) -> anyhow::Result<Listening> {
        let plans = &folder.plans;
        let device = plans.cluster().find(&options.name).with_context(|| {
            format!(
                "no device {} in the plan, which has {}",
                options.name,
                plans.cluster().names().join(", ")
            )
        })?;
        ensure!(
            folder.name == options.name,
            "{} was packed for {}, not for {}",
            folder.path.display(),
            folder.name,
            options.name
        );
        folder.check_engine(&*engine)?;
        let (engine, carrier) = match &options.emulation {
            None => (engine, Carrier::Plain),
            Some(emulation) => {
                let wire = Wire::new(emulation)?;
                let slow = EmulatedEngine::open(engine, &folder.path, emulation.clone())?;
                (Arc::new(slow) as Arc<dyn Engine>, Carrier::Emulated(wire))
            }
        };
        let store = Arc::new(TaskStore::new(engine, &folder.path));
        let (all, loading) = (plans.clone(), store.clone());
        let path = folder.path.clone();
        // Off the thread that listens for an interrupt. Nothing is computed with a
        // file before it is known to be whole.
        let load = move || {
            if check_files(&path, &mut |_, _| ())? == Checked::Unknown {
                tracing::warn!("{} has no list of its files: pack again", path.display());
            }
            LoadAhead::start(&all, device, &loading)
        };
        let ahead = tokio::task::spawn_blocking(load).await??;
        let address = match &options.listen {
            Some(address) => address.clone(),
            None => plans.cluster().devices()[device.index()].address.clone(),
        };
        let listener = Listener::bind(&address)
            .await
            .with_context(|| format!("listening on {address} for {}", options.name))?;
        Ok(Listening { folder, device, options, listener, store, ahead, carrier })
    }

    /// The port's address.
    pub fn address(&self) -> std::io::Result<std::net::SocketAddr> {
        self.listener.address()
    }

    /// Serves until the process ends.
    pub async fn serve(self) -> anyhow::Result<()> {
        let Listening { folder, device, options, listener, store, ahead, carrier } = self;
        let plans = folder.plans;
        let (lanes, computed) = ComputeLanes::start(&store, options.lanes)?;
        let memory = options.memory;
        let local = Local::new(Role::Worker, &options.name, &plans, carrier, memory);
        let mut links = Links::new(local);
        links.dial(plans.everybody().iter().filter(|other| *other != device));
        links.listen(listener);
        let (lanes_count, usual) = (options.lanes, folder.usual);
        let config = WorkerConfig {
            lanes: lanes_count,
            usual,
            payload_bytes_max: memory.kept(),
            ..WorkerConfig::default()
        };
        let dilation = options.emulation.map_or(1.0, |emulation| emulation.dilation);
        let clock = Clock::start(dilation);
        Driver::new(clock, (&plans, device), config, lanes, links, ahead).run(computed).await
    }
}
