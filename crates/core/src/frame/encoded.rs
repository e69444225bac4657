//! A frame as bytes, and the checksum over them.

use bytes::{Buf, Bytes, BytesMut};
use crc32fast::Hasher;

use super::format::{LENGTH_BYTES, PREFIX_BYTES};
use super::payload::Payload;
use crate::id::RequestId;

/// A frame's bytes in two pieces, which go out one after the other: a payload
/// is not copied to stand behind its head.
#[derive(Clone, Debug)]
pub struct Encoded {
    head: Bytes,
    payload: Bytes,
    /// Which request it is of no use beyond.
    request: Option<RequestId>,
}

impl Encoded {
    /// Puts length and checksum into `head`, which has room for them.
    pub(super) fn seal(mut head: BytesMut, payload: &Payload) -> Encoded {
        let length = head.len() - LENGTH_BYTES + payload.bytes().len();
        let length = u32::try_from(length).expect("frame below 4 GiB");
        head[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
        let mut hasher = hasher(&head[LENGTH_BYTES..]);
        payload.add_to(&mut hasher);
        let sum = LENGTH_BYTES + PREFIX_BYTES - 4;
        head[sum..sum + 4].copy_from_slice(&hasher.finalize().to_le_bytes());
        Encoded { head: head.freeze(), payload: payload.bytes().clone(), request: None }
    }

    /// The same of a frame that is of no use once this request is finished.
    pub(super) fn of(self, request: RequestId) -> Encoded {
        Encoded { request: Some(request), ..self }
    }

    /// The request that it is of no use beyond, if it is one's input or shard.
    pub fn request(&self) -> Option<RequestId> {
        self.request
    }

    /// Bytes of the frame, its length in front counted.
    pub fn size(&self) -> usize {
        self.head.len() + self.payload.len()
    }

    /// The bytes, to be written in this order.
    pub fn into_buf(self) -> impl Buf {
        self.head.chain(self.payload)
    }

    /// The bytes in one piece, which is a copy.
    pub fn to_bytes(&self) -> Bytes {
        self.clone().into_buf().copy_to_bytes(self.size())
    }
}

/// CRC-32 of a frame behind its length, its own four bytes left out.
pub(super) fn checksum(frame: &[u8]) -> u32 {
    hasher(frame).finalize()
}

fn hasher(frame: &[u8]) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.update(&frame[..PREFIX_BYTES - 4]);
    hasher.update(&frame[PREFIX_BYTES..]);
    hasher
}
