//! One device's files: a small ONNX file for each task, and one file with the
//! weights of all of them.
//!
//! ```text
//! weights file:  | conv1 rows 0..16 | fc1 rows 0..1024 | fc1 parity | constants |
//!                     ^                  ^      ^
//! task files:      conv1.onnx         fc1-0   fc1-1     (offset and length)
//! ```
//!
//! Weights lie by output rows, so that a task needs one range of bytes, and
//! tasks whose rows overlap share them. Nothing is opened here: the caller
//! writes what it is given.

mod bias;
mod layer;
mod rows;
mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::ops::Range;

use bytes::Bytes;
use quorate_code::{Code, CodeError};

use crate::division::Slice;
use crate::graph::Constant;
use crate::layer::{Layer, Orientation};
use crate::part::{Part, PartError, Weights};
use crate::scaled::Scaled;
use crate::stage::Staged;
use crate::tensor::{DType, TensorError};
use rows::RowSource;

/// Each block of the weights file starts at a multiple of so many bytes.
pub(crate) const ALIGN_BYTES: u64 = 64;

/// Constants smaller than this are in the task file itself.
const INLINE_BYTES: usize = 1024;

/// A task file to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskSpec {
    /// The task's name, and its file's name without extension.
    pub name: String,
    /// What it computes.
    pub work: Work,
}

/// What a task computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// A part of a stage.
    Stage {
        /// Index in [`Staged::stages`].
        stage: usize,
        /// Which part of it.
        part: Part,
        /// Is the input only what the part reads of it ([`Staged::need`])?
        cut: bool,
    },
    /// The output stage.
    Output,
}

/// A value that a task reads or makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TaskValue {
    /// Its name in the task's graph.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Full shape.
    pub shape: Vec<usize>,
}

/// Why files cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A name that cannot be a file's, or that two tasks have.
    #[error("{name:?} cannot name a file here: {what}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong.
        what: &'static str,
    },
    /// There is no such stage.
    #[error("task {task} is for stage {got}, the model has {limit}")]
    Stage {
        /// The task.
        task: String,
        /// Stage asked for.
        got: usize,
        /// Number of stages.
        limit: usize,
    },
    /// There is no such task.
    #[error("task {got} of {limit}")]
    Task {
        /// Task asked for.
        got: usize,
        /// Number of tasks.
        limit: usize,
    },
    /// A part does not fit its layer.
    #[error(transparent)]
    Part {
        /// What is wrong.
        #[from]
        why: PartError,
    },
    /// A parity's code does not fit its shards.
    #[error(transparent)]
    Code {
        /// What is wrong.
        #[from]
        why: CodeError,
    },
    /// A constant is not what the layer said.
    #[error("initializer {name}: {why}")]
    Initializer {
        /// The initializer.
        name: String,
        /// What is wrong.
        why: TensorError,
    },
    /// The model's graph has lost a value.
    #[error("value {name} is not in the model")]
    Absent {
        /// The value.
        name: String,
    },
    /// The weights file could not be written.
    #[error("writing weights: {why}")]
    Write {
        /// What the writer says.
        why: io::Error,
    },
}

/// Where a constant of a task lies.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Inline(Bytes),
    File { offset: u64, length: u64 },
}

/// A task with the places of its constants.
#[derive(Debug)]
struct Task {
    spec: TaskSpec,
    /// The layer's weights, by rows.
    weight: Option<Place>,
    /// The layer's bias: its shape and place.
    bias: Option<(Vec<usize>, Place)>,
    /// Initializers read by glue.
    constants: BTreeMap<String, Place>,
}

/// Something in the weights file.
#[derive(Debug)]
struct Block<'a> {
    offset: u64,
    length: u64,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    Rows { source: RowSource<'a>, rows: Range<usize> },
    Columns { source: RowSource<'a>, columns: Range<usize> },
    Parity { source: RowSource<'a>, code: Code, parity: usize, rows: Vec<Range<usize>> },
    Bytes(Bytes),
    Scaled(&'a Scaled),
}

/// The files of one device, laid out but not written.
#[derive(Debug)]
pub struct Layout<'a> {
    staged: &'a Staged,
    weights_file: String,
    tasks: Vec<Task>,
    blocks: Vec<Block<'a>>,
    weights_len: u64,
}

/// Lays out the files for `tasks`. `weights_file` is the name that the task
/// files call the weights file by; it lies in the same folder.
pub fn lay_out<'a>(
    staged: &'a Staged,
    tasks: &[TaskSpec],
    weights_file: &str,
) -> Result<Layout<'a>, PackError> {
    check_name(weights_file)?;
    let mut names = BTreeSet::new();
    for task in tasks {
        check_name(&task.name)?;
        if !names.insert(task.name.as_str()) {
            let name = task.name.clone();
            return Err(PackError::Name { name, what: "two tasks have it" });
        }
        if let Work::Stage { stage, part, .. } = &task.work {
            let limit = staged.stages.len();
            let Some(stage) = staged.stages.get(*stage) else {
                return Err(PackError::Stage { task: task.name.clone(), got: *stage, limit });
            };
            part.check(stage)?;
        }
    }
    let mut store = Store::new(staged, tasks)?;
    let tasks = tasks.iter().map(|t| store.task(t)).collect::<Result<Vec<_>, _>>()?;
    let Store { blocks, end, .. } = store;
    let weights_file = weights_file.to_owned();
    Ok(Layout { staged, weights_file, tasks, blocks, weights_len: end })
}

