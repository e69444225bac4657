//! Recovering results of integer codes.

use alloc::{sync::Arc, vec, vec::Vec};
use core::ops::Range;

use super::{IntegerCode, block, block_len, blocks_mut};
use crate::{
    CodeError, ShardSet,
    kernel::{Row, Wrapping32, combine},
};

impl IntegerCode {
    /// The coefficients that recover the missing data shards.
    ///
    /// # Errors
    ///
    /// [`CodeError::UnknownShard`], [`CodeError::NotDecodable`].
    pub fn decoder(&self, received: ShardSet) -> Result<IntegerDecoder, CodeError> {
        let all = ShardSet::first(self.shards());
        if let Some(shard) = received.without(all).iter().next() {
            return Err(CodeError::UnknownShard { shard, shards: self.shards() });
        }
        let data = ShardSet::first(self.data);
        let (missing, parities) = (data.without(received), received.without(data));
        let used: ShardSet = parities.iter().take(missing.len()).collect();
        match self.terms(missing, used) {
            Some(terms) if used.len() == missing.len() => Ok(IntegerDecoder {
                data: self.data,
                blocks: self.blocks,
                missing,
                terms: terms.into(),
            }),
            _ => Err(CodeError::NotDecodable {
                name: self.name,
                missing,
                received,
                lost: all.without(received),
                shards: self.shards(),
            }),
        }
    }

    /// One list of (source block, coefficient) for each block of each missing
    /// shard; source blocks are numbered `shard * blocks + block`.
    fn terms(&self, missing: ShardSet, used: ShardSet) -> Option<Vec<Vec<(usize, i32)>>> {
        let d = self.blocks;
        let size = missing.len() * d;
        if used.len() < missing.len() {
            return None;
        }
        let present = ShardSet::first(self.data).without(missing);
        let expand = |set: ShardSet| set.iter().flat_map(move |s| (0..d).map(move |b| s * d + b));
        let sources: Vec<usize> = expand(present).chain(expand(used)).collect();
        let columns: Vec<usize> = expand(missing).collect();
        // [A | right] with A the generator at the missing columns, to [1 | X].
        let width = size + sources.len();
        let mut matrix = Vec::with_capacity(size * width);
        for row in expand(used) {
            let coefficients = self.generator_row(row / d - self.data, row % d);
            matrix.extend(columns.iter().map(|&c| i32::from(coefficients[c])));
            matrix.extend(sources.iter().map(|&s| match s < self.data * d {
                true => -i32::from(coefficients[s]),
                false => i32::from(s == row),
            }));
        }
        eliminate(&mut matrix, size, width)?;
        let list = |row: &[i32]| {
            let pairs = sources.iter().copied().zip(row[size..].iter().copied());
            pairs.filter(|&(_, c)| c != 0).collect()
        };
        Some(matrix.chunks(width.max(1)).take(size).map(list).collect())
    }
}

/// Recovers missing results bit for bit; made by [`IntegerCode::decoder`].
/// Cloning shares the coefficients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegerDecoder {
    data: usize,
    blocks: usize,
    missing: ShardSet,
    /// One list for each block of each missing shard.
    terms: Arc<[Vec<(usize, i32)>]>,
}

impl IntegerDecoder {
    /// The data shards to be recovered.
    pub fn missing(&self) -> ShardSet {
        self.missing
    }

    /// The received shards that decoding reads.
    pub fn sources(&self) -> ShardSet {
        self.terms.iter().flatten().map(|&(source, _)| source / self.blocks).collect()
    }

