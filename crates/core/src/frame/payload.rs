//! The bytes of a shard or an input.

use std::fmt;

use bytes::Bytes;
use crc32fast::Hasher;

/// Bytes that a frame carries. Whoever makes them for sending computes their
/// checksum at once, so that framing them later reads none of them.
#[derive(Clone, Default)]
pub struct Payload {
    bytes: Bytes,
    crc: Option<u32>,
}

impl Payload {
    /// The same bytes with their checksum computed.
    pub(crate) fn summed(self) -> Payload {
        let crc = Some(crc32fast::hash(&self.bytes));
        Payload { crc, ..self }
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Adds the bytes to a checksum under way.
    pub(super) fn add_to(&self, hasher: &mut Hasher) {
        match self.crc {
            Some(crc) => hasher.combine(&Hasher::new_with_initial_len(crc, self.len())),
            None => hasher.update(&self.bytes),
        }
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Payload {
        Payload { bytes, crc: None }
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Payload) -> bool {
        self.bytes == other.bytes
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_checksum_adds_what_the_bytes_would() {
        for length in [0, 1, 7, 4096, 100_000] {
            let bytes: Bytes = (0..length).map(|i| (i * 7) as u8).collect();
            let sum = |payload: Payload| {
                let mut hasher = Hasher::new();
                hasher.update(b"head");
                payload.add_to(&mut hasher);
                hasher.finalize()
            };
            let payload = Payload::from(bytes);
            assert_eq!(sum(payload.clone().summed()), sum(payload), "{length} bytes");
        }
    }
}
