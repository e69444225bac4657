//! How far requests are at one device.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::error::FrameError;
use super::field::{bounded, need, read_run, write_run};
use crate::id::GatewayRun;

/// Most requests that one frame speaks of.
pub(crate) const STANDINGS_MAX: usize = 64;
/// Fewer bytes than so from one word of a device to its next are no shards under
/// way: it speaks of itself all the time.
pub(crate) const SOME_BYTES: u64 = 4096;
const STANDING_BYTES: usize = 17;

/// How far one request is at a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The request's number.
    pub number: u64,
    /// The attempt at it.
    pub attempt: u32,
    /// Shards taken, and tasks begun and ended, for this attempt so far.
    pub moves: u32,
    /// Is a task of it being computed, or about to be?
    pub is_busy: bool,
}

/// How far requests of one gateway are at a device, the oldest first. Sent
/// from time to time while there are any that take long, or bytes come or go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The gateway's run.
    pub run: GatewayRun,
    /// Bytes that came in and went out at the device so far, those of halves
    /// of frames included.
    pub bytes: u64,
    /// At most 64 requests.
    pub standings: Vec<Standing>,
}

impl Progress {
    pub(super) fn write(&self, out: &mut BytesMut) {
        assert!(self.standings.len() <= STANDINGS_MAX);
        write_run(self.run, out);
        out.put_u64_le(self.bytes);
        out.put_u16_le(self.standings.len() as u16);
        for standing in &self.standings {
            out.put_u64_le(standing.number);
            out.put_u32_le(standing.attempt);
            out.put_u32_le(standing.moves);
            out.put_u8(standing.is_busy.into());
        }
    }

    pub(super) fn read(bytes: &mut Bytes) -> Result<Progress, FrameError> {
        need(bytes, 26)?;
        let (run, moved) = (read_run(bytes), bytes.get_u64_le());
        let count = bounded("requests", bytes.get_u16_le().into(), STANDINGS_MAX)?;
        need(bytes, count * STANDING_BYTES)?;
        let mut standing = || {
            let (number, attempt) = (bytes.get_u64_le(), bytes.get_u32_le());
            let moves = bytes.get_u32_le();
            let is_busy = bounded("busy", bytes.get_u8().into(), 1)? == 1;
            Ok(Standing { number, attempt, moves, is_busy })
        };
        let standings = (0..count).map(|_| standing()).collect::<Result<_, FrameError>>()?;
        Ok(Progress { run, bytes: moved, standings })
    }
}
