//! Cuts a model into stages.
//!
//! ```text
//! wire values --> glue nodes --> layer --> wire value      (one stage)
//! wire values --> glue nodes --> graph outputs             (the output stage)
//! ```
//!
//! Each layer is the end of one stage. A stage reads wire values, which are
//! the graph's inputs and the outputs of other layers. The glue between is
//! computed by each stage that needs it, on each of its devices: it is cheap,
//! and most of it does not commute with the code.

use std::collections::{BTreeMap, BTreeSet};

use crate::layer::{Layer, Unsplit, layers, node_flops};
use crate::model::Model;
use crate::tensor::DType;

/// Most glue nodes of all stages together; real models have some hundreds.
const GLUE_MAX: usize = 1_000_000;

/// Where a wire value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The graph input of this index.
    Input(usize),
    /// The stage of this index.
    Stage(usize),
}

/// A value that crosses a border between stages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireValue {
    /// Its name in the graph.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Its whole shape.
    pub shape: Vec<usize>,
    /// The dimension it is sharded along; 0 for graph inputs.
    pub axis: usize,
    /// Length of that dimension.
    pub rows: usize,
    /// Who makes it.
    pub source: Source,
}

impl WireValue {
    /// Size of the whole value, in bytes.
    pub fn bytes(&self) -> u64 {
        self.shape.iter().fold(self.dtype.size() as u64, |n, &d| n.saturating_mul(d as u64))
    }

    /// Size of one row along the axis, in bytes.
    pub fn row_bytes(&self) -> u64 {
        self.bytes() / (self.rows.max(1) as u64)
    }
}

/// One layer, with the glue before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The layer's name.
    pub name: String,
    /// The layer at its end.
    pub layer: Layer,
    /// Wire values read: indices in [`Staged::values`], ascending.
    pub reads: Vec<usize>,
    /// Glue nodes: indices in the graph, in topological order.
    pub glue: Vec<usize>,
    /// Floating-point operations of the glue for one request, estimated.
    pub glue_flops: u64,
    /// The wire value it makes: an index in [`Staged::values`].
    pub value: usize,
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
    pub model: Model,
    /// Graph inputs in their order, then the stages' values in theirs.
    pub values: Vec<WireValue>,
    /// Stages in topological order.
    pub stages: Vec<Stage>,
    /// The last stage, which the gateway computes.
    pub output: OutputStage,
    /// Nodes which compute like layers, but are glue, and why.
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
    #[error("model has no layer {name} to treat as glue (it has {known})")]
    NoLayer {
        /// The name asked for.
        name: String,
        /// The model's layers.
        known: String,
    },
    /// A value's type is not known, or it is made by nothing.
    #[error("value {value} is made by no node")]
    Unknown {
        /// The value.
        value: String,
    },
}

impl Staged {
    /// Cuts `model` at every layer.
    pub fn new(model: Model) -> Result<Staged, StageError> {
        Staged::cut(model, &[])
    }

    /// Cuts `model` at every layer but those named in `as_glue`, which are
    /// computed, whole, by whoever reads what they make.
    pub fn cut(model: Model, as_glue: &[String]) -> Result<Staged, StageError> {
        let (mut layers, mut unsplit) = layers(&model);
        for name in as_glue {
            let Some(at) = layers.iter().position(|layer| layer.name == *name) else {
                let known: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
                return Err(StageError::NoLayer { name: name.clone(), known: known.join(", ") });
            };
            let layer = layers.remove(at);
            let why = "asked to be glue".to_owned();
            unsplit.push(Unsplit { node: layer.node, name: layer.name, op: layer.op, why });
        }
        if layers.is_empty() {
            let hint = unsplit.first().map(|u| format!("; {} {}: {}", u.op, u.name, u.why));
            return Err(StageError::NoLayers { hint: hint.unwrap_or_default() });
        }
        let values = wire_values(&model, &layers)?;
        let walk = Walk::new(&model, &values);
        let first = model.graph.inputs.len();
        let mut stages = Vec::with_capacity(layers.len());
        let mut glue_nodes = 0;
        for (i, layer) in layers.into_iter().enumerate() {
            let (reads, glue) = walk.back([layer.input.as_str()])?;
            glue_nodes += glue.len();
            if glue_nodes > GLUE_MAX {
                return Err(StageError::Glue { got: glue_nodes, limit: GLUE_MAX });
            }
            let (name, value) = (layer.name.clone(), first + i);
            let glue_flops = walk.flops(&glue);
            stages.push(Stage { name, layer, reads, glue, glue_flops, value });
        }
        let outputs = model.graph.outputs.clone();
        let (reads, glue) = walk.back(outputs.iter().map(String::as_str))?;
        let glue_flops = walk.flops(&glue);
        let output = OutputStage { reads, glue, glue_flops, outputs };
        Ok(Staged { model, values, stages, output, unsplit })
    }

    /// The stages that read the value `value`.
    pub fn readers(&self, value: usize) -> impl Iterator<Item = usize> + '_ {
        let reads = move |(i, s): (usize, &Stage)| s.reads.contains(&value).then_some(i);
        self.stages.iter().enumerate().filter_map(reads)
    }
}

