//! A medium that all processes share: one message at a time is on it.
//!
//! ```text
//! ready u64 | cost u64 | first u8 -->
//!                                 <-- start u64 | end u64
//! ```
//!
//! Nanoseconds, big endian. What goes first does not wait for others.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_core::cluster::{Nanos, Port, Span};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex as AsyncMutex;

/// Processes served at once.
const PROCESSES_MAX: usize = 256;

/// Gives time on the medium to whoever asks, in the order in which they ask.
pub struct Medium {
    listener: TcpListener,
    port: Arc<Mutex<Port>>,
}

impl Medium {
    /// Opens the port of an address.
    pub async fn bind(address: &str) -> io::Result<Medium> {
        Ok(Medium { listener: TcpListener::bind(address).await?, port: Arc::default() })
    }

    /// The port's address.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the process ends.
    pub async fn serve(self) -> io::Result<()> {
        let places = Arc::new(tokio::sync::Semaphore::new(PROCESSES_MAX));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return Ok(()) };
            let (stream, _) = self.listener.accept().await?;
            let port = self.port.clone();
            tokio::spawn(async move {
                // A process that has ended asks no more.
                let _ = attend(stream, &port).await;
                drop(place);
            });
        }
    }
}

async fn attend(mut stream: TcpStream, port: &Mutex<Port>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let (ready, cost) = (stream.read_u64().await?, stream.read_u64().await?);
        let (first, cost) = (stream.read_u8().await? != 0, Duration::from_nanos(cost));
        let span = {
            let port = port.lock();
            let mut port = port.map_err(|_| io::Error::other("the medium is broken"))?;
            if first { port.cut_in(ready, cost) } else { port.take(ready, cost) }
        };
        let mut reply = [0; 16];
        reply[..8].copy_from_slice(&span.start.to_be_bytes());
        reply[8..].copy_from_slice(&span.end.to_be_bytes());
        stream.write_all(&reply).await?;
    }
}

/// The way to a medium from one process.
#[derive(Debug)]
pub(super) struct MediumClient {
    address: String,
    stream: AsyncMutex<Option<TcpStream>>,
}

impl MediumClient {
    /// To the medium that listens at `address`; connected to when first asked.
    pub(super) fn new(address: &str) -> MediumClient {
        MediumClient { address: address.to_owned(), stream: AsyncMutex::new(None) }
    }

    /// Takes the medium for `cost`, from `ready` on at the earliest; then at once,
    /// where the message goes `first`.
    pub(super) async fn take(&self, ready: Nanos, cost: Duration, first: bool) -> io::Result<Span> {
        let mut slot = self.stream.lock().await;
        if slot.is_none() {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            *slot = Some(stream);
        }
        let Some(stream) = slot.as_mut() else { return Err(io::ErrorKind::NotConnected.into()) };
        let mut ask = [0; 17];
        ask[..8].copy_from_slice(&ready.to_be_bytes());
        ask[8..16].copy_from_slice(&(cost.as_nanos() as u64).to_be_bytes());
        ask[16] = first.into();
        stream.write_all(&ask).await?;
        Ok(Span { start: stream.read_u64().await?, end: stream.read_u64().await? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_at_a_time_whoever_sends_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let medium = Medium::bind("127.0.0.1:0").await.unwrap();
            let address = medium.address().unwrap().to_string();
            tokio::spawn(medium.serve());
            let [a, b] = [(); 2].map(|()| MediumClient::new(&address));
            let ns = Duration::from_nanos;
            assert_eq!(a.take(100, ns(50), false).await.unwrap(), Span { start: 100, end: 150 });
            assert_eq!(b.take(120, ns(10), false).await.unwrap(), Span { start: 150, end: 160 });
            assert_eq!(b.take(130, ns(5), true).await.unwrap(), Span { start: 130, end: 135 });
            assert_eq!(a.take(140, ns(1), false).await.unwrap(), Span { start: 165, end: 166 });
            assert_eq!(a.take(1000, ns(0), false).await.unwrap(), Span { start: 1000, end: 1000 });
            let nobody = MediumClient::new("127.0.0.1:1");
            assert!(nobody.take(0, ns(1), false).await.is_err());
        });
    }
}
