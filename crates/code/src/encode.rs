//! Making parity shards.
//!
//! A parity's value at a row needs only that row of the data shards, so
//! shards larger than memory are encoded piece by piece: give
//! [`Code::encode_f32`] the same rows of every shard each time. Where shards
//! are read one after the other, [`ParitySums`] takes the pieces in any order.

use alloc::{vec, vec::Vec};

use crate::{
    Code, CodeError, ShardSet,
    kernel::{Row, Single, combine},
};

impl Code {
    /// Writes the parity shards of `data`, added up in f64.
    ///
    /// Shorter data shards are padded with zeros, without storing them; a
    /// parity shard is at least as long as the longest data shard. The rows
    /// are shared between `threads` threads (one without the `std` feature),
    /// with the same bits for any number of them.
    ///
    /// # Errors
    ///
    /// [`CodeError::ShardCount`] unless there are N data and M parity shards,
    /// [`CodeError::LongData`] where a data shard is longer than a parity.
    pub fn encode_f32(
        &self,
        data: &[&[f32]],
        parity: &mut [&mut [f32]],
        threads: usize,
    ) -> Result<(), CodeError> {
        let lens: Vec<usize> = parity.iter().map(|p| p.len()).collect();
        check_shards(self.data_shards(), self.parity_shards(), data, &lens)?;
        let terms: Vec<Vec<(usize, f64)>> =
            (0..self.parity_shards()).map(|p| self.parity_terms(p)).collect();
        let rows: Vec<Row<'_, Single>> = terms.iter().map(Vec::as_slice).collect();
        in_parts(data, parity, threads, &|data, parity| combine::<Single>(&rows, data, parity));
        Ok(())
    }

    /// The data shards and coefficients of which parity shard `parity` is the
    /// sum.
    fn parity_terms(&self, parity: usize) -> Vec<(usize, f64)> {
        self.generator_row(parity).iter().copied().enumerate().filter(|&(_, c)| c != 0.0).collect()
    }
}

/// Refuses shards that do not fit together.
pub(crate) fn check_shards<T>(
    data_shards: usize,
    parity_shards: usize,
    data: &[&[T]],
    parity_lens: &[usize],
) -> Result<(), CodeError> {
    if data.len() != data_shards {
        return Err(CodeError::ShardCount { what: "data", got: data.len(), needed: data_shards });
    }
    if parity_lens.len() != parity_shards {
        return Err(CodeError::ShardCount {
            what: "parity",
            got: parity_lens.len(),
            needed: parity_shards,
        });
    }
    let shortest = parity_lens.iter().copied().min().unwrap_or(usize::MAX);
    match data.iter().position(|d| d.len() > shortest) {
        Some(shard) => Err(CodeError::LongData { shard, len: data[shard].len(), parity: shortest }),
        None => Ok(()),
    }
}

/// Divides the rows into equal parts and calls `work` for each, on a thread of
/// its own.
pub(crate) fn in_parts<T: Sync, U: Send>(
    data: &[&[T]],
    parity: &mut [&mut [U]],
    threads: usize,
    work: &(impl Fn(&[&[T]], &mut [&mut [U]]) + Sync),
) {
    #[cfg(feature = "std")]
    if threads > 1 {
        let len = parity.iter().map(|p| p.len()).max().unwrap_or(0);
        let part = len.div_ceil(threads).next_multiple_of(1024).max(1024);
        let mut rest: Vec<&mut [U]> = parity.iter_mut().map(|p| &mut **p).collect();
        std::thread::scope(|scope| {
            for start in (0..len).step_by(part) {
                let mut mine = Vec::with_capacity(rest.len());
                for slot in &mut rest {
                    let values = core::mem::take(slot);
                    let (head, tail) = values.split_at_mut(part.min(values.len()));
                    mine.push(head);
                    *slot = tail;
                }
                let range = |d: &'_ &[T]| (start.min(d.len()), d.len().min(start + part));
                let pieces: Vec<&[T]> = data.iter().map(|d| &d[range(d).0..range(d).1]).collect();
                if start + part >= len {
                    work(&pieces, &mut mine);
                } else {
                    scope.spawn(move || work(&pieces, &mut mine));
                }
            }
        });
        return;
    }
    let _ = threads;
    work(data, parity);
}

/// Parity shards in the making, for data shards that come in pieces one after
/// the other. Takes 8 bytes a row and parity.
#[derive(Clone, Debug)]
pub struct ParitySums {
    /// A row of the code's generator for each parity shard in the making.
    generator: Vec<Vec<f64>>,
    data_shards: usize,
    rows: usize,
    sums: Vec<f64>,
}

