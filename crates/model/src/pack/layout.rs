//! The files of one device, with a place for each of their constants.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;

use bytes::Bytes;
use quorate_code::Code;

use super::error::PackError;
use super::rows::{RowSource, write_scaled};
use super::spec::TaskSpec;
use crate::scaled::Scaled;
use crate::stage::Staged;

/// Each block of the weights file starts at a multiple of so many bytes.
pub(crate) const ALIGN_BYTES: u64 = 64;

/// Where a constant of a task lies.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    Inline(Bytes),
    File { offset: u64, length: u64 },
}

/// A task with the places of its constants.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) spec: TaskSpec,
    /// The layer's weights, by rows.
    pub(super) weight: Option<Place>,
    /// The layer's bias: its shape and place.
    pub(super) bias: Option<(Vec<usize>, Place)>,
    /// Initializers read by glue.
    pub(super) constants: BTreeMap<String, Place>,
}

/// Something in the weights file.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) content: Content<'a>,
}

#[derive(Debug)]
pub(super) enum Content<'a> {
    Rows { source: RowSource<'a>, rows: Range<usize> },
    Columns { source: RowSource<'a>, columns: Range<usize> },
    Parity { source: RowSource<'a>, code: Code, parity: usize, rows: Vec<Range<usize>> },
    Bytes(Bytes),
    Scaled(&'a Scaled),
}

/// The files of one device, laid out but not written.
#[derive(Debug)]
pub struct Layout<'a> {
    pub(super) staged: &'a Staged,
    pub(super) weights_file: String,
    pub(super) tasks: Vec<Task>,
    pub(super) blocks: Vec<Block<'a>>,
    pub(super) weights_len: u64,
}

impl Layout<'_> {
    /// Size of the weights file, in bytes.
    pub fn weights_len(&self) -> u64 {
        self.weights_len
    }

    /// Writes the weights file. Weights pass through in pieces of at most
    /// about a megabyte; `progress` gets the number of bytes written so far.
    pub fn write_weights(
        &self,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), PackError> {
        let mut at = 0u64;
        for block in &self.blocks {
            let gap = [0u8; ALIGN_BYTES as usize];
            let gap = &gap[..(block.offset - at) as usize];
            out.write_all(gap).map_err(|why| PackError::Write { why })?;
            at = block.offset;
            let mut write = |piece: &[u8]| {
                out.write_all(piece).map_err(|why| PackError::Write { why })?;
                at += piece.len() as u64;
                progress(at);
                Ok(())
            };
            match &block.content {
                Content::Rows { source, rows } => source.write(rows.clone(), &mut write)?,
                Content::Columns { source, columns } => {
                    source.write_columns(columns.clone(), &mut write)?;
                }
                Content::Parity { source, code, parity, rows } => {
                    source.write_parity(code, *parity, rows, &mut write)?;
                }
                Content::Bytes(data) => write(data)?,
                Content::Scaled(scaled) => write_scaled(scaled, &mut write)?,
            }
            debug_assert_eq!(at, block.offset + block.length);
        }
        Ok(())
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    pub(super) fn task(&self, task: usize) -> Result<&Task, PackError> {
        self.tasks.get(task).ok_or(PackError::Task { got: task, limit: self.tasks.len() })
    }
}