    /// Writes data shard `missing` to `out`. `shard(i)` gives received shard
    /// `i`; parity shards are whole, data shards and `out` may be shorter than
    /// they are by rows of padding.
    ///
    /// # Errors
    ///
    /// [`CodeError::NotMissing`], [`CodeError::LongData`] where a data shard
    /// or `out` is longer than the parities, [`CodeError::Blocks`].
    pub fn recover_i32<'a>(
        &self,
        missing: usize,
        shard: impl Fn(usize) -> &'a [i32],
        out: &mut [i32],
    ) -> Result<(), CodeError> {
        self.recover(missing, None, shard, out)
    }

    /// Writes the values of data shard `missing` at `positions` of each of its
    /// blocks to their places in `out`, and leaves the others as they are.
    ///
    /// A value of a block depends on all blocks of the other shards, but only
    /// on their values at the same position. So this is the part that can be
    /// recovered of shards that arrived in part: those positions of *each*
    /// block must be there, and whatever stands at others is not read.
    /// `shard(i)` and `out` have the lengths of the whole shards, as in
    /// [`recover_i32`](Self::recover_i32), which equals recovering all
    /// positions in any parts. [`IntegerCode::piece`] tells where a block's
    /// positions lie in a shard. With one block, positions are rows.
    ///
    /// # Errors
    ///
    /// As [`recover_i32`](Self::recover_i32), and [`CodeError::Positions`]
    /// unless `positions` lie within a block.
    pub fn recover_positions_i32<'a>(
        &self,
        missing: usize,
        positions: Range<usize>,
        shard: impl Fn(usize) -> &'a [i32],
        out: &mut [i32],
    ) -> Result<(), CodeError> {
        self.recover(missing, Some(positions), shard, out)
    }

    /// Recovers `positions`, or all of them.
    fn recover<'a>(
        &self,
        missing: usize,
        positions: Option<Range<usize>>,
        shard: impl Fn(usize) -> &'a [i32],
        out: &mut [i32],
    ) -> Result<(), CodeError> {
        if !self.missing.contains(missing) {
            return Err(CodeError::NotMissing { shard: missing, missing: self.missing });
        }
        let d = self.blocks;
        let used: Vec<(usize, &[i32])> = self.sources().iter().map(|i| (i, shard(i))).collect();
        let parities = used.iter().filter(|(i, _)| *i >= self.data);
        let len = block_len(d, parities.map(|(i, values)| (*i, values.len())))?;
        let lens = used.iter().map(|(i, values)| (*i, values.len()));
        if let Some((shard, long)) = lens.chain([(missing, out.len())]).find(|s| s.1 > len * d) {
            return Err(CodeError::LongData { shard, len: long, parity: len * d });
        }
        let Range { start, end } = positions.unwrap_or(0..len);
        if start > end || end > len {
            return Err(CodeError::Positions { start, end, block: len });
        }
        let part = |len: usize| start.min(len)..end.min(len);
        let shards = used.last().map_or(0, |(last, _)| last + 1);
        let mut sources: Vec<&[i32]> = vec![&[]; shards * d];
        for (i, values) in used {
            for b in 0..d {
                let values = block(values, b, len);
                sources[i * d + b] = &values[part(values.len())];
            }
        }
        let first = self.missing.rank(missing) * d;
        let rows: Vec<Row<'_, Wrapping32>> =
            self.terms[first..first + d].iter().map(Vec::as_slice).collect();
        let mut outs: Vec<&mut [i32]> = blocks_mut(out, d, len)
            .map(|values| {
                let part = part(values.len());
                &mut values[part]
            })
            .collect();
        combine::<Wrapping32>(&rows[..outs.len()], &sources, &mut outs);
        Ok(())
    }
}

/// Brings the left square of `matrix` to ones on the diagonal, modulo 2^32.
/// Nothing if it has no inverse, that is none modulo 2.
fn eliminate(matrix: &mut [i32], size: usize, width: usize) -> Option<()> {
    for k in 0..size {
        let pivot = (k..size).find(|r| matrix[r * width + k] & 1 == 1)?;
        for c in 0..width {
            matrix.swap(k * width + c, pivot * width + c);
        }
        let inverse = odd_inverse(matrix[k * width + k]);
        for c in 0..width {
            matrix[k * width + c] = matrix[k * width + c].wrapping_mul(inverse);
        }
        for r in (0..size).filter(|&r| r != k) {
            let factor = matrix[r * width + k];
            for c in 0..width {
                let part = factor.wrapping_mul(matrix[k * width + c]);
                matrix[r * width + c] = matrix[r * width + c].wrapping_sub(part);
            }
        }
    }
    Some(())
}

/// The inverse of an odd number modulo 2^32, by Newton's way: each step
/// doubles the number of right bits, three to begin with.
fn odd_inverse(a: i32) -> i32 {
    (0..4).fold(a, |x, _| x.wrapping_mul(2i32.wrapping_sub(a.wrapping_mul(x))))
}
