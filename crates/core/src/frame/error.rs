//! Errors of decoding.

use super::format::VERSION;

/// Why bytes are no frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FrameError {
    #[error("frame of {got} bytes, needs at least {needed}")]
    Short { got: usize, needed: usize },
    #[error("frame does not begin with QR")]
    Magic,
    #[error("frame version {got}, this program speaks {VERSION}")]
    Version { got: u8 },
    #[error("frame kind {got} unknown")]
    Kind { got: u8 },
    #[error("frame checksum {got:08x}, computed {computed:08x}")]
    Checksum { got: u32, computed: u32 },
    #[error("frame field {what} is {got}, limit {limit}")]
    Field { what: &'static str, got: u64, limit: u64 },
    #[error("frame payload of {got} bytes, its shape needs {needed}")]
    Payload { got: usize, needed: usize },
    #[error("frame has {got} bytes after its end")]
    Trailing { got: usize },
    #[error("frame text is not utf-8")]
    Text,
}
