//! Receptive fields: what a box of a stage's value needs of the values before
//! it, node by node.
//!
//! ```text
//! value        |-- wanted --|
//! conv 3x3    |--- reach ----|
//! conv 3x3   |---- reach -----|      of what the stage reads
//! ```
//!
//! A value that several nodes read is there as the smallest box that holds what
//! each needs. A node whose reach is not known is computed whole, and reads
//! whole values: so a field is always right, and at worst no smaller.

use std::collections::BTreeMap;

use crate::graph::{Graph, Node};
use crate::operator::{self, Reads};
use crate::region::{Region, hull, whole};
use crate::window::{Sliding, Window};

/// The boxes on which the nodes of a stage are computed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// By name: the box of each value that is made, or read from outside.
    boxes: BTreeMap<String, Region>,
}

/// What a node reads to make a box of its output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NodeReads {
    /// The box of each input; `None` for one that is left out.
    pub inputs: Vec<Option<Region>>,
    /// Padding before and after each dimension that a window slides along.
    pub pads: Option<Vec<(usize, usize)>>,
}

impl Field {
    /// The boxes that it takes to make `wanted` of the value `made`. `nodes` are
    /// in topological order, and make `made` and all that they do not read from
    /// outside.
    pub(crate) fn new(graph: &Graph, nodes: &[usize], made: &str, wanted: Region) -> Field {
        let mut field = Field { boxes: BTreeMap::from([(made.to_owned(), wanted)]) };
        for &node in nodes.iter().rev() {
            field.add(graph, &graph.nodes[node]);
        }
        field
    }

    /// The box of `value` that is there; `None` for one that nothing needs.
    pub(crate) fn of(&self, value: &str) -> Option<&Region> {
        self.boxes.get(value)
    }

    /// What `node` reads; `None` where nothing needs what it makes.
    pub(crate) fn reads(&self, graph: &Graph, node: &Node) -> Option<NodeReads> {
        let mut made = node.outputs.iter().filter(|output| !output.is_empty());
        made.clone().find(|output| self.boxes.contains_key(*output))?;
        let single = made.next().filter(|_| made.next().is_none());
        let parts = single.and_then(|output| reads(graph, node, self.boxes.get(output)?));
        Some(parts.unwrap_or_else(|| everything(graph, node)))
    }

    /// Takes in `node`, all of whose readers are in already.
    fn add(&mut self, graph: &Graph, node: &Node) {
        let made: Vec<&String> = node.outputs.iter().filter(|name| !name.is_empty()).collect();
        let known = made.iter().find_map(|output| self.boxes.get(*output));
        let Some(known) = known else { return };
        if made.len() > 1 || reads(graph, node, known).is_none() {
            let whole = made.iter().filter_map(|name| Some(((*name).clone(), all(graph, name)?)));
            self.boxes.extend(whole.collect::<Vec<_>>());
        }
        let Some(read) = self.reads(graph, node) else { return };
        for (input, region) in node.inputs.iter().zip(read.inputs) {
            let (Some(region), None) = (region, graph.constant(input)) else { continue };
            let both = |known: &mut Region| *known = hull(known, &region);
            self.boxes.entry(input.clone()).and_modify(both).or_insert(region);
        }
    }
}

/// All of a value.
fn all(graph: &Graph, value: &str) -> Option<Region> {
    graph.types.get(value).map(|of| whole(&of.shape))
}

/// All of every input of `node`.
fn everything(graph: &Graph, node: &Node) -> NodeReads {
    let inputs = node.inputs.iter().map(|input| all(graph, input)).collect();
    NodeReads { inputs, pads: None }
}

