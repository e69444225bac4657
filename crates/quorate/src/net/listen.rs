//! Connections that others open to this worker.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use super::converse::converse;
use super::event::NetEvent;
use super::handshake::{Opened, greet};
use super::local::Local;
use super::outbox::Outbox;
use super::stream::Stream;

/// Connections served at once.
const CONNECTIONS_MAX: usize = 512;

/// How long a port may be another's.
const PORT_PATIENCE: Duration = Duration::from_secs(5);
/// Time between two tries at it.
const PORT_PAUSE: Duration = Duration::from_millis(100);

/// An open port.
pub(crate) struct Listener(TcpListener);

impl Listener {
    /// Opens the port of an address. Where another process has it, that may be
    /// the one before this one, which has not quite ended: it is waited for.
    pub(crate) async fn bind(address: &str) -> io::Result<Listener> {
        let until = Instant::now() + PORT_PATIENCE;
        loop {
            match TcpListener::bind(address).await {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < until =>
                {
                    tracing::warn!("{address} is in use: trying again");
                    tokio::time::sleep(PORT_PAUSE).await;
                }
                bound => return bound.map(Listener),
            }
        }
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
        Ok(greeted) => {
            let outbox = Arc::new(Outbox::new(local.outgoing.clone()));
            converse(greeted, outbox, &local.incoming, events).await
        }
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_given_up_is_taken() {
        let before = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = before.local_addr().unwrap();
        let given_up = async {
            // Not before it was tried once.
            tokio::task::yield_now().await;
            drop(before);
        };
        let text = address.to_string();
        let (bound, ()) = tokio::join!(Listener::bind(&text), given_up);
        assert_eq!(bound.unwrap().address().unwrap(), address);
    }
}
