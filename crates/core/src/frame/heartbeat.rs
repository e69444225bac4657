//! Signs of life.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::error::FrameError;
use super::field::need;
use crate::id::DeviceSet;

/// Counters of one worker since its start, and whom it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// Tasks computed.
    pub tasks: u64,
    /// Values decoded because a data shard was missing.
    pub decoded: u64,
    /// Frames not sent because a peer's queue was full.
    pub dropped: u64,
    /// Tasks skipped because nobody needed them any more.
    pub skipped: u64,
    /// Frames refused.
    pub refused: u64,
    /// Devices that it can send to now; all, where nothing else is known.
    pub reaches: DeviceSet,
}

impl Default for Heartbeat {
    fn default() -> Heartbeat {
        let reaches = DeviceSet::first(DeviceSet::MAX);
        Heartbeat { tasks: 0, decoded: 0, dropped: 0, skipped: 0, refused: 0, reaches }
    }
}

impl Heartbeat {
    pub(super) fn write(&self, out: &mut BytesMut) {
        let counters = [self.tasks, self.decoded, self.dropped, self.skipped, self.refused];
        for n in counters.into_iter().chain([self.reaches.0]) {
            out.put_u64_le(n);
        }
    }

    pub(super) fn read(bytes: &mut Bytes) -> Result<Heartbeat, FrameError> {
        need(bytes, 48)?;
        Ok(Heartbeat {
            tasks: bytes.get_u64_le(),
            decoded: bytes.get_u64_le(),
            dropped: bytes.get_u64_le(),
            skipped: bytes.get_u64_le(),
            refused: bytes.get_u64_le(),
            reaches: DeviceSet(bytes.get_u64_le()),
        })
    }
}
