//! Connections that others open to this worker.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use quorate_core::admit::Peer;
use quorate_core::frame::{Hello, Role};
use quorate_core::plan::Plans;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};

use super::outbox::Outbox;
use super::{Link, Local, NetEvent, converse, prepare, read_hello, write_hello};

/// Connections served at once.
const CONNECTIONS_MAX: usize = 512;

/// Accepts connections for as long as somebody takes their events.
pub async fn serve(
    listener: TcpListener,
    local: Local,
    plans: Arc<Plans>,
    events: mpsc::Sender<NetEvent>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("accepting a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (local, plans, events) = (local.clone(), plans.clone(), events.clone());
        tokio::spawn(async move {
            if let Err(error) = attend(stream, &local, &plans, &events).await {
                tracing::info!("connection from {address}: {error:#}");
            }
            drop(place);
        });
    }
}

/// One connection, from hello to end.
async fn attend(
    stream: TcpStream,
    local: &Local,
    plans: &Plans,
    events: &mpsc::Sender<NetEvent>,
) -> anyhow::Result<()> {
    let (mut reader, mut writer) = prepare(stream)?;
    let hello = read_hello(&mut reader).await?;
    let peer = identify(plans, &hello)?;
    write_hello(&mut writer, &local.hello).await?;
    let link = Link::new(Arc::new(Outbox::default()));
    events.send(NetEvent::Up(peer, hello, link.clone())).await?;
    let end = converse((reader, writer), peer, &link, local.frame_bytes_max, events).await;
    events.send(NetEvent::Down(peer, link.id)).await?;
    Err(end)
}

fn identify(plans: &Plans, hello: &Hello) -> anyhow::Result<Peer> {
    match &hello.role {
        Role::Gateway(run) => Ok(Peer::Gateway(*run)),
        Role::Worker => {
            let device = plans.cluster.find(&hello.name);
            device.map(Peer::Device).with_context(|| format!("no device {:?} in plan", hello.name))
        }
    }
}
