//! A connection to another process, whatever carries it.
//!
//! Nothing beyond this file knows what bytes travel over: plain TCP, or an
//! emulated network. What is to travel otherwise, encrypted say, is a further
//! [`Carrier`].

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::TcpKeepalive;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;

use crate::emulation::{EmulatedReader, EmulatedWriter, Wire};

/// Sent data without a sign of life from the other side for this long ends
/// the connection: TCP itself tries again ever more rarely, so that over a link
/// that was cut for a second nothing comes for a second more.
const USER_TIMEOUT: Duration = Duration::from_millis(400);
/// The same over an emulated network, which takes bytes in as slowly as they
/// would come.
const EMULATED_USER_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection without any traffic is probed after this long, and so often.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(2);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes that are handed to the system before it has sent those before: what it
/// has cannot be taken back once it is of no use any more.
const UNSENT_MAX: u32 = 64 << 10;

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Where bytes come in.
pub(super) type ReadHalf = Box<dyn AsyncRead + Send + Unpin>;
/// Where bytes go out.
pub(super) type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// What connections travel over.
#[derive(Clone, Debug, Default)]
pub(crate) enum Carrier {
    /// TCP.
    #[default]
    Plain,
    /// An emulated network, over TCP.
    Emulated(Wire),
}

impl Carrier {
    /// How long to wait for what takes `time` where nothing is emulated.
    pub(super) fn stretch(&self, time: Duration) -> Duration {
        match self {
            Carrier::Plain => time,
            Carrier::Emulated(wire) => wire.stretch(time),
        }
    }
}

/// A connection, before anybody has said a word.
pub(super) struct Stream {
    read: ReadHalf,
    write: WriteHalf,
}

impl Stream {
    /// Connects to whoever listens at `address`, each of whose addresses gets its
    /// chance within `patience`.
    pub(super) async fn connect(
        address: &str,
        carrier: &Carrier,
        patience: Duration,
    ) -> io::Result<Stream> {
        let addresses: Vec<SocketAddr> = lookup_host(address).await?.take(ADDRESSES_MAX).collect();
        Stream::over(first(&addresses, patience).await?, carrier)
    }

    /// What has been connected, as `carrier` has it.
    pub(super) fn over(tcp: TcpStream, carrier: &Carrier) -> io::Result<Stream> {
        tcp.set_nodelay(true)?;
        let socket = socket2::SockRef::from(&tcp);
        // A peer that lost power says nothing; one that is only quiet answers.
        let probes =
            TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
        socket.set_tcp_keepalive(&probes)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_notsent_lowat(UNSENT_MAX)?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(match carrier {
            Carrier::Plain => USER_TIMEOUT,
            Carrier::Emulated(_) => EMULATED_USER_TIMEOUT,
        }))?;
        let (read, write) = tcp.into_split();
        Ok(match carrier {
            Carrier::Plain => Stream { read: Box::new(read), write: Box::new(write) },
            Carrier::Emulated(wire) => Stream {
                read: Box::new(EmulatedReader::new(wire.clone(), read)),
                write: Box::new(EmulatedWriter::new(wire.clone(), write)),
            },
        })
    }

    /// The two ends of a connection within this process.
    #[cfg(test)]
    pub(super) fn pair() -> (Stream, Stream) {
        let end = |stream| {
            let (read, write) = tokio::io::split(stream);
            Stream { read: Box::new(read), write: Box::new(write) }
        };
        let (one, other) = tokio::io::duplex(1 << 16);
        (end(one), end(other))
    }

    /// One half to read from and one to write to.
    pub(super) fn into_halves(self) -> (ReadHalf, WriteHalf) {
        (self.read, self.write)
    }
}

/// A connection with the first of these addresses that answers. The next one is
/// tried once its share of the time has come, or those before have failed.
async fn first(addresses: &[SocketAddr], patience: Duration) -> io::Result<TcpStream> {
    let share = patience / addresses.len().max(1) as u32;
    let mut tries = JoinSet::new();
    let mut left = addresses.iter();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        let is_last = match left.next() {
            Some(address) => {
                tries.spawn(TcpStream::connect(*address));
                left.len() == 0
            }
            None => true,
        };
        let answer = match is_last {
            true => tries.join_next().await,
            false => tokio::time::timeout(share, tries.join_next()).await.unwrap_or_default(),
        };
        match answer {
            Some(Ok(Ok(stream))) => return Ok(stream),
            Some(Ok(Err(error))) => failed = error,
            Some(Err(error)) => failed = error.into(),
            // Its time is up; it may answer still.
            None if !is_last => {}
            None => return Err(failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn every_address_gets_its_chance() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let open = open.local_addr().map(|address| (address, open)).unwrap();
        // Nobody answers at the first, which is kept free for examples.
        let nobody: SocketAddr = "192.0.2.1:9".parse().unwrap();
        let patience = Duration::from_millis(300);
        let found = first(&[nobody, closed, open.0], patience).await.unwrap();
        assert_eq!(found.peer_addr().unwrap(), open.0);
        assert!(first(&[closed, closed], patience).await.is_err());
        let nowhere = first(&[], patience).await.unwrap_err();
        assert_eq!(nowhere.to_string(), "the name has no address");
    }
}
