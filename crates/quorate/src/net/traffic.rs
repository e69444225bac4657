//! Bytes that come and go over a connection, whole frames or not.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that have come and gone over all connections of a process so far.
#[derive(Debug, Default)]
pub(super) struct Total {
    received: AtomicU64,
    sent: AtomicU64,
}

impl Total {
    /// Bytes that have gone out.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Bytes both ways.
    pub(super) fn both(&self) -> u64 {
        self.received.load(Ordering::Relaxed).wrapping_add(self.sent())
    }
}

/// Bytes that have come over one connection so far.
#[derive(Debug)]
pub(super) struct Traffic {
    start: Instant,
    received: AtomicU64,
    /// When the last of them came, in microseconds since the start.
    last: AtomicU64,
    total: Arc<Total>,
}

impl Traffic {
    /// None yet, of a process that counts all in `total`.
    pub(super) fn new(total: Arc<Total>) -> Traffic {
        let (received, last) = (AtomicU64::default(), AtomicU64::default());
        Traffic { start: Instant::now(), received, last, total }
    }

    /// Some have come.
    fn came(&self, bytes: u64) {
        if bytes > 0 {
            self.received.fetch_add(bytes, Ordering::Relaxed);
            self.total.received.fetch_add(bytes, Ordering::Relaxed);
            self.last.store(self.start.elapsed().as_micros() as u64, Ordering::Relaxed);
        }
    }

    /// How long none have come.
    pub(super) fn silence(&self) -> Duration {
        let last = Duration::from_micros(self.last.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(last)
    }

    /// Bytes that have come.
    pub(super) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

/// One half of a connection, whose bytes are counted.
pub(super) struct Counted<S> {
    inner: S,
    traffic: Arc<Traffic>,
}

impl<S> Counted<S> {
    pub(super) fn new(inner: S, traffic: Arc<Traffic>) -> Counted<S> {
        Counted { inner, traffic }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, into);
        self.traffic.came((into.filled().len() - before) as u64);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let Poll::Ready(Ok(bytes)) = polled {
            self.traffic.total.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(context, bytes);
        if let Poll::Ready(Ok(bytes)) = polled {
            self.traffic.total.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn bytes_are_counted_both_ways() {
        let total = Arc::new(Total::default());
        let traffic = Arc::new(Traffic::new(total.clone()));
        let (one, mut other) = tokio::io::duplex(64);
        let mut one = Counted::new(one, traffic.clone());
        one.write_all(b"hello").await.unwrap();
        other.write_all(b"ab").await.unwrap();
        let mut two = [0; 2];
        one.read_exact(&mut two).await.unwrap();
        assert_eq!((traffic.received(), total.sent(), total.both()), (2, 5, 7));
    }

    #[tokio::test]
    async fn what_came_before_is_no_sign_of_life_now() {
        let traffic = Arc::new(Traffic::new(Arc::default()));
        let (one, mut other) = tokio::io::duplex(64);
        let mut one = Counted::new(one, traffic.clone());
        other.write_all(b"ab").await.unwrap();
        one.read_exact(&mut [0; 2]).await.unwrap();
        let (came, before) = (Instant::now(), traffic.silence());
        while came.elapsed() < Duration::from_millis(5) {
            tokio::task::yield_now().await;
        }
        assert!(traffic.silence() >= before + Duration::from_millis(4));
        // Nothing is read.
        drop(other);
        assert_eq!(one.read(&mut [0; 2]).await.unwrap(), 0);
        assert!(traffic.silence() >= before + Duration::from_millis(4));
    }
}
