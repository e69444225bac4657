//! The way to ask a running gateway, for the program and any other front end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_core::audit::Verify;
use quorate_core::gateway::{GatewayConfig, Notice};
use quorate_core::plan::{OUTPUT_TASK, Plans};
use quorate_engine::{Engine, Port};
use quorate_model::tensor::Tensor;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::answer::AskError;
use super::driver::{Ask, Driver, Started, Who};
use super::identity::Identity;
use super::places::Places;
use super::status::Status;
use super::ticket::Ticket;
use crate::bundle::{Folder, check_files, input_ports};
use crate::emulation::Emulation;
use crate::memory::Memory;
use crate::node::tasks::TaskStore;

/// The handle of a running gateway. The gateway ends when it is dropped; who can
/// wait ends it by [`Handle::close`].
pub struct Handle {
    plans: Arc<Plans>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    asks: mpsc::UnboundedSender<Ask>,
    next_token: AtomicU64,
    /// For requests that may be under way.
    places: Places,
    status: watch::Receiver<Status>,
    notices: broadcast::Sender<Notice>,
    dilation: f64,
    end: JoinHandle<()>,
    /// Keeps the gateway's name its own.
    _identity: Identity,
}

impl Handle {
    /// Starts a gateway over the devices of a bundle's `gateway` folder.
    pub fn start(
        folder: &Folder,
        engine: Arc<dyn Engine>,
        config: GatewayConfig,
    ) -> anyhow::Result<Handle> {
        Handle::emulated(folder, engine, config, None)
    }

    /// The same on an emulated network: of the emulated device, only what
    /// messages cost it counts.
    pub fn emulated(
        folder: &Folder,
        engine: Arc<dyn Engine>,
        config: GatewayConfig,
        emulation: Option<&Emulation>,
    ) -> anyhow::Result<Handle> {
        Handle::within(folder, engine, config, emulation, Memory::of_machine())
    }

    /// The same where requests and what waits to go out take so much memory.
    pub fn within(
        folder: &Folder,
        engine: Arc<dyn Engine>,
        config: GatewayConfig,
        emulation: Option<&Emulation>,
        memory: Memory,
    ) -> anyhow::Result<Handle> {
        folder.check_engine(&*engine)?;
        check_files(&folder.path, &mut |_, _| ())?;
        let plans = folder.plans.clone();
        let store = Arc::new(TaskStore::new(engine, &folder.path));
        let outputs = store.outputs(OUTPUT_TASK)?;
        let places = Places::new(&plans, config.pending_max, memory);
        let config = GatewayConfig { usual: folder.usual.clone(), ..config };
        let (asks, asked) = mpsc::unbounded_channel();
        let identity = Identity::take(&folder.path);
        let who = Who { run: identity.run, emulation, memory };
        let Started { status, notices, end } = Driver::start(&plans, &store, config, &who, asked)?;
        Ok(Handle {
            inputs: input_ports(&plans),
            outputs,
            plans,
            asks,
            next_token: AtomicU64::new(0),
            places,
            status,
            notices,
            dilation: emulation.map_or(1.0, |emulation| emulation.dilation),
            end,
            _identity: identity,
        })
    }

    /// How many times slower than it should time passes for the gateway; 1
    /// but on an emulated network. Spans that it is told, and tells, are of
    /// its own time.
    pub fn dilation(&self) -> f64 {
        self.dilation
    }

    /// The plans in use.
    pub fn plans(&self) -> &Arc<Plans> {
        &self.plans
    }

    /// Names, types and shapes of the model's inputs, in the order in which
    /// [`Handle::submit`] takes them.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// Names, types and shapes of the model's outputs, in the order in which
    /// an answer has them.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// Asks for the answer to `inputs` within `deadline`; the ticket is a
    /// future of it. An error where as many requests are under way as
    /// [`GatewayConfig::pending_max`] or memory allows, or where the gateway has
    /// ended.
    pub fn submit(&self, inputs: Vec<Tensor>, deadline: Duration) -> Result<Ticket, AskError> {
        self.submit_verified(inputs, deadline, self.plans.verify())
    }

    /// The same, where the answer is checked as `verify` says and not as the plan
    /// does.
    pub fn submit_verified(
        &self,
        inputs: Vec<Tensor>,
        deadline: Duration,
        verify: Verify,
    ) -> Result<Ticket, AskError> {
        let place = self.places.take(&inputs)?;
        let (reply, answer) = oneshot::channel();
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        let ask = Ask::Submit { token, inputs, deadline, verify, reply, place };
        self.asks.send(ask).map_err(|_| AskError::Ended)?;
        Ok(Ticket::new(token, answer, self.asks.downgrade()))
    }

    /// Ends the gateway, and waits until the devices have been told to forget its
    /// requests. Whoever waits for an answer gets [`AskError::Ended`].
    pub async fn close(self) {
        drop(self.asks);
        // One that has panicked has ended, too.
        let _ = self.end.await;
    }

    /// Suspects devices after this much silence from now on.
    pub fn suspect_after(&self, silence: Duration) {
        // One that has ended suspects nobody.
        let _ = self.asks.send(Ask::SuspectAfter(silence));
    }

    /// How the cluster looks now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Subscribes to what happens from now on. A subscriber that reads slowly
    /// loses the oldest notices, and is told how many.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Waits until the status satisfies `is`, at most for `limit`; false if
    /// it did not.
    pub async fn wait_until(&self, limit: Duration, is: impl Fn(&Status) -> bool) -> bool {
        let mut status = self.status.clone();
        let wait = status.wait_for(is);
        let limit = limit.mul_f64(self.dilation);
        tokio::time::timeout(limit, wait).await.is_ok_and(|found| found.is_ok())
    }
}
