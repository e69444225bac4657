//! Room for frames that wait to go out, of all peers together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of frames that wait, a frame that many wait for counted once.
#[derive(Debug)]
pub(super) struct Outgoing {
    limit: usize,
    used: AtomicUsize,
    /// Peers that have a queue.
    peers: AtomicUsize,
}

/// The room of one frame, for as long as anybody waits for it.
#[derive(Debug)]
pub(super) struct Charge {
    outgoing: Arc<Outgoing>,
    bytes: usize,
}

impl Outgoing {
    /// Room for so many bytes.
    pub(super) fn new(bytes: usize) -> Outgoing {
        // What each peer has for itself is beside that.
        Outgoing { limit: bytes / 2, used: AtomicUsize::new(0), peers: AtomicUsize::new(0) }
    }

    /// Takes room for a frame, which may be more than there is: whoever queues it
    /// makes some.
    pub(super) fn charge(self: &Arc<Outgoing>, bytes: usize) -> Arc<Charge> {
        self.used.fetch_add(bytes, Ordering::Relaxed);
        Arc::new(Charge { outgoing: self.clone(), bytes })
    }

    /// Is there room for so many bytes more?
    pub(super) fn has(&self, bytes: usize) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(bytes) <= self.limit
    }

    /// Bytes that a peer has for itself, however much others take.
    pub(super) fn share(&self) -> usize {
        self.limit / self.peers.load(Ordering::Relaxed).max(1)
    }

    /// One more peer has a queue.
    pub(super) fn join(&self) {
        self.peers.fetch_add(1, Ordering::Relaxed);
    }

    /// One has none any more.
    pub(super) fn leave(&self) {
        self.peers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.outgoing.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