fn check_name(name: &str) -> Result<(), PackError> {
    let what = match name {
        "" | "." | ".." => "it is empty or a folder",
        n if n.contains(['/', '\\', ':', '\0']) => "it has a character that separates folders",
        n if n.len() > 200 => "it is longer than 200 bytes",
        _ => return Ok(()),
    };
    Err(PackError::Name { name: name.to_owned(), what })
}

/// Blocks of one weight: the initializer, by rows or by columns.
type WeightKey = (String, Orientation);
/// Bits of the coefficients of a parity with their ranges of rows; zero with
/// a range of columns.
type TermsKey = Vec<(u64, usize, usize)>;

/// Assigns offsets.
struct Store<'a> {
    staged: &'a Staged,
    blocks: Vec<Block<'a>>,
    end: u64,
    /// Merged ranges of rows and their offsets.
    rows: BTreeMap<WeightKey, Vec<(Range<usize>, u64)>>,
    /// Parities and columns.
    derived: BTreeMap<(WeightKey, TermsKey), u64>,
    constants: BTreeMap<Bytes, u64>,
    scaled: BTreeMap<&'a str, u64>,
}

impl<'a> Store<'a> {
    fn new(staged: &'a Staged, tasks: &[TaskSpec]) -> Result<Store<'a>, PackError> {
        let mut store = Store {
            staged,
            blocks: Vec::new(),
            end: 0,
            rows: BTreeMap::new(),
            derived: BTreeMap::new(),
            constants: BTreeMap::new(),
            scaled: BTreeMap::new(),
        };
        let mut wanted: BTreeMap<WeightKey, (&'a Layer, Vec<Range<usize>>)> = BTreeMap::new();
        let mut order = Vec::new();
        for task in tasks {
            let Work::Stage { stage, part, .. } = &task.work else { continue };
            let Some(layer) = staged.stages[*stage].layer() else { continue };
            let Weights::Slice(Slice::Rows(rows)) = part.weights(layer) else { continue };
            let (_, ranges) = wanted.entry(key(layer)).or_insert_with(|| {
                order.push(key(layer));
                (layer, Vec::new())
            });
            ranges.push(rows);
        }
        for key in order {
            let Some((layer, ranges)) = wanted.remove(&key) else { continue };
            let mut placed = Vec::new();
            for rows in merge(ranges) {
                let source = RowSource::new(staged, layer)?;
                let length = source.bytes(rows.len());
                let content = Content::Rows { source, rows: rows.clone() };
                placed.push((rows, store.add(length, content)));
            }
            store.rows.insert(key, placed);
        }
        Ok(store)
    }

    fn add(&mut self, length: u64, content: Content<'a>) -> u64 {
        let offset = self.end.next_multiple_of(ALIGN_BYTES);
        self.end = offset + length;
        self.blocks.push(Block { offset, length, content });
        offset
    }

    fn task(&mut self, spec: &TaskSpec) -> Result<Task, PackError> {
        let spec = spec.clone();
        let (mut weight, mut bias) = (None, None);
        let staged: &'a Staged = self.staged;
        if let Work::Stage { stage, part, .. } = &spec.work
            && let Some(layer) = staged.stages[*stage].layer()
        {
            weight = Some(self.weight(layer, part)?);
            if let Some((shape, data)) = bias::bias(staged, layer, part)? {
                bias = Some((shape, self.bytes(data)));
            }
        }
        let graph = &staged.model.graph;
        let mut constants = BTreeMap::new();
        let read = task::nodes(staged, &spec.work).flat_map(|n| &graph.nodes[n].inputs);
        let made = match &spec.work {
            Work::Output => staged.output.outputs.as_slice(),
            Work::Stage { .. } => &[],
        };
        for name in read.chain(made) {
            let Some(constant) = graph.constant(name) else { continue };
            if !constants.contains_key(name) {
                let place = match constant {
                    Constant::Plain(tensor) => self.bytes(tensor.data().clone()),
                    Constant::Scaled(scaled) => self.scaled(name, scaled),
                };
                constants.insert(name.clone(), place);
            }
        }
        Ok(Task { spec, weight, bias, constants })
    }

    fn weight(&mut self, layer: &'a Layer, part: &Part) -> Result<Place, PackError> {
        let source = RowSource::new(self.staged, layer)?;
        let length = part.weight_bytes(layer);
        let offset = match part.weights(layer) {
            Weights::Slice(Slice::Rows(rows)) => self.placed(layer, &source, &rows)?,
            Weights::Slice(Slice::Columns(columns)) => {
                let bits = vec![(0, columns.start, columns.end)];
                self.once((key(layer), bits), length, Content::Columns { source, columns })
            }
            Weights::Parity { code, parity, rows } => {
                let row = code.generator_row(parity).iter().zip(&rows);
                let bits = row.map(|(c, r)| (c.to_bits(), r.start, r.end)).collect();
                let content = Content::Parity { source, code: code.clone(), parity, rows };
                self.once((key(layer), bits), length, content)
            }
        };
        Ok(Place::File { offset, length })
    }

    /// Where the block of weights is that holds these rows.
    fn placed(
        &self,
        layer: &Layer,
        source: &RowSource<'_>,
        rows: &Range<usize>,
    ) -> Result<u64, PackError> {
        let placed = self.rows.get(&key(layer)).map_or(&[][..], Vec::as_slice);
        let holds = |r: &Range<usize>| r.start <= rows.start && rows.end <= r.end;
        let absent = || PackError::Absent { name: layer.weight.clone() };
        let (r, at) = placed.iter().find(|(r, _)| holds(r)).ok_or_else(absent)?;
        Ok(at + source.bytes(rows.start - r.start))
    }

    /// The offset of a block made for this key, which is made at most once.
    fn once(&mut self, key: (WeightKey, TermsKey), length: u64, content: Content<'a>) -> u64 {
        if let Some(&offset) = self.derived.get(&key) {
            return offset;
        }
        let offset = self.add(length, content);
        self.derived.insert(key, offset);
        offset
    }

    /// Computed constants are stored once a name.
    fn scaled(&mut self, name: &'a str, scaled: &'a Scaled) -> Place {
        let length = scaled.elements() as u64 * 4;
        if length < INLINE_BYTES as u64 {
            let mut data = Vec::new();
            scaled.read(0..scaled.elements(), &mut data);
            return self.bytes(data.into());
        }
        let offset = match self.scaled.get(name) {
            Some(&offset) => offset,
            None => {
                let offset = self.add(length, Content::Scaled(scaled));
                self.scaled.insert(name, offset);
                offset
            }
        };
        Place::File { offset, length }
    }

    /// Small constants stay in the task file; equal large ones are stored once.
    fn bytes(&mut self, data: Bytes) -> Place {
        if data.len() < INLINE_BYTES {
            return Place::Inline(data);
        }
        let length = data.len() as u64;
        let offset = match self.constants.get(&data) {
            Some(&offset) => offset,
            None => {
                let offset = self.add(length, Content::Bytes(data.clone()));
                self.constants.insert(data, offset);
                offset
            }
        };
        Place::File { offset, length }
    }
}

fn key(layer: &Layer) -> WeightKey {
    (layer.weight.clone(), layer.orientation)
}

/// The union of `ranges`. Ranges that only touch stay apart, so that each
/// starts aligned.
fn merge(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|r| (r.start, r.end));
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
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
                Content::Scaled(scaled) => rows::write_scaled(scaled, &mut write)?,
            }
            debug_assert_eq!(at, block.offset + block.length);
        }
        Ok(())
    }

    /// Number of tasks.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    fn task(&self, task: usize) -> Result<&Task, PackError> {
        self.tasks.get(task).ok_or(PackError::Task { got: task, limit: self.tasks.len() })
    }

    /// The task file: an ONNX model whose weights lie in the weights file.
    pub fn task_onnx(&self, task: usize) -> Result<Vec<u8>, PackError> {
        task::onnx(self, self.task(task)?)
    }

    /// What the task reads: its wire values in the order of the stage's
    /// `reads`, whole.
    #[cfg(test)]
    pub(crate) fn task_inputs(&self, task: usize) -> Result<Vec<TaskValue>, PackError> {
        Ok(task::inputs(self.staged, self.task(task)?))
    }

    /// What the task makes: one shard, or the graph's outputs in their order.
    #[cfg(test)]
    pub(crate) fn task_outputs(&self, task: usize) -> Result<Vec<TaskValue>, PackError> {
        task::outputs(self.staged, self.task(task)?)
    }
}

#[cfg(test)]
mod tests;
