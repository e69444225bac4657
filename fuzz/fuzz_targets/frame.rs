//! Bytes off the wire: a frame that decodes is encoded and decoded as the same.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use quorate_core::frame::{Frame, FrameError, LENGTH_BYTES};

fuzz_target!(|data: &[u8]| {
    let mut frame = data.to_vec();
    // A checksum stops nearly all changes; put in the right one.
    if let Err(FrameError::Checksum { computed, .. }) = Frame::decode(Bytes::from(frame.clone())) {
        frame[4..8].copy_from_slice(&computed.to_le_bytes());
    }
    if let Ok(decoded) = Frame::decode(Bytes::from(frame)) {
        let again = Frame::decode(decoded.encode().to_bytes().slice(LENGTH_BYTES..));
        assert_eq!(again, Ok(decoded));
    }
});
