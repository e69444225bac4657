//! Exact codes over wrapping integers.
//!
//! Data weights of 8 bits, parity weights of 16, results modulo 2^32: whatever
//! the inner size, and however often accumulators wrap, a lost result is
//! recovered bit for bit. [`algorithm`](crate::algorithm#integers-exactly) says
//! why.
//!
//! For more than one parity shard a shard is cut into equal *blocks* of rows,
//! which are mixed, but only at the same position. What can be encoded, checked
//! or recovered by itself is therefore a *piece*: the values at some positions
//! of each block. [`IntegerCode::piece`] finds them.

mod cache;
mod decoder;

use alloc::{vec, vec::Vec};
use core::ops::Range;

use crate::{
    CodeError, ShardSet,
    encode::{check_shards, in_parts},
    family::check_counts,
    field::{DEGREE_MAX, Field},
    kernel::{Arithmetic, Row, Weights, Wrapping32, combine},
    verify::{Verdict, suspects},
};

pub use cache::{IntegerDecoderCache, IntegerSegment};
pub use decoder::IntegerDecoder;

/// Most parity shards.
const PARITY_MAX: usize = 8;

/// A systematic code over integers modulo 2^32 that repairs any M losses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegerCode {
    name: &'static str,
    data: usize,
    parity: usize,
    blocks: usize,
    /// One row of `data * blocks` coefficients for each block of each parity.
    generator: Vec<i16>,
}

