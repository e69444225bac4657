//! Cuts a model into stages.
//!
//! ```text
//! wire values --> glue nodes --> layer --> tail --> wire value    (one stage)
//! wire values --> nodes of any kind ---------------> wire value    (a whole stage)
//! wire values --> glue nodes ----------------------> graph outputs (the output stage)
//! ```
//!
//! The cut is a set of *wires*: values that cross a border. Each is the end of
//! one stage, which reads graph inputs and other wires; all nodes between
//! belong to it, and where several stages need a node each of them, on each
//! of its devices, computes it: glue is cheap, and most of it does not commute
//! with the code.
//!
//! A stage can be divided where its wire is what a layer makes, or what a
//! *tail* of linear pooling makes of that: the tail commutes with a code over
//! channels, and leaves fewer bytes to send.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::graph::Node;
use crate::layer::{Layer, LayerKind, Unsplit, layers};
use crate::model::Model;
use crate::operator;
use crate::value::Value;

/// Most glue nodes of all stages together; real models have some hundreds.
const GLUE_MAX: usize = 1_000_000;

/// Where a model is to be cut, beyond the wires that every layer is.
#[derive(Clone, Debug, Default)]
pub struct Cut {
    /// Names of layers that end no stage: whoever reads what they make
    /// computes them, whole.
    pub glue: Vec<String>,
    /// What becomes of the steps of recurrent cells.
    pub recurrent: Recurrent,
    /// Values that end a whole stage: all layers on the way to them, from the
    /// inputs or other values of this list, are in that stage.
    pub whole: Vec<String>,
    /// Names of layers that end a stage also on the way to such a value.
    pub keep: Vec<String>,
}

/// How the recurrent products of LSTM, GRU and RNN are computed. The products
/// with the input, which are one layer for the whole sequence, are at borders
/// either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recurrent {
    /// A cell is one stage, for one device and its replicas.
    #[default]
    Whole,
    /// Each step's product is a layer, to be divided and coded.
    Step,
}

/// What one wire is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The layer's name, or the wire's where there is no layer to divide.
    pub name: String,
    /// The layer at its end, by which it can be divided.
    layer: Option<Layer>,
    /// Wire values read: indices in [`Staged::values`], ascending.
    pub reads: Vec<usize>,
    /// Nodes before the layer, all nodes where there is none: indices in the
    /// graph, in topological order.
    pub glue: Vec<usize>,
    /// Nodes after the layer, each linear and the same for every channel.
    pub tail: Vec<usize>,
    /// Floating-point operations of the glue for one request, estimated.
    pub glue_flops: u64,
    /// The wire value it makes: an index in [`Staged::values`].
    pub value: usize,
}

impl Stage {
    /// The layer at its end, by which it can be divided; `None` for a stage
    /// that one device computes.
    pub fn layer(&self) -> Option<&Layer> {
        self.layer.as_ref()
    }

    /// All its nodes: indices in the graph, in topological order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = usize> + '_ {
        let layer = self.layer.iter().map(|layer| layer.node);
        self.glue.iter().copied().chain(layer).chain(self.tail.iter().copied())
    }
}

/// The glue after the last layers, up to the graph's outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputStage {
    /// Wire values read: indices in [`Staged::values`], ascending.
    pub reads: Vec<usize>,
    /// Glue nodes: indices in the graph, in topological order.
    pub glue: Vec<usize>,
    /// Floating-point operations of the glue for one request, estimated.
    pub glue_flops: u64,
    /// The graph's outputs.
    pub outputs: Vec<String>,
}

/// A model cut into stages.
#[derive(Clone, Debug)]
pub struct Staged {
    /// The model.
    pub model: Arc<Model>,
    /// Graph inputs in their order, then the stages' values in theirs.
    pub values: Vec<Value>,
    /// Stages in topological order.
    pub stages: Vec<Stage>,
    /// The last stage, which the gateway computes.
    pub output: OutputStage,
    /// Nodes which compute like layers, but are not divided, and why.
    pub unsplit: Vec<Unsplit>,
}

