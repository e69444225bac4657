//! Messages that leave when the emulated device would send them.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use quorate_core::cluster::{Nanos, Span};
use quorate_core::frame;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use super::instant::now;
use super::record;
use super::wire::Wire;

/// Messages that wait for one peer here; with so many, whoever writes waits.
const MESSAGES_MAX: usize = 16;

/// The writing half of an emulated connection.
pub(crate) struct EmulatedWriter {
    message: BytesMut,
    out: PollSender<Bytes>,
}

impl EmulatedWriter {
    /// Over `inner`, at this place of the network.
    pub(crate) fn new(wire: Wire, inner: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        let (out, messages) = mpsc::channel(MESSAGES_MAX);
        tokio::spawn(async move {
            // The other end sees the connection end; so does whoever writes.
            if let Err(error) = transmit(&wire, messages, inner).await {
                tracing::debug!("emulated connection: {error}");
            }
        });
        EmulatedWriter { message: BytesMut::new(), out: PollSender::new(out) }
    }
}

/// Messages that wait for their time, by it; the number tells those of one
/// time apart.
type Waiting = BTreeMap<(Nanos, u64), Bytes>;

async fn transmit(
    wire: &Wire,
    mut messages: mpsc::Receiver<Bytes>,
    mut inner: impl AsyncWrite + Send + Unpin,
) -> io::Result<()> {
    let (mut waiting, mut count) = (Waiting::new(), 0u64);
    // What is next, and when it leaves.
    let mut leaving: Option<(Span, Bytes)> = None;
    loop {
        let next = waiting.first_key_value().map(|((at, _), _)| *at);
        let next = next.filter(|_| leaving.is_none());
        let start = leaving.as_ref().map(|(left, _)| left.start);
        let full = waiting.len() >= MESSAGES_MAX;
        tokio::select! {
            biased;
            // Not before: the receiver's port is taken by who is there first.
            // Messages that come meanwhile may replace each other where they wait.
            () = async { wire.sleep_until(start.unwrap_or(0)).await }, if start.is_some() => {
                if let Some((left, bytes)) = leaving.take() {
                    write(&mut inner, left, &bytes).await?;
                }
            }
            () = async { wire.sleep_until(next.unwrap_or(0)).await }, if next.is_some() => {
                let Some(((ready, _), bytes)) = waiting.pop_first() else { continue };
                leaving = Some((wire.send(ready, &bytes).await?, bytes));
            }
            message = messages.recv(), if !full => {
                let Some(message) = message else { return Ok(()) };
                if !frame::is_data(&message) {
                    // Goes between the packets of what waits for its turn.
                    let left = wire.send(now(), &message).await?;
                    write(&mut inner, left, &message).await?;
                    continue;
                }
                let after = wire.delay(&message).as_nanos() as Nanos;
                count += 1;
                waiting.insert((now().saturating_add(after), count), message);
            }
        }
    }
}

async fn write(inner: &mut (impl AsyncWrite + Unpin), left: Span, bytes: &[u8]) -> io::Result<()> {
    inner.write_all(&record::head(bytes.len(), left)?).await?;
    inner.write_all(bytes).await?;
    inner.flush().await
}

impl AsyncWrite for EmulatedWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.message.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.message.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        ready!(self.out.poll_reserve(context)).map_err(|_| gone())?;
        let message = self.message.split().freeze();
        Poll::Ready(self.out.send_item(message).map_err(|_| gone()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
