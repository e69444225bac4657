//! Frames over TCP: one connection and one bounded queue a peer.
//!
//! ```text
//! dial:   connect -> hello -> its hello -> frames out, frames in
//! listen: accept  -> its hello -> hello -> frames in (and out, to a gateway)
//! ```
//!
//! A connection proves nothing until the other side has said hello: a stopped
//! process still accepts. A frame that does not decode closes its own
//! connection only. A peer that does not read fills its own queue only, and
//! the oldest frames in it give way.

pub(crate) mod dial;
pub(crate) mod listen;
mod loopback;
pub(crate) mod outbox;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::StreamExt;
use quorate_core::admit::Peer;
use quorate_core::frame::{Frame, HEAD_BYTES_MAX, Hello};
use socket2::TcpKeepalive;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Notify, mpsc};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use outbox::Outbox;

pub use loopback::free_addresses;

/// Time a peer has to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(1);
/// Sent data without a sign of life from the other side for this long ends
/// the connection.
const USER_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection without any traffic is probed after this long, and so often.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(2);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// Frames that wait for the state machine; a full channel stops reading.
pub const EVENTS_MAX: usize = 1024;

/// What the network tells a driver.
#[derive(Debug)]
pub enum NetEvent {
    /// A peer has said hello.
    Up(Peer, Hello, Link),
    /// A connection has ended.
    Down(Peer, u64),
    /// A frame came in over this connection.
    Frame(Peer, u64, Frame),
}

/// One connection, as its driver holds it.
#[derive(Clone, Debug)]
pub struct Link {
    /// Differs for every connection of this process.
    pub id: u64,
    /// Where frames to this peer go.
    pub outbox: Arc<Outbox>,
    close: Arc<Notify>,
}

impl Link {
    fn new(outbox: Arc<Outbox>) -> Link {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Link { id, outbox, close: Arc::new(Notify::new()) }
    }

    /// Ends the connection.
    pub fn close(&self) {
        self.close.notify_one();
    }
}

/// Who this process is and what it believes of frames.
#[derive(Clone, Debug)]
pub struct Local {
    /// What it says first.
    pub hello: Hello,
    /// Longest frame it reads.
    pub frame_bytes_max: usize,
}

type Reader = FramedRead<OwnedReadHalf, LengthDelimitedCodec>;

fn prepare(stream: TcpStream) -> anyhow::Result<(Reader, OwnedWriteHalf)> {
    stream.set_nodelay(true)?;
    let socket = socket2::SockRef::from(&stream);
    // A peer that lost power says nothing; one that is only quiet answers.
    let probes = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    let (read, write) = stream.into_split();
    // Until the peer has said who it is, it gets no room for more than that.
    let codec = LengthDelimitedCodec::builder().max_frame_length(HEAD_BYTES_MAX).new_codec();
    Ok((FramedRead::new(read, codec), write))
}

async fn read_hello(reader: &mut Reader) -> anyhow::Result<Hello> {
    let first = tokio::time::timeout(HELLO_TIMEOUT, reader.next()).await;
    let bytes = first.context("no hello in time")?.context("closed before hello")??;
    match Frame::decode(bytes.freeze())? {
        Frame::Hello(hello) => Ok(hello),
        _ => bail!("first frame is no hello"),
    }
}

async fn write_hello(writer: &mut OwnedWriteHalf, hello: &Hello) -> std::io::Result<()> {
    writer.write_all_buf(&mut Frame::Hello(hello.clone()).encode().into_buf()).await
}

/// Carries frames both ways until one side ends it; says why it ended.
async fn converse(
    (mut reader, writer): (Reader, OwnedWriteHalf),
    peer: Peer,
    link: &Link,
    frame_bytes_max: usize,
    events: &mpsc::Sender<NetEvent>,
) -> anyhow::Error {
    reader.decoder_mut().set_max_frame_length(frame_bytes_max);
    tokio::select! {
        error = read_frames(reader, (peer, link.id), events) => error,
        error = write_frames(writer, &link.outbox) => error.context("writing"),
        () = link.close.notified() => anyhow::anyhow!("closed here"),
    }
}

async fn read_frames(
    mut reader: Reader,
    (peer, link): (Peer, u64),
    events: &mpsc::Sender<NetEvent>,
) -> anyhow::Error {
    while let Some(bytes) = reader.next().await {
        let frame = match bytes {
            Ok(bytes) => Frame::decode(bytes.freeze()),
            Err(error) => return anyhow::Error::new(error).context("reading"),
        };
        match frame {
            Ok(frame) => {
                if events.send(NetEvent::Frame(peer, link, frame)).await.is_err() {
                    return anyhow::anyhow!("this process ends");
                }
            }
            Err(error) => return anyhow::Error::new(error).context("reading"),
        }
    }
    anyhow::anyhow!("closed by the other side")
}

async fn write_frames(mut writer: OwnedWriteHalf, outbox: &Outbox) -> anyhow::Error {
    loop {
        let mut frame = outbox.next().await.into_buf();
        if let Err(error) = writer.write_all_buf(&mut frame).await {
            return error.into();
        }
    }
}