/// What `node` reads to make the box `out` of its only output; `None` where it
/// has to make all of it.
fn reads(graph: &Graph, node: &Node, out: &Region) -> Option<NodeReads> {
    let shape = &graph.types.get(node.outputs.first()?)?.shape;
    let all_along = |axis: usize| out.get(axis).is_some_and(|range| range.len() == shape[axis]);
    match operator::of(node)?.reads {
        Reads::All => None,
        Reads::SamePlace => broadcast(graph, node, out),
        Reads::Along(axes) => {
            axes(node, out.len())?.into_iter().all(all_along).then_some(())?;
            broadcast(graph, node, out)
        }
        Reads::Channel => {
            all_along(1).then_some(())?;
            let mut reads = everything(graph, node);
            *reads.inputs.first_mut()? = Some(out.clone());
            Some(reads)
        }
        Reads::Joined => joined(graph, node, out),
        Reads::Window => {
            let pools = operator::role(node) == operator::Role::Glue;
            let mut reads = everything(graph, node);
            let input = reads.inputs.first_mut()?.as_mut()?;
            let (before, pads) = slide(&window(graph, node)?, input, out)?;
            *input = before;
            if pools {
                input[1] = out[1].clone();
            } else {
                all_along(1).then_some(())?;
            }
            input[0] = out[0].clone();
            reads.pads = Some(pads);
            Some(reads)
        }
    }
}

/// The same box of every input; where an input has one element along a
/// dimension, that.
fn broadcast(graph: &Graph, node: &Node, out: &Region) -> Option<NodeReads> {
    let same = |input: &String| -> Option<Option<Region>> {
        if input.is_empty() {
            return Some(None);
        }
        let shape = &graph.types.get(input)?.shape;
        let missing = out.len().checked_sub(shape.len())?;
        let range = |(&length, range): (&usize, &std::ops::Range<usize>)| match length {
            1 => 0..1,
            _ => range.clone(),
        };
        Some(Some(shape.iter().zip(&out[missing..]).map(range).collect()))
    };
    let inputs = node.inputs.iter().map(same).collect::<Option<_>>()?;
    Some(NodeReads { inputs, pads: None })
}

/// The same box of every input but along the axis at which they are joined, where
/// all of it must be wanted.
fn joined(graph: &Graph, node: &Node, out: &Region) -> Option<NodeReads> {
    let axis = node.int("axis", 0).ok()?;
    let axis = operator::resolve_axis(axis, out.len())?;
    let mut length = 0;
    let mut part = |input: &String| {
        let of = graph.types.get(input)?.shape.get(axis)?;
        length += of;
        let mut region = out.clone();
        region[axis] = 0..*of;
        Some(Some(region))
    };
    let inputs = node.inputs.iter().map(&mut part).collect::<Option<_>>()?;
    (out[axis] == (0..length)).then_some(NodeReads { inputs, pads: None })
}

/// The window of a convolution, or of pooling.
fn window(graph: &Graph, node: &Node) -> Option<Window> {
    let input = &graph.types.get(node.input(0)?)?.shape;
    let kernel: Vec<i64> = match node.ints("kernel_shape").ok()? {
        Some(kernel) => kernel.to_vec(),
        None => {
            let weights = &graph.types.get(node.input(1)?)?.shape;
            weights.get(2..)?.iter().map(|&k| k as i64).collect()
        }
    };
    Sliding::read(node, &kernel).ok()?.over(input.get(2..)?).ok()
}

/// Padding before and after each dimension.
type Pads = Vec<(usize, usize)>;

