//! Connections that others open to this worker.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::converse::converse;
use super::event::NetEvent;
use super::handshake::{Opened, greet};
use super::local::Local;
use super::stream::Stream;

/// Connections served at once.
const CONNECTIONS_MAX: usize = 512;

/// An open port.
pub(crate) struct Listener(TcpListener);

impl Listener {
    /// Opens the port of an address.
    pub(crate) async fn bind(address: &str) -> io::Result<Listener> {
        Ok(Listener(TcpListener::bind(address).await?))
    }

    /// The port's address.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Accepts connections for as long as somebody takes their events.
pub(super) async fn serve(listener: Listener, local: Arc<Local>, events: mpsc::Sender<NetEvent>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let (tcp, address) = match listener.0.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("accepting a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (local, events) = (local.clone(), events.clone());
        tokio::spawn(async move {
            let end = match Stream::over(tcp, &local.carrier) {
                Ok(stream) => attend(stream, &local, &events).await,
                Err(error) => error.into(),
            };
            tracing::info!("connection from {address}: {end:#}");
            drop(place);
        });
    }
}

/// One connection, from hello to end; says why it ended.
async fn attend(stream: Stream, local: &Local, events: &mpsc::Sender<NetEvent>) -> anyhow::Error {
    match greet(stream, local, Opened::There).await {
        Ok(greeted) => converse(greeted, Arc::default(), events).await,
        Err(error) => error,
    }
}