impl IntegerCode {
    /// One parity shard, the sum of all data shards.
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`].
    pub fn sum(n: usize) -> Result<Self, CodeError> {
        check_counts("sum", n, 1, 1, 1)?;
        Ok(Self { name: "sum", data: n, parity: 1, blocks: 1, generator: vec![1; n] })
    }

    /// Repairs any M losses, M up to 8. Cuts shards into
    /// [`blocks`](Self::blocks) of rows: d with `2^d > n` for M = 2 and 3 (4
    /// blocks for N up to 15), d with `2^d >= n + m` for more.
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`], [`CodeError::ParityShards`].
    pub fn mds(n: usize, m: usize) -> Result<Self, CodeError> {
        check_counts("mds", n, m, 1, PARITY_MAX)?;
        if m == 1 {
            return Ok(Self { name: "mds", ..Self::sum(n)? });
        }
        let points = if m <= 3 { n + 1 } else { n + m };
        let blocks = (1..DEGREE_MAX).find(|d| 1 << d >= points).unwrap_or(DEGREE_MAX);
        let field = Field::new(blocks);
        let element = |parity: usize, data: usize| {
            let point = data as u8 + 1;
            match (m, parity) {
                (_, 0) => 1,
                (2 | 3, 1) => point,
                (2 | 3, _) => field.times(point, point),
                // Points 0..m are the parities', the others the data shards'.
                _ => {
                    let x = (data + m) as u8;
                    field.times(x, field.inverse(x ^ parity as u8))
                }
            }
        };
        let mut generator = vec![0; m * blocks * n * blocks];
        for parity in 0..m {
            for data in 0..n {
                let matrix = field.matrix(element(parity, data));
                for (r, row) in matrix.chunks(blocks).enumerate() {
                    let start = (parity * blocks + r) * n * blocks + data * blocks;
                    generator[start..start + blocks].copy_from_slice(row);
                }
            }
        }
        Ok(Self { name: "mds", data: n, parity: m, blocks, generator })
    }

    /// The code with this name and these counts: `sum` or `mds`.
    ///
    /// # Errors
    ///
    /// [`CodeError::UnknownName`], or counts that the code does not support.
    pub fn by_name(name: &str, n: usize, m: usize) -> Result<Self, CodeError> {
        match name {
            "sum" => check_counts("sum", n, m, 1, 1).and_then(|()| Self::sum(n)),
            "mds" => Self::mds(n, m),
            _ => Err(CodeError::UnknownName { name: name.into(), known: "sum, mds for integers" }),
        }
    }

    /// The code's name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// N.
    pub fn data_shards(&self) -> usize {
        self.data
    }

    /// M.
    pub fn parity_shards(&self) -> usize {
        self.parity
    }

    /// N + M.
    pub fn shards(&self) -> usize {
        self.data + self.parity
    }

    /// Any this many losses are repaired: M.
    pub fn tolerance(&self) -> usize {
        self.parity
    }

    /// Blocks of rows that a shard is cut into. A parity shard's number of
    /// rows is the longest data shard's, rounded up to a multiple of this.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// The coefficients of block `block` of parity shard `parity`: those of
    /// each data shard's blocks, one data shard after the other.
    ///
    /// # Panics
    ///
    /// If there is no such parity shard or block.
    pub fn generator_row(&self, parity: usize, block: usize) -> &[i16] {
        assert!(block < self.blocks, "a block of the code");
        let len = self.data * self.blocks;
        &self.generator[(parity * self.blocks + block) * len..][..len]
    }

    /// Where the values at `positions` of each block lie in a shard of `len`
    /// values whose parities' blocks have `block_len`: a *piece* of the shard
    /// is what these ranges hold, one after the other.
    ///
    /// There is one range for each block, cut off where the block or a short
    /// data shard ends, and empty past that. Pieces of all data shards at the
    /// same positions are encoded to the same piece of the parities, whose
    /// length is [`blocks`](Self::blocks) times that of `positions`; so do
    /// pieces of results fit into [`decoder`](Self::decoder) and
    /// [`verify_i32`](Self::verify_i32). A run of rows of a shard is *not* a
    /// piece, unless the code has one block only.
    ///
    /// ```
    /// # use quorate_code::integer::IntegerCode;
    /// let code = IntegerCode::mds(4, 2)?; // of 3 blocks
    /// let whole: Vec<_> = code.piece(12, 4, 1..3).collect();
    /// assert_eq!(whole, [1..3, 5..7, 9..11]);
    /// let short: Vec<_> = code.piece(6, 4, 1..3).collect();
    /// assert_eq!(short, [1..3, 5..6, 6..6]);
    /// # Ok::<(), quorate_code::CodeError>(())
    /// ```
    pub fn piece(
        &self,
        len: usize,
        block_len: usize,
        positions: Range<usize>,
    ) -> impl ExactSizeIterator<Item = Range<usize>> + use<> {
        let end = positions.end.min(block_len);
        let start = positions.start.min(end);
        (0..self.blocks).map(move |block| {
            let at = |position: usize| block.saturating_mul(block_len).saturating_add(position);
            at(start).min(len)..at(end).min(len)
        })
    }

    /// The largest size that a parity weight may have, data weights of 8 bits
    /// given. It fits into 16 bits for every code of this crate.
    pub fn parity_weight_max(&self) -> i32 {
        let rows = self.generator.chunks(self.data * self.blocks);
        rows.map(|row| row.iter().map(|c| i32::from(c.abs())).sum::<i32>() * 128).max().unwrap_or(0)
    }

    /// Writes the parity weights of data weights of 8 bits.
    ///
    /// All parity shards have the same length, a multiple of
    /// [`blocks`](Self::blocks) times the values of a row; data shards may be
    /// shorter, and count as padded with rows of zeros.
    ///
    /// Shards that are too large to hold are encoded in pieces: give the same
    /// [`piece`](Self::piece) of every shard each time, for the bits of
    /// encoding at once.
    ///
    /// # Errors
    ///
    /// [`CodeError::ShardCount`], [`CodeError::LongData`],
    /// [`CodeError::Blocks`] where a parity's length does not fit.
    pub fn encode_i8(
        &self,
        data: &[&[i8]],
        parity: &mut [&mut [i16]],
        threads: usize,
    ) -> Result<(), CodeError> {
        self.encode::<Weights>(data, parity, threads)
    }

    /// Writes the parities of values modulo 2^32, such as biases and results.
    /// Lengths and pieces as in [`encode_i8`](Self::encode_i8).
    ///
    /// # Errors
    ///
    /// As [`encode_i8`](Self::encode_i8).
    pub fn encode_i32(
        &self,
        data: &[&[i32]],
        parity: &mut [&mut [i32]],
        threads: usize,
    ) -> Result<(), CodeError> {
        self.encode::<Wrapping32>(data, parity, threads)
    }

    fn encode<A: Arithmetic<Factor: From<i16> + Send + Sync, Source: Sync, Out: Send>>(
        &self,
        data: &[&[A::Source]],
        parity: &mut [&mut [A::Out]],
        threads: usize,
    ) -> Result<(), CodeError> {
        let lens: Vec<usize> = parity.iter().map(|p| p.len()).collect();
        check_shards(self.data, self.parity, data, &lens)?;
        let lens = lens.into_iter().enumerate().map(|(i, len)| (self.data + i, len));
        let len = block_len(self.blocks, lens)?;
        let sources: Vec<&[A::Source]> =
            data.iter().flat_map(|d| (0..self.blocks).map(|b| block(d, b, len))).collect();
        let mut outs: Vec<&mut [A::Out]> =
            parity.iter_mut().flat_map(|p| blocks_mut(p, self.blocks, len)).collect();
        let term = |(source, &c): (usize, &i16)| (c != 0).then_some((source, A::Factor::from(c)));
        let rows: Vec<Vec<(usize, A::Factor)>> = self
            .generator
            .chunks(self.data * self.blocks)
            .map(|row| row.iter().enumerate().filter_map(term).collect())
            .collect();
        let rows: Vec<Row<'_, A>> = rows.iter().map(Vec::as_slice).collect();
        in_parts(&sources, &mut outs, threads, &|data, parity| combine::<A>(&rows, data, parity));
        Ok(())
    }

    /// True if the missing data shards can be computed from `received`.
    pub fn is_decodable(&self, received: ShardSet) -> bool {
        received.intersection(ShardSet::first(self.shards())).len() >= self.data
    }

    /// Checks shards against each other where more arrived than decoding
    /// needs: exact, so that any difference is found. `shard(i)` gives the
    /// results of received shard `i`.
    ///
    /// One spare parity detects; two locate one corrupt shard.
    ///
    /// # Errors
    ///
    /// As [`decoder`](Self::decoder), and [`CodeError::LongData`] and
    /// [`CodeError::Blocks`] for lengths that do not fit together.
    pub fn verify_i32<'a>(
        &self,
        received: ShardSet,
        shard: impl Fn(usize) -> &'a [i32],
    ) -> Result<Verdict, CodeError> {
        let spare = received.len().saturating_sub(self.data);
        let Some(row) = self.first_difference(received, &shard)? else {
            return Ok(if spare == 0 { Verdict::Unchecked } else { Verdict::Clean });
        };
        let fits = |rest| Ok(self.first_difference(rest, &shard)?.is_none());
        Ok(Verdict::Corrupt { row, suspects: suspects(received, received, fits)? })
    }

    /// The first row where a spare parity differs from what the others say.
    fn first_difference<'a>(
        &self,
        received: ShardSet,
        shard: &impl Fn(usize) -> &'a [i32],
    ) -> Result<Option<usize>, CodeError> {
        let decoder = self.decoder(received)?;
        let parities = received.without(ShardSet::first(self.data));
        if parities.is_empty() {
            return Ok(None);
        }
        let len = block_len(self.blocks, parities.iter().map(|i| (i, shard(i).len())))?;
        let mut data: Vec<Vec<i32>> = vec![Vec::new(); self.data];
        for missing in decoder.missing() {
            data[missing] = vec![0; len * self.blocks];
            decoder.recover_i32(missing, shard, &mut data[missing])?;
        }
        let present = |i: usize| if decoder.missing().contains(i) { &data[i] } else { shard(i) };
        let shards: Vec<&[i32]> = (0..self.data).map(present).collect();
        let mut expected = vec![vec![0; len * self.blocks]; self.parity];
        let mut outs: Vec<&mut [i32]> = expected.iter_mut().map(Vec::as_mut_slice).collect();
        self.encode_i32(&shards, &mut outs, 1)?;
        let differs = |i: usize| {
            let pairs = expected[i - self.data].iter().zip(shard(i));
            pairs.into_iter().position(|(a, b)| a != b)
        };
        Ok(parities.iter().filter_map(differs).min())
    }
}

/// The length of a block, given the parities' lengths.
fn block_len(
    blocks: usize,
    parities: impl Iterator<Item = (usize, usize)>,
) -> Result<usize, CodeError> {
    let mut first = None;
    for (shard, len) in parities {
        let needed = *first.get_or_insert(len);
        if len != needed || len % blocks != 0 {
            return Err(CodeError::Blocks { shard, len, needed, blocks });
        }
    }
    Ok(first.unwrap_or(0) / blocks)
}

/// Block `index` of a shard that may end early.
fn block<T>(values: &[T], index: usize, len: usize) -> &[T] {
    &values[values.len().min(index * len)..values.len().min((index + 1) * len)]
}

/// At most `blocks` blocks of a shard that may end early.
fn blocks_mut<T>(values: &mut [T], blocks: usize, len: usize) -> impl Iterator<Item = &mut [T]> {
    values.chunks_mut(len.max(1)).take(blocks)
}