/// What the outputs `out` read of `input`, which is all of it, and the paddings of
/// that; `None` where they read padding alone.
fn slide(window: &Window, input: &Region, out: &Region) -> Option<(Region, Pads)> {
    let (mut region, mut pads) = (input.clone(), Pads::new());
    for (d, outputs) in out.get(2..)?.iter().enumerate() {
        let reach = window.reach(d, outputs, input[2 + d].end)?;
        region[2 + d] = reach.input;
        pads.push(reach.pads);
    }
    Some((region, pads))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use crate::onnx::{int_attribute, ints_attribute};
    use crate::sample::Sample;

    fn field(model: &Model, wanted: Region) -> Field {
        let nodes: Vec<usize> = (0..model.graph.nodes.len()).collect();
        Field::new(&model.graph, &nodes, "y", wanted)
    }

    /// Rows of the value.
    fn rows(field: &Field, value: &str) -> std::ops::Range<usize> {
        field.of(value).expect("it is needed")[2].clone()
    }

    fn pads(amount: i64) -> crate::onnx::AttributeProto {
        ints_attribute("pads", &[amount; 4])
    }

    #[test]
    fn a_field_grows_from_node_to_node() {
        let kernel = ints_attribute("kernel_shape", &[2, 2]);
        let strides = ints_attribute("strides", &[2, 2]);
        let model = Sample::new(&[("x", &[1, 2, 16, 16])], &["y"])
            .counting("w", &[2, 2, 3, 3])
            .node("Conv", &["x", "w"], &["a"], &[pads(1)])
            .node("Relu", &["a"], &["b"], &[])
            .node("MaxPool", &["b"], &["c"], &[kernel, strides])
            .node("Conv", &["c", "w"], &["y"], &[pads(1)])
            .read()
            .unwrap();
        // Rows wanted of 8; of the pooled value, and of the input.
        let cases =
            [(0..3, 0..4, 0..9), (3..5, 2..6, 3..13), (6..8, 5..8, 9..16), (0..8, 0..8, 0..16)];
        for (wanted, pooled, input) in cases {
            let field = field(&model, vec![0..1, 0..2, wanted.clone(), 0..8]);
            assert_eq!(rows(&field, "c"), pooled, "{wanted:?}");
            assert_eq!(rows(&field, "b"), 2 * pooled.start..2 * pooled.end, "{wanted:?}");
            assert_eq!(rows(&field, "x"), input, "{wanted:?}");
            assert_eq!(field.of("x").unwrap()[3], 0..16);
        }
    }

    #[test]
    fn a_value_that_several_read_is_there_for_all() {
        let model = Sample::new(&[("x", &[1, 2, 16, 16])], &["y"])
            .counting("w", &[2, 2, 3, 3])
            .counting("s", &[2, 1, 1])
            .node("Mul", &["x", "s"], &["a"], &[])
            .node("Conv", &["a", "w"], &["b"], &[pads(1)])
            .node("Add", &["b", "a"], &["c"], &[])
            .node("Concat", &["c", "a"], &["y"], &[int_attribute("axis", 1)])
            .read()
            .unwrap();
        let field = field(&model, vec![0..1, 0..4, 4..6, 2..7]);
        assert_eq!(field.of("c"), Some(&vec![0..1, 0..2, 4..6, 2..7]));
        assert_eq!(field.of("a"), Some(&vec![0..1, 0..2, 3..7, 1..8]));
        assert_eq!(field.of("x"), field.of("a"));
        let mul = reads(&model.graph, &model.graph.nodes[0], field.of("a").unwrap()).unwrap();
        assert_eq!(mul.inputs[1], Some(vec![0..2, 0..1, 0..1]));
    }

    /// Where the reach is not known all is read, and all is made.
    #[test]
    fn what_is_not_known_is_whole() {
        let sample = || Sample::new(&[("x", &[1, 2, 8, 8])], &["y"]).counting("w", &[2, 2, 3, 3]);
        let cases = [
            (
                sample().node(
                    "Transpose",
                    &["x"],
                    &["t"],
                    &[ints_attribute("perm", &[0, 1, 3, 2])],
                ),
                0..8,
            ),
            (sample().node("Softmax", &["x"], &["t"], &[int_attribute("axis", 2)]), 0..8),
            (sample().node("Softmax", &["x"], &["t"], &[int_attribute("axis", 1)]), 1..5),
        ];
        for (sample, needed) in cases {
            let model = sample.node("Conv", &["t", "w"], &["y"], &[pads(1)]).read().unwrap();
            let field = field(&model, vec![0..1, 0..2, 2..4, 0..8]);
            assert_eq!(rows(&field, "x"), needed, "{:?}", model.graph.nodes[0].op);
        }
        let global = sample().node("GlobalAveragePool", &["x"], &["t"], &[]);
        let model = global.node("Mul", &["x", "t"], &["y"], &[]).read().unwrap();
        let field = field(&model, vec![0..1, 0..2, 2..4, 0..8]);
        assert_eq!((rows(&field, "x"), rows(&field, "t")), (0..8, 0..1));
    }
}