fn wire_values(model: &Model, layers: &[Layer]) -> Result<Vec<WireValue>, StageError> {
    let typed = |name: &String| {
        model.graph.types.get(name).ok_or_else(|| StageError::Unknown { value: name.clone() })
    };
    let mut values = Vec::new();
    for (i, name) in model.graph.inputs.iter().enumerate() {
        let t = typed(name)?;
        values.push(WireValue {
            name: name.clone(),
            dtype: t.dtype,
            shape: t.shape.clone(),
            axis: 0,
            rows: t.shape.first().copied().unwrap_or(1),
            source: Source::Input(i),
        });
    }
    for (i, layer) in layers.iter().enumerate() {
        values.push(WireValue {
            name: layer.output.clone(),
            dtype: typed(&layer.output)?.dtype,
            shape: layer.output_shape.clone(),
            axis: layer.axis,
            rows: layer.rows,
            source: Source::Stage(i),
        });
    }
    Ok(values)
}

/// Walks from values back to wire values.
struct Walk<'a> {
    model: &'a Model,
    producers: BTreeMap<&'a str, usize>,
    wires: BTreeMap<&'a str, usize>,
}

impl<'a> Walk<'a> {
    fn new(model: &'a Model, values: &'a [WireValue]) -> Walk<'a> {
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

    fn flops(&self, glue: &[usize]) -> u64 {
        glue.iter().fold(0, |n, &i| n.saturating_add(node_flops(&self.model.graph, i)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::{Codable, Method};
    use crate::onnx::{int_attribute, ints_attribute};
    use crate::sample::Sample;

    fn staged(sample: Sample) -> Result<Staged, StageError> {
        Staged::new(sample.read().unwrap())
    }

    /// ```text
    /// x -> Gemm a -> Relu r -+-> Gemm b --+
    ///                        +-> Gemm c -> Add s -> Softmax y
    /// ```
    fn diamond() -> Sample {
        Sample::new(&[("x", &[1, 4])], &["y"])
            .counting("w", &[4, 4])
            .node("Gemm", &["x", "w"], &["a"], &[])
            .node("Relu", &["a"], &["r"], &[])
            .node("Gemm", &["r", "w"], &["b"], &[])
            .node("Gemm", &["r", "w"], &["c"], &[])
            .node("Add", &["b", "c"], &["s"], &[])
            .node("Softmax", &["s"], &["y"], &[])
    }

    #[test]
    fn branches_and_joins() {
        let staged = staged(diamond()).unwrap();
        let names: Vec<&str> = staged.values.iter().map(|v| v.name.as_str()).collect();
        assert_eq!(names, ["x", "a", "b", "c"]);
        let reads: Vec<_> = staged.stages.iter().map(|s| s.reads.clone()).collect();
        assert_eq!(reads, [vec![0], vec![1], vec![1]]);
        let glue: Vec<_> = staged.stages.iter().map(|s| s.glue.clone()).collect();
        assert_eq!(glue, [vec![], vec![1], vec![1]], "the Relu is computed by both readers");
        assert_eq!(staged.output.reads, [2, 3]);
        assert_eq!(staged.output.glue, [4, 5]);
        assert_eq!(staged.readers(1).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(staged.values[1].source, Source::Stage(0));
        assert_eq!((staged.values[1].bytes(), staged.values[1].row_bytes()), (16, 4));
    }

    #[test]
    fn what_is_no_layer() {
        let conv = |group: i64, w: &[usize]| {
            Sample::new(&[("x", &[1, 4, 8, 8])], &["y"]).counting("w", w).node(
                "Conv",
                &["x", "w"],
                &["y"],
                &[int_attribute("group", group)],
            )
        };
        let gemm = |attribute: &str| {
            Sample::new(&[("x", &[4, 4])], &["y"]).counting("w", &[4, 4]).node(
                "Gemm",
                &["x", "w"],
                &["y"],
                &[int_attribute(attribute, 1)],
            )
        };
        let free = Sample::new(&[("x", &[4, 4]), ("z", &[4, 4])], &["y"]).node(
            "MatMul",
            &["x", "z"],
            &["y"],
            &[],
        );
        let pool = Sample::new(&[("x", &[1, 4, 8, 8])], &["y"]).node(
            "MaxPool",
            &["x"],
            &["y"],
            &[ints_attribute("kernel_shape", &[2, 2])],
        );
        let cases = [
            (conv(4, &[4, 1, 3, 3]), Some("its 4 groups divide the input too")),
            (conv(1, &[4, 4, 3, 3]), None),
            (gemm("transA"), Some("its input is transposed")),
            (gemm("transB"), None),
            (free, Some("weights z are not constant")),
            (pool, Some("no Conv, Gemm or MatMul")),
        ];
        for (sample, message) in cases {
            let got = staged(sample).err().map(|e| e.to_string());
            match (&got, message) {
                (Some(got), Some(message)) => assert!(got.contains(message), "{got}"),
                (got, message) => assert_eq!(got.is_none(), message.is_none(), "{got:?}"),
            }
        }
    }

    #[test]
    fn costs_and_methods() {
        let sample = Sample::new(&[("x", &[1, 4, 8, 10])], &["y"])
            .counting("w", &[6, 4, 3, 3])
            .counting("b", &[6])
            .node("Conv", &["x", "w", "b"], &["y"], &[]);
        let staged = staged(sample).unwrap();
        let layer = &staged.stages[0].layer;
        assert_eq!(layer.params, 6 * 4 * 9 + 6);
        assert_eq!(layer.flops, 2 * (6 * 6 * 8) * (4 * 9));
        let splits: Vec<_> =
            layer.splits().into_iter().map(|s| (s.method, s.codable, s.shards_max)).collect();
        let wanted = [
            (Method::Channel, Codable::Offline, 6),
            (Method::Spatial, Codable::AtRunTime, 8),
            (Method::Filter, Codable::No, 4),
        ];
        assert_eq!(splits, wanted);
        for method in Method::ALL {
            assert_eq!(method.to_string().parse(), Ok(method));
        }
        assert!("rows".parse::<Method>().is_err());
    }
}
