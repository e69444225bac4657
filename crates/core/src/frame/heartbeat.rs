//! Signs of life.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::error::FrameError;
use super::field::need;

/// Counters of one worker since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
}

impl Heartbeat {
    pub(super) fn write(&self, out: &mut BytesMut) {
        for n in [self.tasks, self.decoded, self.dropped, self.skipped, self.refused] {
            out.put_u64_le(n);
        }
    }

    pub(super) fn read(bytes: &mut Bytes) -> Result<Heartbeat, FrameError> {
        need(bytes, 40)?;
        Ok(Heartbeat {
            tasks: bytes.get_u64_le(),
            decoded: bytes.get_u64_le(),
            dropped: bytes.get_u64_le(),
            skipped: bytes.get_u64_le(),
            refused: bytes.get_u64_le(),
        })
    }
}
