//! Fields that several kinds of frames share, and their bounds.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::error::FrameError;
use crate::id::{GatewayRun, PlanId, RequestId};

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

/// Bytes of what names an attempt.
pub(super) const ATTEMPT_BYTES: usize = 36;

/// An attempt at a request: its plan, the request and its number.
pub(super) fn write_attempt(plan: PlanId, request: RequestId, attempt: u32, out: &mut BytesMut) {
    out.put_u64_le(plan.0);
    write_run(request.run, out);
    out.put_u64_le(request.number);
    out.put_u32_le(attempt);
}

pub(super) fn read_attempt(bytes: &mut Bytes) -> (PlanId, RequestId, u32) {
    let plan = PlanId(bytes.get_u64_le());
    let request = RequestId { run: read_run(bytes), number: bytes.get_u64_le() };
    (plan, request, bytes.get_u32_le())
}
