//! Bytes that come in when the emulated device would have them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use quorate_core::cluster::{Nanos, Span};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::mpsc;

use super::record;
use super::wire::Wire;

/// Messages under way from one peer; with so many, no more are read.
const MESSAGES_MAX: usize = 64;

/// What takes longer than this comes in parts, not too many of them.
const PART: Nanos = 50_000_000;
const PARTS_MAX: u64 = 256;

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

/// A message and when it comes, or why there are no more.
type Arrival = io::Result<(Span, Bytes)>;

/// Reads what comes, and works out when it is there.
async fn accept(
    wire: Wire,
    mut inner: impl AsyncRead + Send + Unpin,
    arrived: mpsc::Sender<Arrival>,
) {
    wire.carries();
    loop {
        let arrival = match record::read(&mut inner).await {
            Ok(None) => return,
            Ok(Some((left, bytes))) => Ok((wire.receive(left, &bytes), bytes)),
            Err(error) => Err(error),
        };
        let end = arrival.is_err();
        if arrived.send(arrival).await.is_err() || end {
            return;
        }
    }
}

/// Hands on what is there, when it is: of what comes slowly one part after the
/// other.
async fn deliver(
    wire: Wire,
    mut arriving: mpsc::Receiver<Arrival>,
    give: mpsc::Sender<io::Result<Bytes>>,
) {
    while let Some(arrival) = arriving.recv().await {
        let message = match arrival {
            Ok((there, mut bytes)) => {
                let head = bytes.clone();
                for (at, length) in parts(there, bytes.len()) {
                    wire.sleep_until(at).await;
                    if give.send(Ok(bytes.split_to(length))).await.is_err() {
                        return;
                    }
                }
                wire.arrive(there.end, &head).await;
                Ok(bytes)
            }
            Err(error) => Err(error),
        };
        if give.send(message).await.is_err() {
            return;
        }
    }
}

/// When which bytes of a message of so many are there, but for the last ones.
fn parts(there: Span, bytes: usize) -> impl Iterator<Item = (Nanos, usize)> {
    let time = there.end.saturating_sub(there.start);
    let count = (time / PART).clamp(1, PARTS_MAX);
    let at = move |part: u64| there.start + time / count * part;
    (1..count).map(move |part| (at(part), bytes / count as usize))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_slowly_comes_in_parts() {
        let there = |end| Span { start: 1000, end };
        assert_eq!(parts(there(1000 + PART), 100).count(), 0);
        let some: Vec<_> = parts(there(1000 + 4 * PART), 1003).collect();
        assert_eq!(some, [(1000 + PART, 250), (1000 + 2 * PART, 250), (1000 + 3 * PART, 250)]);
        assert_eq!(parts(there(u64::MAX), 1 << 30).count() as u64, PARTS_MAX - 1);
    }
}
