//! Keeping decoders of integer codes.

use alloc::vec::Vec;
use core::ops::Range;

use super::{IntegerCode, IntegerDecoder};
use crate::{
    CodeError, ShardSet,
    cache::{DecoderCache, Kept, parts},
};

/// Decoders of one integer code by the set of received shards, each made once:
/// a [`DecoderCache`] for an [`IntegerCode`].
#[derive(Clone, Debug)]
pub struct IntegerDecoderCache {
    code: IntegerCode,
    decoders: Kept<IntegerDecoder>,
}

impl IntegerDecoderCache {
    /// Most decoders that are kept.
    pub const PATTERNS_MAX: usize = DecoderCache::PATTERNS_MAX;

    /// An empty cache for `code`.
    pub fn new(code: IntegerCode) -> Self {
        Self { code, decoders: Kept::new() }
    }

    /// The code.
    pub fn code(&self) -> &IntegerCode {
        &self.code
    }

    /// The decoder for `received`.
    ///
    /// # Errors
    ///
    /// As [`IntegerCode::decoder`].
    pub fn get(&mut self, received: ShardSet) -> Result<IntegerDecoder, CodeError> {
        self.decoders.get(received, || self.code.decoder(received))
    }

    /// Splits positions `0..block_len` of the blocks where the set of shards
    /// that have arrived changes, as [`DecoderCache::segments`] does rows.
    /// `arrived(i)` gives the positions at which *every* block of shard `i` is
    /// there.
    ///
    /// # Errors
    ///
    /// As [`IntegerCode::decoder`], for the first part that cannot be decoded.
    pub fn segments<'a>(
        &mut self,
        block_len: usize,
        arrived: impl Fn(usize) -> &'a [Range<usize>],
    ) -> Result<Vec<IntegerSegment>, CodeError> {
        let parts = parts(self.code.shards(), block_len, arrived);
        parts
            .map(|(positions, received)| {
                Ok(IntegerSegment { decoder: self.get(received)?, positions, received })
            })
            .collect()
    }
}

/// A range of positions in the blocks over which the same shards have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegerSegment {
    /// The positions, in each block.
    pub positions: Range<usize>,
    /// The shards that have arrived at these positions.
    pub received: ShardSet,
    /// Recovers the missing ones by [`IntegerDecoder::recover_positions_i32`].
    pub decoder: IntegerDecoder,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn integer_segments_follow_what_arrived() {
        let mut cache = IntegerDecoderCache::new(IntegerCode::mds(2, 2).unwrap());
        let arrived: [&[Range<usize>]; 4] = [&[0..6], &[8..9, 0..4], &[3..9], &[4..99]];
        let segments = cache.segments(9, |i| arrived[i]).unwrap();
        let seen: Vec<_> =
            segments.iter().map(|s| (s.positions.clone(), s.decoder.missing().bits())).collect();
        assert_eq!(seen, [(0..3, 0), (3..4, 0), (4..6, 2), (6..8, 3), (8..9, 1)]);
        let error = cache.segments(11, |i| arrived[i]).unwrap_err();
        assert!(matches!(error, CodeError::NotDecodable { .. }));
        assert_eq!(cache.segments(0, |i| arrived[i]), Ok(Vec::new()));
    }
}
