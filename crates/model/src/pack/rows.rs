//! Weights by output rows, read in pieces.

use std::ops::Range;

use quorate_code::{Code, ParitySums};

use super::error::PackError;
use crate::graph::Constant;
use crate::layer::{Layer, Orientation};
use crate::scaled::Scaled;
use crate::stage::Staged;
use crate::tensor::DType;

/// Least and most size of the pieces that weights are copied, transposed and
/// coded in; a row is never divided.
const PIECE_BYTES: Range<usize> = 1 << 16..1 << 20;

/// Pieces of a layer, where that gives them a size between. Coding holds three
/// times as much as one, which should be little beside the model's file.
const PIECES: usize = 32;

/// Columns that are transposed at once: their part of a piece stays in cache.
const TILE: usize = 64;

/// Numbers that are read from bytes at once.
const CONVERTED: usize = 1024;

/// The f32 weights of a layer as `rows` rows of `row_len`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowSource<'a> {
    weights: Constant<'a>,
    rows: usize,
    row_len: usize,
    /// Elements of a row that belong to one column.
    column_len: usize,
    orientation: Orientation,
}

type Write<'w> = &'w mut dyn FnMut(&[u8]) -> Result<(), PackError>;

impl<'a> RowSource<'a> {
    pub(super) fn new(staged: &'a Staged, layer: &Layer) -> Result<RowSource<'a>, PackError> {
        let absent = || PackError::Absent { name: layer.weight.clone() };
        let weights = staged.model.graph.constant(&layer.weight).ok_or_else(absent)?;
        let (rows, row_len, orientation) = (layer.rows, layer.row_len, layer.orientation);
        // The layer was read from these weights; only a caller that changed
        // one of them gets here.
        let same = rows.checked_mul(row_len) == Some(weights.elements());
        if !same || weights.dtype() != DType::F32 {
            return Err(absent());
        }
        let column_len = row_len / layer.columns.max(1);
        Ok(RowSource { weights, rows, row_len, column_len, orientation })
    }

    /// Bytes that `rows` rows take.
    pub(super) fn bytes(&self, rows: usize) -> u64 {
        rows as u64 * self.row_len as u64 * 4
    }

    fn rows_a_piece(&self) -> usize {
        let row_bytes = self.row_len.saturating_mul(4);
        let piece = self.rows.saturating_mul(row_bytes) / PIECES;
        (piece.clamp(PIECE_BYTES.start, PIECE_BYTES.end) / row_bytes).max(1)
    }

    /// Writes `rows`, one after the other.
    pub(super) fn write(&self, rows: Range<usize>, write: Write<'_>) -> Result<(), PackError> {
        let mut piece = Vec::new();
        for start in rows.clone().step_by(self.rows_a_piece()) {
            let rows = start..rows.end.min(start + self.rows_a_piece());
            write(self.read(rows, &mut piece))?;
        }
        Ok(())
    }

    /// Writes some columns of every row.
    pub(crate) fn write_columns(
        &self,
        columns: Range<usize>,
        write: Write<'_>,
    ) -> Result<(), PackError> {
        let bytes = |column: usize| column * self.column_len * 4;
        let (mut piece, mut cut) = (Vec::new(), Vec::new());
        for start in (0..self.rows).step_by(self.rows_a_piece()) {
            let rows = start..self.rows.min(start + self.rows_a_piece());
            cut.clear();
            for row in self.read(rows, &mut piece).chunks_exact(self.row_len * 4) {
                cut.extend_from_slice(&row[bytes(columns.start)..bytes(columns.end)]);
            }
            write(&cut)?;
        }
        Ok(())
    }

    /// Writes parity shard `parity` of the data shards that these ranges of
    /// rows are.
    pub(crate) fn write_parity(
        &self,
        code: &Code,
        parity: usize,
        shards: &[Range<usize>],
        write: Write<'_>,
    ) -> Result<(), PackError> {
        let longest = shards.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let mut piece = Vec::new();
        for start in (0..longest).step_by(self.rows_a_piece()) {
            let end = longest.min(start + self.rows_a_piece());
            let mut sums = ParitySums::one(code, parity, (end - start) * self.row_len);
            for (shard, range) in shards.iter().enumerate() {
                let rows = range.start + start..range.end.min(range.start + end);
                if !rows.is_empty() {
                    add(&mut sums, shard, self.read(rows, &mut piece))?;
                }
            }
            piece.clear();
            piece.extend(sums.parity(0).flat_map(f32::to_le_bytes));
            write(&piece)?;
        }
        Ok(())
    }

    /// The bytes of `rows`, in `piece` where they have to be put together.
    fn read<'p>(&self, rows: Range<usize>, piece: &'p mut Vec<u8>) -> &'p [u8]
    where
        'a: 'p,
    {
        let k = self.row_len;
        if self.orientation == Orientation::Rows {
            return self.weights.read(rows.start * k..rows.end * k, piece);
        }
        let mut column = Vec::new();
        piece.clear();
        piece.resize(rows.len() * k * 4, 0);
        for tile in (0..k).step_by(TILE) {
            for i in tile..k.min(tile + TILE) {
                let at = i * self.rows + rows.start;
                let values = self.weights.read(at..at + rows.len(), &mut column);
                for (row, value) in piece.chunks_exact_mut(k * 4).zip(values.chunks_exact(4)) {
                    row[i * 4..i * 4 + 4].copy_from_slice(value);
                }
            }
        }
        piece
    }
}

/// Adds the f32 values in `bytes` to what data shard `shard` brings.
fn add(sums: &mut ParitySums, shard: usize, bytes: &[u8]) -> Result<(), PackError> {
    let mut values = [0f32; CONVERTED];
    for (i, bytes) in bytes.chunks(CONVERTED * 4).enumerate() {
        let values = &mut values[..bytes.len() / 4];
        for (value, b) in values.iter_mut().zip(bytes.chunks_exact(4)) {
            *value = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        }
        sums.add(shard, i * CONVERTED, values)?;
    }
    Ok(())
}

/// Writes all values.
pub(super) fn write_scaled(scaled: &Scaled, write: Write<'_>) -> Result<(), PackError> {
    let mut piece = Vec::new();
    let length = PIECE_BYTES.start / 4;
    for start in (0..scaled.elements()).step_by(length) {
        piece.clear();
        scaled.read(start..scaled.elements().min(start + length), &mut piece);
        write(&piece)?;
    }
    Ok(())
}
