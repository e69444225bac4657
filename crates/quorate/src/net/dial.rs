//! The connection to one worker, kept up for as long as this process lives.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use quorate_core::cluster::Device;
use quorate_core::id::DeviceId;
use tokio::sync::{Notify, mpsc};

use super::converse::converse;
use super::event::NetEvent;
use super::handshake::{Greeted, Opened, greet};
use super::local::Local;
use super::outbox::Outbox;
use super::stream::Stream;

/// Time that a try has: a first packet that is lost is only sent again after a
/// second.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(250);
/// Some peers are far away: time that one try of so many has, and one of fewer as
/// long as none has succeeded.
const FAR_TIMEOUT: Duration = Duration::from_secs(2);
const FAR_EVERY: u32 = 16;
const FAR_EVERY_AT_FIRST: u32 = 4;
const BACK_OFF_FIRST: Duration = Duration::from_millis(20);
const BACK_OFF_MAX: Duration = Duration::from_millis(100);
/// Frames that have waited longer than this for a connection are of no use.
const STALE: Duration = Duration::from_millis(500);

/// A worker that is dialled, and where its frames wait.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The worker.
    device: DeviceId,
    /// Frames to it.
    pub(super) outbox: Arc<Outbox>,
    /// Ends the pause before the next try, once the peer is known to be there.
    pub(super) now: Arc<Notify>,
}

impl Target {
    pub(super) fn new(device: DeviceId, local: &Local) -> Target {
        let outbox = Arc::new(Outbox::new(local.outgoing.clone()));
        Target { device, outbox, now: Arc::default() }
    }
}

/// Dials `target` again and again.
pub(super) async fn keep(local: Arc<Local>, target: Target, events: mpsc::Sender<NetEvent>) {
    let Target { device, outbox, now } = target;
    let Device { name, address, .. } = &local.plans.cluster().devices()[device.index()];
    let mut back_off = BACK_OFF_FIRST;
    let mut known = String::new();
    let (mut tries, mut far_every) = (0, FAR_EVERY_AT_FIRST);
    while !events.is_closed() {
        tries += 1;
        outbox.forget_older(local.carrier.stretch(STALE));
        let timeout = if tries % far_every == 0 { FAR_TIMEOUT } else { CONNECT_TIMEOUT };
        match connect(&local, device, address, timeout).await {
            Ok(greeted) => {
                tracing::debug!(%name, %address, "connected");
                back_off = BACK_OFF_FIRST;
                (tries, far_every) = (0, FAR_EVERY);
                known.clear();
                outbox.forget_older(local.carrier.stretch(STALE));
                let end = converse(greeted, outbox.clone(), &local.incoming, &events).await;
                if events.is_closed() {
                    return;
                }
                tracing::info!("{name} at {address}: {end:#}");
            }
            Err(error) => {
                // The same trouble over and over is told once.
                let words = format!("{error:#}");
                if words != known {
                    tracing::info!("{name} at {address}: {words}");
                    known = words;
                }
            }
        }
        // An early call only ends the pause.
        let _ = tokio::time::timeout(back_off, now.notified()).await;
        back_off = (back_off * 2).min(BACK_OFF_MAX);
    }
}

async fn connect(
    local: &Local,
    device: DeviceId,
    address: &str,
    timeout: Duration,
) -> anyhow::Result<Greeted> {
    let patience = local.carrier.stretch(timeout);
    let dialled = Stream::connect(address, &local.carrier, patience);
    let dialled = tokio::time::timeout(patience, dialled).await;
    greet(dialled.context("no connection in time")??, local, Opened::Here(device)).await
}
