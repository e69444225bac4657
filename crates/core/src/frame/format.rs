//! Numbers of the format.

/// Version of the format; frames of another one are refused.
pub(super) const VERSION: u8 = 3;
/// Most bytes a frame's head takes, its payload left out. Frames without a
/// payload are never longer than this.
pub const HEAD_BYTES_MAX: usize = 4096;
/// Bytes of the length in front of a frame.
pub const LENGTH_BYTES: usize = 4;

/// The first bytes behind the length.
pub(super) const MAGIC: [u8; 2] = *b"QR";
/// Bytes between the length and the body: magic, version, kind and checksum.
pub(super) const PREFIX_BYTES: usize = 8;
