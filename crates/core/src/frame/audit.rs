//! What became of audits.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use quorate_code::ShardSet;

use super::error::FrameError;
use super::field::{ATTEMPT_BYTES, bounded, need, read_attempt, write_attempt};
use crate::audit::{Audited, Finding};
use crate::id::{PlanId, RequestId, ValueId};

/// Bytes of all but the entries, and of one of them.
const FIXED_BYTES: usize = ATTEMPT_BYTES + 3;
const ENTRY_BYTES: usize = 19;
/// Most values that one frame speaks of.
pub(crate) const ENTRIES_MAX: usize = 128;

/// Says what a device has found when it held shards against each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The request.
    pub request: RequestId,
    /// The attempt at it.
    pub attempt: u32,
    /// The plan in force for the attempt.
    pub plan: PlanId,
    /// Will there be nothing more?
    pub is_complete: bool,
    /// What came of each.
    pub audited: Vec<Audited>,
}

impl Report {
    pub(super) fn write(&self, out: &mut BytesMut) {
        assert!(self.audited.len() <= ENTRIES_MAX, "{} values audited", self.audited.len());
        write_attempt(self.plan, self.request, self.attempt, out);
        out.put_u8(self.is_complete.into());
        out.put_u16_le(self.audited.len() as u16);
        for Audited { value, have, finding } in &self.audited {
            let (kind, suspects) = match finding {
                Finding::Unchecked => (0, ShardSet::new()),
                Finding::Clean => (1, ShardSet::new()),
                Finding::Corrupt(suspects) => (2, *suspects),
            };
            out.put_u16_le(value.0);
            out.put_u8(kind);
            out.put_u64_le(have.bits());
            out.put_u64_le(suspects.bits());
        }
    }

    pub(super) fn read(bytes: &mut Bytes) -> Result<Report, FrameError> {
        need(bytes, FIXED_BYTES)?;
        let (plan, request, attempt) = read_attempt(bytes);
        let is_complete = bounded("complete", bytes.get_u8().into(), 1)? == 1;
        let count = bounded("values audited", bytes.get_u16_le().into(), ENTRIES_MAX)?;
        need(bytes, count * ENTRY_BYTES)?;
        let mut audited = Vec::with_capacity(count);
        for _ in 0..count {
            let (value, kind) = (ValueId(bytes.get_u16_le()), bytes.get_u8());
            let have = ShardSet::from_bits(bytes.get_u64_le());
            let suspects = ShardSet::from_bits(bytes.get_u64_le());
            let finding = match kind {
                0 => Finding::Unchecked,
                1 => Finding::Clean,
                2 => Finding::Corrupt(suspects),
                got => {
                    return Err(FrameError::Field { what: "finding", got: got.into(), limit: 2 });
                }
            };
            audited.push(Audited { value, have, finding });
        }
        Ok(Report { request, attempt, plan, is_complete, audited })
    }
}
