//! Recovering the data shards that did not arrive.

use alloc::{sync::Arc, vec::Vec};

use crate::{CodeError, SHARDS_MAX, ShardSet, kernel};

/// The decoding coefficients for one set of received shards.
///
/// Made by [`Code::decoder`](crate::Code::decoder); cloning shares the
/// coefficients. A missing data shard is a linear combination of received
/// ones; shards that arrived are never touched.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoder {
    data: usize,
    missing: ShardSet,
    terms: Arc<[Vec<(usize, f64)>]>,
}

impl Decoder {
    /// `terms` holds one list for each shard of `missing`, in rising order.
    pub(crate) fn new(data: usize, missing: ShardSet, terms: Vec<Vec<(usize, f64)>>) -> Self {
        debug_assert_eq!(missing.len(), terms.len());
        Self { data, missing, terms: terms.into() }
    }

    /// The data shards to be recovered.
    pub fn missing(&self) -> ShardSet {
        self.missing
    }

    /// The received shards and their coefficients whose sum is data shard
    /// `missing`; empty if that one is not missing.
    pub fn terms(&self, missing: usize) -> &[(usize, f64)] {
        if self.missing.contains(missing) { &self.terms[self.missing.rank(missing)] } else { &[] }
    }

    /// The received shards that decoding reads.
    pub fn sources(&self) -> ShardSet {
        self.terms.iter().flatten().map(|&(shard, _)| shard).collect()
    }

    /// Writes the values of data shard `missing` to `out`.
    ///
    /// `shard(i)` gives the values of received shard `i`. Where a data shard
    /// is shorter than `out` its rest counts as zeros; parity shards are as
    /// long as the longest data shard. `out` may be shorter than they are.
    /// Adds up in f64, in one pass over the sources.
    ///
    /// # Errors
    ///
    /// [`CodeError::NotMissing`], or [`CodeError::ShortParity`] where a
    /// parity shard ends before `out` does.
    pub fn recover_f32<'a>(
        &self,
        missing: usize,
        shard: impl Fn(usize) -> &'a [f32],
        out: &mut [f32],
    ) -> Result<(), CodeError> {
        if !self.missing.contains(missing) {
            return Err(CodeError::NotMissing { shard: missing, missing: self.missing });
        }
        let mut sources: [(f64, &[f32]); SHARDS_MAX] = [(0.0, &[]); SHARDS_MAX];
        let terms = self.terms(missing);
        for (source, &(index, coefficient)) in sources.iter_mut().zip(terms) {
            let values = shard(index);
            if index >= self.data && values.len() < out.len() {
                return Err(CodeError::ShortParity {
                    shard: index,
                    len: values.len(),
                    needed: out.len(),
                });
            }
            *source = (coefficient, values);
        }
        kernel::combine_f32(&sources[..terms.len()], out);
        Ok(())
    }
}
