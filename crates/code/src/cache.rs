//! Keeps decoders, since shards mostly arrive in the same few patterns.

use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::Range;

use crate::{Code, CodeError, Decoder, ShardSet};

/// Decoders of one code by the set of received shards, each made once.
///
/// Holds a bounded number of them and forgets all when it is full: devices
/// see few patterns, and making a decoder anew takes microseconds.
#[derive(Clone, Debug)]
pub struct DecoderCache {
    code: Code,
    decoders: Kept<Decoder>,
}

impl DecoderCache {
    /// Most decoders that are kept.
    pub const PATTERNS_MAX: usize = 256;

    /// An empty cache for `code`.
    pub fn new(code: Code) -> Self {
        Self { code, decoders: Kept::new() }
    }

    /// The code.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// The decoder for `received`.
    ///
    /// # Errors
    ///
    /// As [`Code::decoder`].
    pub fn get(&mut self, received: ShardSet) -> Result<Decoder, CodeError> {
        self.decoders.get(received, || self.code.decoder(received))
    }

    /// Cuts rows `0..len` wherever the set of shards that have arrived changes.
    /// Of a shard that arrived in part, only the missing rows are then decoded.
    /// `arrived(i)` gives the row ranges of shard `i` that are there, in any
    /// order; they may overlap.
    ///
    /// # Errors
    ///
    /// As [`Code::decoder`], for the first part that cannot be decoded.
    pub fn segments<'a>(
        &mut self,
        len: usize,
        arrived: impl Fn(usize) -> &'a [Range<usize>],
    ) -> Result<Vec<Segment>, CodeError> {
        let parts = parts(self.code.shards(), len, arrived);
        parts
            .map(|(rows, received)| Ok(Segment { decoder: self.get(received)?, rows, received }))
            .collect()
    }
}

/// A range of rows over which the same shards have arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// The rows.
    pub rows: Range<usize>,
    /// The shards that have arrived for these rows.
    pub received: ShardSet,
    /// Recovers the missing ones by [`Decoder::recover_rows_f32`].
    pub decoder: Decoder,
}

/// Decoders by the set of received shards.
#[derive(Clone, Debug)]
pub(crate) struct Kept<D>(BTreeMap<ShardSet, D>);

impl<D: Clone> Kept<D> {
    pub(crate) fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(crate) fn get(
        &mut self,
        received: ShardSet,
        make: impl FnOnce() -> Result<D, CodeError>,
    ) -> Result<D, CodeError> {
        if let Some(decoder) = self.0.get(&received) {
            return Ok(decoder.clone());
        }
        let decoder = make()?;
        if self.0.len() == DecoderCache::PATTERNS_MAX {
            self.0.clear();
        }
        self.0.insert(received, decoder.clone());
        Ok(decoder)
    }
}

/// The longest parts of `0..len` over which the same shards have arrived, and
/// which.
pub(crate) fn parts<'a>(
    shards: usize,
    len: usize,
    arrived: impl Fn(usize) -> &'a [Range<usize>],
) -> impl Iterator<Item = (Range<usize>, ShardSet)> {
    let ends = (0..shards).flat_map(&arrived).flat_map(|range| [range.start, range.end]);
    let mut cuts: Vec<usize> = ends.filter(|&cut| cut < len).chain([0, len]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut parts: Vec<(Range<usize>, ShardSet)> = Vec::new();
    for part in cuts.windows(2).map(|pair| pair[0]..pair[1]) {
        let there =
            |i: &usize| arrived(*i).iter().any(|r| r.start <= part.start && part.end <= r.end);
        let received: ShardSet = (0..shards).filter(there).collect();
        match parts.last_mut() {
            Some((last, same)) if *same == received => last.end = part.end,
            _ => parts.push((part, received)),
        }
    }
    parts.into_iter()
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;

    use super::*;

    #[test]
    #[allow(clippy::single_range_in_vec_init)]
    fn segments_follow_what_arrived() {
        let mut cache = DecoderCache::new(Code::sum(2).unwrap());
        let arrived: [&[Range<usize>]; 3] = [&[0..4, 6..10], &[0..7], &[4..10]];
        let segments = cache.segments(10, |i| arrived[i]).unwrap();
        let seen: Vec<_> =
            segments.iter().map(|s| (s.rows.clone(), s.decoder.missing().bits())).collect();
        assert_eq!(seen, [(0..4, 0), (4..6, 1), (6..7, 0), (7..10, 2)]);
        let error = cache.segments(11, |i| arrived[i]).unwrap_err();
        assert!(matches!(error, CodeError::NotDecodable { .. }));
    }

    #[test]
    fn no_more_than_the_bound_is_kept() {
        let made = |kept: &mut Kept<Arc<u64>>, bits| {
            kept.get(ShardSet::from_bits(bits), || Ok(Arc::new(bits))).unwrap()
        };
        let mut kept = Kept::new();
        let first = made(&mut kept, 0);
        assert!(Arc::ptr_eq(&first, &made(&mut kept, 0)));
        for bits in 0..1000 {
            assert_eq!(*made(&mut kept, bits), bits);
            assert!(kept.0.len() <= DecoderCache::PATTERNS_MAX);
        }
        assert!(!Arc::ptr_eq(&first, &made(&mut kept, 0)));
        let error = CodeError::UnknownShard { shard: 9, shards: 3 };
        let refused = ShardSet::from_bits(5000);
        assert_eq!(kept.get(refused, || Err(error.clone())), Err(error));
        assert_eq!(*made(&mut kept, 5000), 5000);
    }
}