/// Why a model cannot be cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// Nothing in it could be split.
    #[error("model has no Conv, Gemm or MatMul with constant f32 weights{hint}")]
    NoLayers {
        /// Why the nearest candidate is none; may be empty.
        hint: String,
    },
    /// Stages share so much glue that listing it for each is too much.
    #[error("stages have {got} glue nodes in all, limit {limit}")]
    Glue {
        /// Glue nodes so far, counted once for each stage that computes them.
        got: usize,
        /// Number allowed.
        limit: usize,
    },
    /// A layer to be treated as glue is none of the model's.
    #[error("model has no layer {name} (it has {known})")]
    NoLayer {
        /// The name asked for.
        name: String,
        /// The model's layers.
        known: String,
    },
    /// A value that is to end a stage is none of the model's.
    #[error("model has no value {value} to end a stage (its layers make {known})")]
    NoValue {
        /// The value asked for.
        value: String,
        /// What layers make.
        known: String,
    },
    /// A value that is to end a stage is an input.
    #[error("value {value} is an input of the model, no stage makes it")]
    Input {
        /// The value.
        value: String,
    },
    /// A value's type is not known, or it is made by nothing.
    #[error("value {value} is made by no node")]
    Unknown {
        /// The value.
        value: String,
    },
}

impl Staged {
    /// Cuts `model` at every layer, recurrent cells whole.
    pub fn new(model: Model) -> Result<Staged, StageError> {
        Staged::cut(Arc::new(model), &Cut::default())
    }

    /// Cuts `model` at every layer that `cut` does not make glue. Pooling that
    /// is linear goes before the border.
    pub fn cut(model: Arc<Model>, cut: &Cut) -> Result<Staged, StageError> {
        let (layers, unsplit) = layers(&model);
        if let Some(name) = cut.glue.iter().find(|name| layers.iter().all(|l| l.name != **name)) {
            let known: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
            return Err(StageError::NoLayer { name: name.clone(), known: known.join(", ") });
        }
        let cells = || model.graph.cells.iter().filter(|_| cut.recurrent == Recurrent::Whole);
        let steps: BTreeSet<&String> = cells().flat_map(|cell| &cell.steps).collect();
        let ends = Ends::new(&model);
        let inside = inside(&model, &layers, cut)?;
        let at_border = |layer: &&Layer| {
            !cut.glue.contains(&layer.name)
                && !inside.contains(&layer.node)
                && !steps.contains(&model.graph.nodes[layer.node].name)
        };
        let mut wires: Vec<String> =
            layers.iter().filter(at_border).map(|layer| ends.pooled(layer)).collect();
        wires.extend(cells().flat_map(|cell| &cell.outputs).cloned());
        wires.extend(cut.whole.iter().cloned());
        wires.sort_unstable();
        wires.dedup();
        if wires.is_empty() {
            let asked = || "asked to be glue".to_owned();
            let first = unsplit.first().map(|u| (&u.op, &u.name, u.why.clone()));
            let first = first.or_else(|| layers.first().map(|l| (&l.op, &l.name, asked())));
            let hint = first.map(|(op, name, why)| format!("; {op} {name}: {why}"));
            return Err(StageError::NoLayers { hint: hint.unwrap_or_default() });
        }
        Staged::at(model, &wires)
    }

    /// Cuts `model` at `wires`, which are values that nodes make.
    pub fn at(model: Arc<Model>, wires: &[String]) -> Result<Staged, StageError> {
        let (mut layers, mut unsplit) = layers(&model);
        let producers = model.graph.producers();
        let mut order: BTreeMap<(usize, &str), Option<End>> = BTreeMap::new();
        for wire in wires {
            let unknown = || StageError::Unknown { value: wire.clone() };
            let node = *producers.get(wire.as_str()).ok_or_else(unknown)?;
            let end = end_of(&model, &producers, &mut layers, wires, wire);
            order.insert((node, wire), end);
        }
        unsplit.extend(layers.into_iter().map(|layer| Unsplit {
            node: layer.node,
            name: layer.name,
            op: layer.op,
            why: "at no border of a stage".to_owned(),
        }));
        let made: Vec<_> = order.iter().map(|((_, wire), end)| (*wire, end.as_ref())).collect();
        let values = wire_values(&model, &made)?;
        let (stages, output) = stages(&model, &values, made)?;
        Ok(Staged { model, values, stages, output, unsplit })
    }

    /// The stage that makes the value `value`; `None` for an input.
    pub fn maker(&self, value: usize) -> Option<usize> {
        value.checked_sub(self.model.graph.inputs.len())
    }

    /// The stage that makes the value of this name.
    pub fn making(&self, value: &str) -> Option<usize> {
        self.stages.iter().position(|stage| self.values[stage.value].name == value)
    }

