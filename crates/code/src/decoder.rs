//! Recovering the data shards that did not arrive.

use alloc::{sync::Arc, vec::Vec};

use crate::{
    CodeError, SHARDS_MAX, ShardSet,
    kernel::{Row, Single, combine},
};

/// The decoding coefficients for one set of received shards.
///
/// Made by [`Code::decoder`](crate::Code::decoder); cloning shares the
/// coefficients. A missing data shard is a linear combination of received ones;
/// shards that arrived are never touched.
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
        self.recover_rows_f32(missing, 0, shard, out)
    }

    /// Writes the rows from `start` on of data shard `missing` to `out`, which
    /// says how many; `shard(i)` gives received shard `i` from its first row.
    ///
    /// # Errors
    ///
    /// As [`recover_f32`](Self::recover_f32).
    pub fn recover_rows_f32<'a>(
        &self,
        missing: usize,
        start: usize,
        shard: impl Fn(usize) -> &'a [f32],
        out: &mut [f32],
    ) -> Result<(), CodeError> {
        if !self.missing.contains(missing) {
            return Err(CodeError::NotMissing { shard: missing, missing: self.missing });
        }
        let terms = self.terms(missing);
        let read = terms.iter().map(|&(shard, _)| shard).collect();
        let sources = self.gather(read, start, out.len(), shard)?;
        combine::<Single>(&[terms], &sources, &mut [out]);
        Ok(())
    }

    /// Writes all missing data shards, in rising order, to `outs` in one pass
    /// over the sources. Each of them is as in
    /// [`recover_f32`](Self::recover_f32).
    ///
    /// # Errors
    ///
    /// [`CodeError::ShardCount`] unless there is one output for each missing
    /// shard, [`CodeError::ShortParity`].
    pub fn recover_all_f32<'a>(
        &self,
        shard: impl Fn(usize) -> &'a [f32],
        outs: &mut [&mut [f32]],
    ) -> Result<(), CodeError> {
        if outs.len() != self.missing.len() {
            return Err(CodeError::ShardCount {
                what: "missing data",
                got: outs.len(),
                needed: self.missing.len(),
            });
        }
        let longest = outs.iter().map(|out| out.len()).max().unwrap_or(0);
        let sources = self.gather(self.sources(), 0, longest, shard)?;
        let rows: Vec<Row<'_, Single>> = self.terms.iter().map(Vec::as_slice).collect();
        combine::<Single>(&rows, &sources, outs);
        Ok(())
    }

    /// Recovers all missing data shards in their places in `merged`, the
    /// concatenation of the data shards, where those that arrived are already
    /// in theirs. `shard_lens` are the data shards' lengths; `parity(i)` gives
    /// received parity shard `i`, counted from N.
    ///
    /// # Errors
    ///
    /// [`CodeError::ShardCount`] unless there are N lengths,
    /// [`CodeError::MergedLength`] unless they add up to `merged`'s,
    /// [`CodeError::ShortParity`].
    pub fn recover_merged_f32<'a>(
        &self,
        merged: &mut [f32],
        shard_lens: &[usize],
        parity: impl Fn(usize) -> &'a [f32],
    ) -> Result<(), CodeError> {
        if shard_lens.len() != self.data {
            return Err(CodeError::ShardCount {
                what: "data",
                got: shard_lens.len(),
                needed: self.data,
            });
        }
        let total = shard_lens.iter().sum();
        if merged.len() != total {
            return Err(CodeError::MergedLength { got: merged.len(), needed: total });
        }
        let mut received: [&[f32]; SHARDS_MAX] = [&[]; SHARDS_MAX];
        let mut outs = Vec::with_capacity(self.missing.len());
        let mut rest = merged;
        for (shard, &len) in shard_lens.iter().enumerate() {
            let (values, after) = rest.split_at_mut(len);
            rest = after;
            if self.missing.contains(shard) {
                outs.push(values);
            } else {
                received[shard] = values;
            }
        }
        let longest = outs.iter().map(|out| out.len()).max().unwrap_or(0);
        let from = |i: usize| if i < self.data { received[i] } else { parity(i) };
        let sources = self.gather(self.sources(), 0, longest, from)?;
        let rows: Vec<Row<'_, Single>> = self.terms.iter().map(Vec::as_slice).collect();
        combine::<Single>(&rows, &sources, &mut outs);
        Ok(())
    }

    /// Rows `start..start + len` of the shards in `read`.
    fn gather<'a>(
        &self,
        read: ShardSet,
        start: usize,
        len: usize,
        shard: impl Fn(usize) -> &'a [f32],
    ) -> Result<[&'a [f32]; SHARDS_MAX], CodeError> {
        let end = start.saturating_add(len);
        let mut sources: [&[f32]; SHARDS_MAX] = [&[]; SHARDS_MAX];
        for index in read {
            let values = shard(index);
            if index >= self.data && values.len() < end {
                return Err(CodeError::ShortParity {
                    shard: index,
                    len: values.len(),
                    needed: end,
                });
            }
            sources[index] = &values[start.min(values.len())..values.len().min(end)];
        }
        Ok(sources)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::Code;

    fn shards() -> [Vec<f32>; 5] {
        [
            vec![1.0, 2.0, 3.0],
            vec![4.0, 5.0],
            vec![7.0],
            vec![8.0, 9.0, 10.0],
            vec![20.0, 16.0, 13.0],
        ]
    }

    #[test]
    fn merged_output_is_completed_in_place() {
        let (code, shards) = (Code::sum(4).unwrap(), shards());
        for lost in 0..4 {
            let received: ShardSet = (0..5).filter(|&i| i != lost).collect();
            let whole = shards[..4].concat();
            let lens: Vec<usize> = shards[..4].iter().map(Vec::len).collect();
            let mut merged = whole.clone();
            let start: usize = lens[..lost].iter().sum();
            merged[start..start + lens[lost]].fill(f32::NAN);
            let decoder = code.decoder(received).unwrap();
            decoder.recover_merged_f32(&mut merged, &lens, |i| &shards[i]).unwrap();
            assert_eq!(merged, whole);
        }
    }

    #[test]
    fn rows_equal_the_part_of_the_whole() {
        let (code, shards) = (Code::sum(4).unwrap(), shards());
        let decoder = code.decoder(ShardSet::from_iter([1, 2, 3, 4])).unwrap();
        let mut out = [0.0; 2];
        decoder.recover_rows_f32(0, 1, |i| &shards[i], &mut out).unwrap();
        assert_eq!(out, [2.0, 3.0]);
    }

    #[test]
    fn wrong_arguments_are_errors() {
        let (code, shards) = (Code::sum(4).unwrap(), shards());
        let decoder = code.decoder(ShardSet::from_iter([1, 2, 3, 4])).unwrap();
        let cases = [
            (
                decoder.recover_f32(1, |i| &shards[i], &mut [0.0]).unwrap_err(),
                "shard 1 is not one of the missing data shards {0}",
            ),
            (
                decoder.recover_f32(0, |i| &shards[i], &mut [0.0; 4]).unwrap_err(),
                "parity shard 4 has 3 values, recovering 4 needs as many",
            ),
            (
                decoder.recover_all_f32(|i| &shards[i], &mut []).unwrap_err(),
                "got 0 missing data shards, the code needs 1",
            ),
            (
                decoder
                    .recover_merged_f32(&mut [0.0; 9], &[3, 2, 1, 4], |i| &shards[i])
                    .unwrap_err(),
                "merged output has 9 values, its shards have 10",
            ),
        ];
        for (error, text) in cases {
            assert_eq!(alloc::string::ToString::to_string(&error), text);
        }
        let past = decoder.recover_rows_f32(0, usize::MAX, |i| &shards[i], &mut [0.0]);
        assert!(matches!(past, Err(CodeError::ShortParity { shard: 4, .. })));
    }
}
