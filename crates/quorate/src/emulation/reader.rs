//! Bytes that come in when the emulated device would have them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use quorate_core::cluster::Nanos;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use super::record;
use super::wire::Wire;

/// Messages under way from one peer; with so many, no more are read.
const MESSAGES_MAX: usize = 64;

/// The reading half of an emulated connection.
pub(crate) struct EmulatedReader {
    there: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

impl EmulatedReader {
    /// Over `inner`, at this place of the network.
    pub(crate) fn new(wire: Wire, inner: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let (arrived, arriving) = mpsc::channel(MESSAGES_MAX);
        let (give, there) = mpsc::channel(1);
        tokio::spawn(accept(wire.clone(), inner, arrived));
        tokio::spawn(deliver(wire, arriving, give));
        EmulatedReader { there, rest: Bytes::new() }
    }
}

/// A message and when all of it is there, or why there are no more.
type Arrival = io::Result<(Nanos, Bytes)>;

/// Reads what comes, and works out when it is there.
async fn accept(
    wire: Wire,
    mut inner: impl AsyncRead + Send + Unpin,
    arrived: mpsc::Sender<Arrival>,
) {
    loop {
        let arrival = match record::read(&mut inner).await {
            Ok(None) => return,
            Ok(Some((left, bytes))) => Ok((wire.receive(left, bytes.len()), bytes)),
            Err(error) => Err(error),
        };
        let end = arrival.is_err();
        if arrived.send(arrival).await.is_err() || end {
            return;
        }
    }
}

/// Hands on what is there, when it is.
async fn deliver(
    wire: Wire,
    mut arriving: mpsc::Receiver<Arrival>,
    give: mpsc::Sender<io::Result<Bytes>>,
) {
    while let Some(arrival) = arriving.recv().await {
        let message = match arrival {
            Ok((at, bytes)) => {
                wire.wait_until(at, "message received").await;
                Ok(bytes)
            }
            Err(error) => Err(error),
        };
        if give.send(message).await.is_err() {
            return;
        }
    }
}

impl AsyncRead for EmulatedReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.there.poll_recv(context)) {
                Some(message) => self.rest = message?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let some = self.rest.len().min(into.remaining());
        into.put_slice(&self.rest[..some]);
        self.rest.advance(some);
        Poll::Ready(Ok(()))
    }
}
