//! Room for frames that come in: while they are being read, and until somebody
//! takes them.
//!
//! Of devices and of gateways each have half of it. Half of that again is shared
//! out: every connection has one frame of its own that waits for nobody, if it is
//! no longer than its share. Longer ones, and more of them, take what is left in
//! turn.
//!
//! *Invariant:* the bytes of what comes in and is not taken yet are bounded,
//! whatever peers send, but for small frames, which are bounded by their number,
//! and one frame of each half that is longer than all of its room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quorate_core::admit::Peer;
use quorate_core::frame::HEAD_BYTES_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::memory::Allowance;

/// Frames below this length need no room: they carry next to no payload.
pub(super) const SMALL: usize = HEAD_BYTES_MAX;

/// The room that a frame takes, until this is dropped.
pub(crate) type Room = Option<OwnedSemaphorePermit>;

/// Room for frames that come in.
#[derive(Debug)]
pub(super) struct Incoming {
    devices: Arc<Half>,
    gateways: Arc<Half>,
}

#[derive(Debug)]
struct Half {
    /// Bytes of all shares.
    shares: usize,
    connections: AtomicUsize,
    /// What is beside the shares.
    rest: Allowance,
}

impl Half {
    fn new(bytes: usize) -> Arc<Half> {
        let (shares, rest) = (bytes / 2, Allowance::new(bytes / 2));
        Arc::new(Half { shares, connections: AtomicUsize::new(0), rest })
    }
}

impl Incoming {
    /// Room for so many bytes.
    pub(super) fn new(bytes: usize) -> Incoming {
        Incoming { devices: Half::new(bytes / 2), gateways: Half::new(bytes / 2) }
    }

    /// A connection with `peer` begins.
    pub(super) fn join(&self, peer: Peer) -> Entry {
        let half = match peer {
            Peer::Device(_) => &self.devices,
            Peer::Gateway(_) => &self.gateways,
        };
        half.connections.fetch_add(1, Ordering::Relaxed);
        Entry { half: half.clone(), own: Arc::new(Semaphore::new(1)) }
    }
}

/// The room of one connection, for as long as it lasts.
#[derive(Debug)]
pub(super) struct Entry {
    half: Arc<Half>,
    /// For a frame of its share.
    own: Arc<Semaphore>,
}

impl Entry {
    /// Waits for room for a frame of so many bytes. One that is larger than all
    /// of it waits until nothing else is there.
    pub(super) async fn room(&self, bytes: usize) -> Room {
        if bytes < SMALL {
            return None;
        }
        let share = self.half.shares / self.half.connections.load(Ordering::Relaxed).max(1);
        if bytes <= share
            && let Ok(own) = self.own.clone().try_acquire_owned()
        {
            return Some(own);
        }
        self.half.rest.take(bytes).await
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.half.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use quorate_core::id::{DeviceId, GatewayRun};

    use super::*;

    const KIB: usize = 1 << 10;

    async fn has_room(entry: &Entry, bytes: usize) -> bool {
        tokio::select! {
            biased;
            _ = entry.room(bytes) => true,
            () = tokio::task::yield_now() => false,
        }
    }

    #[tokio::test]
    async fn each_has_its_share_and_the_rest_goes_in_turn() {
        let incoming = Incoming::new(400 * KIB);
        let device = |id| incoming.join(Peer::Device(DeviceId(id)));
        let (one, other) = (device(0), device(1));
        // One takes its share of 50, and of what is free 90.
        let own = one.room(50 * KIB).await;
        let free = one.room(90 * KIB).await;
        assert!(own.is_some() && free.is_some());
        assert!(!has_room(&one, 20 * KIB).await);
        assert!(has_room(&one, 100).await, "a sign of life always passes");
        assert!(has_room(&other, 50 * KIB).await, "that is its own");
        assert!(!has_room(&other, 51 * KIB).await);
        let gateway = incoming.join(Peer::Gateway(GatewayRun { gateway: 1, epoch: 1 }));
        assert!(has_room(&gateway, 100 * KIB).await, "that is another half");
        drop(free);
        assert!(has_room(&other, 51 * KIB).await);
        assert!(has_room(&other, 1 << 30).await, "one that is too large, alone");
    }

    #[tokio::test]
    async fn shares_are_as_large_as_there_are_few() {
        let incoming = Incoming::new(400 * KIB);
        let device = |id| incoming.join(Peer::Device(DeviceId(id)));
        let one = device(0);
        let all = one.half.rest.try_take(100 * KIB).unwrap();
        assert!(has_room(&one, 100 * KIB).await);
        let other = device(1);
        assert!(!has_room(&one, 100 * KIB).await);
        drop(other);
        assert!(has_room(&one, 100 * KIB).await);
        drop(all);
    }
}
