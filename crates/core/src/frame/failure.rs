//! Shards that will not come.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::error::FrameError;
use super::field::{ATTEMPT_BYTES, bounded, need, read_attempt, write_attempt};
use crate::failure::{Cause, TaskError};
use crate::id::{PlanId, RequestId, StageId};

/// Bytes of all but the words.
const FIXED_BYTES: usize = ATTEMPT_BYTES + 8;
/// Most bytes of words; longer ones are cut off.
const WORDS_BYTES_MAX: usize = 1024;

/// Says that a device will not make a shard, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The request.
    pub request: RequestId,
    /// The attempt at it.
    pub attempt: u32,
    /// The plan in force for the attempt.
    pub plan: PlanId,
    /// The stage of the plan.
    pub stage: StageId,
    /// The shard of the stage's value.
    pub shard: u16,
    /// Why there is none.
    pub error: TaskError,
}

impl Failure {
    pub(super) fn write(&self, out: &mut BytesMut) {
        write_attempt(self.plan, self.request, self.attempt, out);
        out.put_u16_le(self.stage.0);
        out.put_u16_le(self.shard);
        out.put_u16_le(match self.error.cause {
            Cause::Device => 0,
            Cause::Request => 1,
            Cause::Late => 2,
            Cause::NotFinite => 3,
        });
        let words = beginning(&self.error.words);
        out.put_u16_le(words.len() as u16);
        out.put_slice(words.as_bytes());
    }

    pub(super) fn read(bytes: &mut Bytes) -> Result<Failure, FrameError> {
        need(bytes, FIXED_BYTES)?;
        let (plan, request, attempt) = read_attempt(bytes);
        let (stage, shard) = (StageId(bytes.get_u16_le()), bytes.get_u16_le());
        let cause = match bytes.get_u16_le() {
            0 => Cause::Device,
            1 => Cause::Request,
            2 => Cause::Late,
            3 => Cause::NotFinite,
            got => return Err(FrameError::Field { what: "cause", got: got.into(), limit: 3 }),
        };
        let length = bounded("length of words", bytes.get_u16_le().into(), WORDS_BYTES_MAX)?;
        need(bytes, length)?;
        let words = bytes.split_to(length);
        let words = std::str::from_utf8(&words).map_err(|_| FrameError::Text)?.to_owned();
        let error = TaskError { cause, words };
        Ok(Failure { request, attempt, plan, stage, shard, error })
    }
}

/// As much of `words` as a frame carries.
fn beginning(words: &str) -> &str {
    let end = (0..=words.len().min(WORDS_BYTES_MAX)).rev().find(|at| words.is_char_boundary(*at));
    &words[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_cut_between_letters() {
        assert_eq!(beginning("no memory"), "no memory");
        let long = "ü".repeat(WORDS_BYTES_MAX);
        assert_eq!(beginning(&long).len(), WORDS_BYTES_MAX);
        let odd = format!("x{long}");
        assert_eq!(beginning(&odd).len(), WORDS_BYTES_MAX - 1);
    }
}
