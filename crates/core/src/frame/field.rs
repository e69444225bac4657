//! Fields that several kinds of frames share, and their bounds.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::error::FrameError;
use crate::id::GatewayRun;

pub(super) fn need(bytes: &Bytes, needed: usize) -> Result<(), FrameError> {
    if bytes.len() < needed {
        return Err(FrameError::Short { got: bytes.len(), needed });
    }
    Ok(())
}

pub(super) fn bounded(what: &'static str, got: usize, limit: usize) -> Result<usize, FrameError> {
    if got > limit {
        return Err(FrameError::Field { what, got: got as u64, limit: limit as u64 });
    }
    Ok(got)
}

pub(super) fn read_run(bytes: &mut Bytes) -> GatewayRun {
    GatewayRun { gateway: bytes.get_u64_le(), epoch: bytes.get_u64_le() }
}

pub(super) fn write_run(run: GatewayRun, out: &mut BytesMut) {
    out.put_u64_le(run.gateway);
    out.put_u64_le(run.epoch);
}