impl ParitySums {
    /// Parities of `rows` values each, of no data yet.
    pub fn new(code: &Code, rows: usize) -> Self {
        Self::some(code, 0..code.parity_shards(), rows)
    }

    /// The one parity shard `parity`, which is number 0 afterwards.
    ///
    /// # Panics
    ///
    /// If there is no such parity shard.
    pub fn one(code: &Code, parity: usize, rows: usize) -> Self {
        Self::some(code, parity..parity + 1, rows)
    }

    fn some(code: &Code, parities: core::ops::Range<usize>, rows: usize) -> Self {
        let sums = vec![0.0; rows * parities.len()];
        let generator = parities.map(|parity| code.generator_row(parity).to_vec()).collect();
        Self { generator, data_shards: code.data_shards(), rows, sums }
    }

    /// Adds values of data shard `shard`, whose first one is row `start`.
    /// Every row is to be added once; rows that never come count as zeros.
    ///
    /// # Errors
    ///
    /// [`CodeError::UnknownShard`] unless `shard` is a data shard,
    /// [`CodeError::LongData`] past the last row.
    pub fn add(&mut self, shard: usize, start: usize, values: &[f32]) -> Result<(), CodeError> {
        if !ShardSet::first(self.data_shards).contains(shard) {
            return Err(CodeError::UnknownShard { shard, shards: self.data_shards });
        }
        let end = start.saturating_add(values.len());
        if end > self.rows {
            return Err(CodeError::LongData { shard, len: end, parity: self.rows });
        }
        for (parity, row) in self.generator.iter().enumerate() {
            let coefficient = row[shard];
            if coefficient == 0.0 {
                continue;
            }
            let sums = &mut self.sums[parity * self.rows + start..][..values.len()];
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += coefficient * f64::from(*value);
            }
        }
        Ok(())
    }

    /// The values of parity shard `parity`, counted from 0.
    ///
    /// # Panics
    ///
    /// If there is no such parity shard.
    pub fn parity(&self, parity: usize) -> impl ExactSizeIterator<Item = f32> {
        self.sums[parity * self.rows..(parity + 1) * self.rows].iter().map(|&sum| sum as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(lens: &[usize]) -> Vec<Vec<f32>> {
        lens.iter()
            .map(|&len| (0..len).map(|i| (i * i % 97) as f32 * 0.31 - len as f32).collect())
            .collect()
    }

    #[test]
    fn threads_and_pieces_make_the_same_bits() {
        let code = Code::bch_dft(3, 2).unwrap();
        let data = data(&[5000, 3001, 4097]);
        let shards: Vec<&[f32]> = data.iter().map(Vec::as_slice).collect();
        let (mut a, mut b) = (vec![0.0; 5000], vec![0.0; 5000]);
        code.encode_f32(&shards, &mut [&mut a, &mut b], 1).unwrap();
        for threads in [0, 2, 3, 7] {
            let (mut c, mut d) = (vec![1.0; 5000], vec![1.0; 5000]);
            code.encode_f32(&shards, &mut [&mut c, &mut d], threads).unwrap();
            assert!(a == c && b == d, "{threads} threads");
        }
        let mut sums = ParitySums::new(&code, 5000);
        for (shard, values) in data.iter().enumerate() {
            for (piece, values) in values.chunks(999).enumerate() {
                sums.add(shard, piece * 999, values).unwrap();
            }
        }
        assert!(sums.parity(0).eq(a) && sums.parity(1).eq(b.iter().copied()));
        let mut one = ParitySums::one(&Code::bch_dft(3, 2).unwrap(), 1, 5000);
        data.iter().zip(0..).for_each(|(values, shard)| one.add(shard, 0, values).unwrap());
        assert!(one.parity(0).eq(b));
    }

    #[test]
    fn wrong_arguments_are_errors() {
        let code = Code::sum(2).unwrap();
        let mut out = [0.0; 2];
        let cases = [
            (
                code.encode_f32(&[&[1.0]], &mut [&mut out], 1).unwrap_err(),
                "got 1 data shards, the code needs 2",
            ),
            (
                code.encode_f32(&[&[1.0], &[]], &mut [], 1).unwrap_err(),
                "got 0 parity shards, the code needs 1",
            ),
            (
                code.encode_f32(&[&[1.0], &[1.0; 3]], &mut [&mut out], 1).unwrap_err(),
                "data shard 1 has 3 values, more than its parity with 2",
            ),
            (
                ParitySums::new(&code, 4).add(2, 0, &[1.0]).unwrap_err(),
                "shard 2 is unknown, the code has 2 shards",
            ),
        ];
        for (error, text) in cases {
            assert_eq!(alloc::string::ToString::to_string(&error), text);
        }
    }
}
