//! Announcements of finished requests.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::error::FrameError;
use super::field::{bounded, need, read_run, write_run};
use crate::id::GatewayRun;

const NUMBERS_MAX: usize = 256;

/// Finished requests: all below `below`, and those in `also`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    /// The gateway run that speaks.
    pub run: GatewayRun,
    /// Every request with a smaller number is finished.
    pub below: u64,
    /// Finished requests beyond `below`, at most 256.
    pub also: Vec<u64>,
}

impl Watermark {
    pub(super) fn write(&self, out: &mut BytesMut) {
        assert!(self.also.len() <= NUMBERS_MAX);
        write_run(self.run, out);
        out.put_u64_le(self.below);
        out.put_u16_le(self.also.len() as u16);
        self.also.iter().for_each(|&number| out.put_u64_le(number));
    }

    pub(super) fn read(bytes: &mut Bytes) -> Result<Watermark, FrameError> {
        need(bytes, 26)?;
        let (run, below) = (read_run(bytes), bytes.get_u64_le());
        let count = bounded("finished requests", bytes.get_u16_le().into(), NUMBERS_MAX)?;
        need(bytes, count * 8)?;
        let also = (0..count).map(|_| bytes.get_u64_le()).collect();
        Ok(Watermark { run, below, also })
    }
}
