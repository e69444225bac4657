//! Gives every constant of a device's tasks its place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::Bytes;

use super::bias::bias as bias_of;
use super::error::PackError;
use super::layout::{ALIGN_BYTES, Block, Content, Layout, Place, Task};
use super::rows::RowSource;
use super::spec::{TaskSpec, Work};
use super::task::nodes;
use crate::division::Slice;
use crate::graph::Constant;
use crate::layer::{Layer, Orientation};
use crate::part::{ParityRows, Part, Weights};
use crate::scaled::Scaled;
use crate::stage::Staged;

/// Constants smaller than this are in the task file itself.
const INLINE_BYTES: usize = 1024;

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
            staged.check_part(stage, part)?;
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
/// Tells weights that are computed from each other: of a parity each data
/// shard's coefficient and first and last row, of a term its columns.
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
            if let Some((shape, data)) = bias_of(staged, layer, part)? {
                bias = Some((shape, self.bytes(data)));
            }
        }
        let graph = &staged.model.graph;
        let mut constants = BTreeMap::new();
        let read = nodes(staged, &spec.work).flat_map(|n| &graph.nodes[n].inputs);
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
            Weights::Parity(ParityRows { code, parity, rows }) => {
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
