//! One connection with a peer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quorate_core::admit::Peer;
use tokio::sync::Notify;

use super::outbox::Outbox;
use super::traffic::Traffic;

/// One connection with a peer, as its driver holds it.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Differs for every connection of this process.
    id: u64,
    peer: Peer,
    outbox: Arc<Outbox>,
    traffic: Arc<Traffic>,
    close: Notify,
}

impl PartialEq for Link {
    fn eq(&self, other: &Link) -> bool {
        self.0.id == other.0.id
    }
}

impl Link {
    pub(super) fn new(peer: Peer, outbox: Arc<Outbox>, traffic: Arc<Traffic>) -> Link {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Link(Arc::new(Inner { id, peer, outbox, traffic, close: Notify::new() }))
    }

    /// Who is at its other end.
    pub(crate) fn peer(&self) -> Peer {
        self.0.peer
    }

    /// Ends the connection.
    pub(crate) fn close(&self) {
        self.0.close.notify_one();
    }

    /// Waits until [`Link::close`] is called.
    pub(super) async fn closed(&self) {
        self.0.close.notified().await;
    }

    /// Bytes that have come over it.
    pub(super) fn received(&self) -> u64 {
        self.0.traffic.received()
    }

    /// How long none have.
    pub(super) fn silence(&self) -> Duration {
        self.0.traffic.silence()
    }

    /// Where frames to this peer go.
    pub(super) fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }
}
