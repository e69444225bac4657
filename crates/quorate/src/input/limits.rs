//! Sizes beyond which an input is refused.

/// The largest input file, and the most that one may unpack to.
pub(super) const FILE_BYTES_MAX: u64 = 512 << 20;

/// The most that all tensors of one file may take.
pub(super) const TENSOR_BYTES_MAX: usize = 1 << 30;