    /// The stages that read the value `value`.
    #[cfg(test)]
    pub(crate) fn readers(&self, value: usize) -> impl Iterator<Item = usize> + '_ {
        let reads = move |(i, s): (usize, &Stage)| s.reads.contains(&value).then_some(i);
        self.stages.iter().enumerate().filter_map(reads)
    }

    /// Nodes of a stage that compute like layers.
    pub fn layers_in(&self, stage: &Stage) -> usize {
        let nodes = stage.nodes().map(|node| &self.model.graph.nodes[node]);
        nodes.filter(|node| operator::role(node) == operator::Role::Layer).count()
    }

    /// Floating-point operations of a stage, glue included.
    pub fn stage_flops(&self, stage: &Stage) -> u64 {
        let graph = &self.model.graph;
        let tail = stage.tail.iter().map(|&node| operator::flops(graph, &graph.nodes[node]));
        let layer = stage.layer.as_ref().map_or(0, |layer| layer.flops);
        tail.fold(stage.glue_flops.saturating_add(layer), u64::saturating_add)
    }
}

/// Nodes that are in the whole stages asked for.
fn inside(model: &Model, layers: &[Layer], cut: &Cut) -> Result<BTreeSet<usize>, StageError> {
    let producers = model.graph.producers();
    let kept = |name: &String| {
        cut.whole.contains(name)
            || layers.iter().any(|l| {
                l.output == *name && (cut.keep.contains(&l.name) || cut.keep.contains(name))
            })
    };
    let mut inside = BTreeSet::new();
    for value in &cut.whole {
        let refuse = || {
            let value = value.clone();
            if model.graph.inputs.contains(&value) {
                return StageError::Input { value };
            }
            let known: Vec<&str> = layers.iter().map(|layer| layer.output.as_str()).collect();
            StageError::NoValue { value, known: known.join(", ") }
        };
        let mut open = vec![*producers.get(value.as_str()).ok_or_else(refuse)?];
        while let Some(node) = open.pop() {
            if inside.insert(node) {
                let before = model.graph.nodes[node].inputs.iter().filter(|name| !kept(name));
                open.extend(before.filter_map(|name| producers.get(name.as_str()).copied()));
            }
        }
    }
    Ok(inside)
}

/// A layer, and the tail after it.
type End = (Layer, Vec<usize>);

/// The layer that `wire` is the end of, taken out of `layers`, with the tail
/// between; `None` where no layer leads straight to it.
fn end_of(
    model: &Model,
    producers: &BTreeMap<&str, usize>,
    layers: &mut Vec<Layer>,
    wires: &[String],
    wire: &str,
) -> Option<End> {
    let (mut at, mut tail) = (wire, Vec::new());
    loop {
        if let Some(found) = layers.iter().position(|layer| layer.output == at) {
            let fits = tail.is_empty() || matches!(layers[found].kind, LayerKind::Conv { .. });
            tail.reverse();
            return fits.then(|| (layers.remove(found), tail));
        }
        let node = *producers.get(at)?;
        let before = linear_pooling(&model.graph.nodes[node])?;
        if wires.iter().any(|wire| wire == before) {
            return None;
        }
        tail.push(node);
        at = before;
    }
}

/// What `node` pools, if it does so linearly and each channel alike.
fn linear_pooling(node: &Node) -> Option<&str> {
    let linear = operator::of(node).is_some_and(|known| known.is_linear_pooling);
    let pools = linear && node.outputs.len() == 1;
    pools.then(|| node.input(0)).flatten()
}

/// Looks for the best end of a layer's stage.
struct Ends<'a> {
    model: &'a Model,
    /// The only node that reads a value, if no output does.
    reader: BTreeMap<&'a str, Option<usize>>,
}

