//! The connection to one worker, kept up for as long as this process lives.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use quorate_core::admit::Peer;
use quorate_core::cluster::Device;
use quorate_core::id::DeviceId;
use quorate_core::plan::Plans;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

use super::outbox::Outbox;
use super::{Link, Local, NetEvent, converse, prepare, read_hello, write_hello};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const BACK_OFF_FIRST: Duration = Duration::from_millis(20);
const BACK_OFF_MAX: Duration = Duration::from_millis(500);
/// Frames that have waited longer than this for a connection are of no use.
const STALE: Duration = Duration::from_millis(500);

/// Whom to dial, and where its frames wait.
#[derive(Clone, Debug)]
pub struct Target {
    /// The worker.
    pub peer: Peer,
    /// Its name in the plan, which it must answer with.
    pub name: String,
    /// Where it listens.
    pub address: String,
    /// Frames to it.
    pub outbox: Arc<Outbox>,
    /// Dials at once, without waiting for the next try: for when the peer is
    /// known to be there.
    pub now: Arc<Notify>,
}

impl Target {
    /// The worker of `device` in `plans`.
    pub fn of(plans: &Plans, device: DeviceId) -> Target {
        let Device { name, address, .. } = plans.cluster.devices()[device.index()].clone();
        Target {
            peer: Peer::Device(device),
            name,
            address,
            outbox: Arc::default(),
            now: Arc::default(),
        }
    }
}

/// Dials `target` again and again.
pub async fn keep(local: Local, target: Target, events: mpsc::Sender<NetEvent>) {
    let Target { peer, name, address, outbox, now } = target;
    let mut back_off = BACK_OFF_FIRST;
    let mut known = String::new();
    while !events.is_closed() {
        match connect(&local, &name, &address).await {
            Ok((halves, hello)) => {
                tracing::debug!(%name, %address, "connected");
                back_off = BACK_OFF_FIRST;
                known.clear();
                outbox.forget_older(STALE);
                let link = Link::new(outbox.clone());
                let id = link.id;
                if events.send(NetEvent::Up(peer, hello, link.clone())).await.is_err() {
                    return;
                }
                let end = converse(halves, peer, &link, local.frame_bytes_max, &events).await;
                tracing::info!("{name} at {address}: {end:#}");
                if events.send(NetEvent::Down(peer, id)).await.is_err() {
                    return;
                }
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

type Halves = (super::Reader, tokio::net::tcp::OwnedWriteHalf);

async fn connect(
    local: &Local,
    name: &str,
    address: &str,
) -> anyhow::Result<(Halves, quorate_core::frame::Hello)> {
    let dialled = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
    let (mut reader, mut writer) = prepare(dialled.context("no connection in time")??)?;
    write_hello(&mut writer, &local.hello).await?;
    let hello = read_hello(&mut reader).await?;
    ensure!(hello.name == name, "answers as {:?}, expected {name:?}", hello.name);
    Ok(((reader, writer), hello))
}