impl<'a> Ends<'a> {
    fn new(model: &'a Model) -> Ends<'a> {
        let mut reader = BTreeMap::new();
        for (index, node) in model.graph.nodes.iter().enumerate() {
            for input in &node.inputs {
                let only = |slot: &mut Option<usize>| *slot = None;
                reader.entry(input.as_str()).and_modify(only).or_insert(Some(index));
            }
        }
        model.graph.outputs.iter().for_each(|name| {
            reader.insert(name, None);
        });
        Ends { model, reader }
    }

    /// The layer's output, or what linear pooling leaves of it.
    fn pooled(&self, layer: &'a Layer) -> String {
        let bytes = |value: &str| self.model.graph.types.get(value).map_or(u64::MAX, |t| t.bytes());
        let (mut at, mut best) = (layer.output.as_str(), layer.output.as_str());
        while let LayerKind::Conv { .. } = layer.kind
            && let Some(Some(node)) = self.reader.get(at)
            && linear_pooling(&self.model.graph.nodes[*node]).is_some()
        {
            at = &self.model.graph.nodes[*node].outputs[0];
            if bytes(at) < bytes(best) {
                best = at;
            }
        }
        best.to_owned()
    }
}

type Made<'a> = (&'a str, Option<&'a End>);

fn stages(
    model: &Model,
    values: &[Value],
    made: Vec<Made<'_>>,
) -> Result<(Vec<Stage>, OutputStage), StageError> {
    let walk = Walk::new(model, values);
    let first = model.graph.inputs.len();
    // A wire may have the name of another wire's layer.
    let layers = made.iter().filter_map(|(_, end)| Some(end.as_ref()?.0.name.clone()));
    let layers: BTreeSet<String> = layers.collect();
    let mut stages = Vec::with_capacity(made.len());
    let mut glue_nodes = 0;
    for (i, (wire, end)) in made.into_iter().enumerate() {
        let (reads, glue) = match end {
            Some((layer, _)) => walk.back([layer.input.as_str()])?,
            None => walk.made(wire)?,
        };
        glue_nodes += glue.len();
        if glue_nodes > GLUE_MAX {
            return Err(StageError::Glue { got: glue_nodes, limit: GLUE_MAX });
        }
        let glue_flops = walk.flops(&glue);
        let (layer, tail) = end.cloned().unzip();
        let mut name = layer.as_ref().map_or_else(|| wire.to_owned(), |layer| layer.name.clone());
        while layer.is_none() && layers.contains(&name) {
            name.push_str("_whole");
        }
        let (tail, value) = (tail.unwrap_or_default(), first + i);
        stages.push(Stage { name, layer, reads, glue, tail, glue_flops, value });
    }
    let outputs = model.graph.outputs.clone();
    let (reads, glue) = walk.back(outputs.iter().map(String::as_str))?;
    let glue_flops = walk.flops(&glue);
    Ok((stages, OutputStage { reads, glue, glue_flops, outputs }))
}

fn wire_values(model: &Model, made: &[Made<'_>]) -> Result<Vec<Value>, StageError> {
    let value = |name: &str, axis: usize| {
        let unknown = || StageError::Unknown { value: name.to_owned() };
        let t = model.graph.types.get(name).ok_or_else(unknown)?;
        Ok(Value { name: name.to_owned(), dtype: t.dtype, shape: t.shape.clone(), axis })
    };
    let inputs = model.graph.inputs.iter().map(|name| value(name, 0));
    let axis = |end: &Option<&End>| end.map_or(0, |(layer, _)| layer.axis);
    let stages = made.iter().map(|(wire, end)| value(wire, axis(end)));
    inputs.chain(stages).collect()
}

/// Walks from values back to wire values.
struct Walk<'a> {
    model: &'a Model,
    producers: BTreeMap<&'a str, usize>,
    wires: BTreeMap<&'a str, usize>,
}

impl<'a> Walk<'a> {
    fn new(model: &'a Model, values: &'a [Value]) -> Walk<'a> {
        let wires = values.iter().enumerate().map(|(i, v)| (v.name.as_str(), i)).collect();
        Walk { model, producers: model.graph.producers(), wires }
    }

    /// Wire values and glue nodes that `ends` depend on.
    fn back<'b>(
        &self,
        ends: impl IntoIterator<Item = &'b str>,
    ) -> Result<(Vec<usize>, Vec<usize>), StageError>
    where
        'a: 'b,
    {
        let (mut reads, mut glue) = (BTreeSet::new(), BTreeSet::new());
        let mut open: Vec<&str> = ends.into_iter().collect();
        while let Some(value) = open.pop() {
            if let Some(&wire) = self.wires.get(value) {
                reads.insert(wire);
            } else if let Some(&node) = self.producers.get(value) {
                if glue.insert(node) {
                    let inputs = &self.model.graph.nodes[node].inputs;
                    open.extend(inputs.iter().map(String::as_str).filter(|v| !v.is_empty()));
                }
            } else if self.model.graph.constant(value).is_none() {
                return Err(StageError::Unknown { value: value.to_owned() });
            }
        }
        Ok((reads.into_iter().collect(), glue.into_iter().collect()))
    }

    /// Wire values and nodes that a wire itself is made of.
    fn made(&self, wire: &str) -> Result<(Vec<usize>, Vec<usize>), StageError> {
        let unknown = || StageError::Unknown { value: wire.to_owned() };
        let node = *self.producers.get(wire).ok_or_else(unknown)?;
        let inputs = self.model.graph.nodes[node].inputs.iter();
        let inputs = inputs.map(String::as_str).filter(|value| !value.is_empty());
        let (reads, mut glue) = self.back(inputs)?;
        // The node comes after all that it depends on.
        glue.push(node);
        Ok((reads, glue))
    }

    fn flops(&self, glue: &[usize]) -> u64 {
        let graph = &self.model.graph;
        let flops = glue.iter().map(|&node| operator::flops(graph, &graph.nodes[node]));
        flops.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests;
