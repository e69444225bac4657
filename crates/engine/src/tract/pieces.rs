//! Cuts a graph into pieces that follow each other.
//!
//! What tract does with a graph when it loads it takes time in proportion to the
//! square of its nodes, and copies its weights several times. Pieces take less,
//! and each core loads some.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as Length};
use tract_onnx::pb::type_proto::Value;
use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, ValueInfoProto};

/// Most nodes of a piece, and most bytes of the weights of several layers. What
/// crosses from one piece to another is not optimised across, so that small
/// graphs stay whole.
const MOST: Most = Most { nodes: 32, bytes: 16 << 20 };
/// A node with as large a constant is a layer.
const LAYER_MIN: usize = 4096;

struct Most {
    nodes: usize,
    bytes: usize,
}

/// `graph` in its pieces, in their order. What one makes for others is one of its
/// outputs, and one of their inputs. A graph is left as it is where it is small,
/// where nodes have graphs of their own, and where more than floats of known
/// lengths would cross each border.
pub(super) fn cut(graph: GraphProto) -> Vec<GraphProto> {
    match Cut::of(&graph, &MOST) {
        Some(cut) => cut.pieces(graph),
        None => vec![graph],
    }
}

/// One piece to be: its nodes' places, and what crosses its borders.
struct Piece {
    nodes: Range<usize>,
    reads: Vec<ValueInfoProto>,
    gives: Vec<ValueInfoProto>,
}

struct Cut(Vec<Piece>);

/// Where a value is known from on, and the last node that reads it: before the
/// node of the first number, and by the node of the second.
type Spans<'a> = BTreeMap<&'a str, (usize, usize)>;

/// The bytes of each constant.
type Constants<'a> = BTreeMap<&'a str, usize>;

impl Cut {
    fn of(graph: &GraphProto, most: &Most) -> Option<Cut> {
        let has_graphs = |node: &NodeProto| {
            node.attribute.iter().any(|of| of.g.is_some() || !of.graphs.is_empty())
        };
        if graph.node.iter().any(has_graphs) {
            return None;
        }
        let constants: Constants<'_> =
            graph.initializer.iter().map(|t| (t.name.as_str(), bytes_of(t))).collect();
        let spans = spans(graph, &constants)?;
        let infos = graph.value_info.iter().chain(&graph.input).chain(&graph.output);
        let infos: BTreeMap<&str, &ValueInfoProto> =
            infos.map(|info| (info.name.as_str(), info)).collect();
        let made: BTreeSet<&str> = graph
            .node
            .iter()
            .filter(|node| node.op_type == "Constant")
            .flat_map(|node| node.output.iter().map(String::as_str))
            .collect();
        let is_told =
            |name: &str| infos.get(name).is_some_and(|i| is_plain(i)) && !made.contains(name);
        let crossings = crossings(graph.node.len(), &spans, is_told);
        let borders = borders(&weights(graph, &constants), most, &crossings);
        if borders.len() < 2 {
            return None;
        }
        let info = |name: &str| infos.get(name).map(|info| (*info).clone());
        let mut pieces = Vec::with_capacity(borders.len());
        for (at, &start) in borders.iter().enumerate() {
            let end = borders.get(at + 1).copied().unwrap_or(graph.node.len());
            let nodes = &graph.node[start..end];
            let (mut reads, mut gives) = (Vec::new(), Vec::new());
            let mut seen = BTreeSet::new();
            for name in nodes.iter().flat_map(|node| &node.input) {
                let is_before = spans.get(name.as_str()).is_some_and(|(from, _)| *from <= start);
                if is_before && seen.insert(name) {
                    reads.push(info(name)?);
                }
            }
            for name in nodes.iter().flat_map(|node| &node.output) {
                if spans.get(name.as_str()).is_some_and(|(_, last)| *last >= end) {
                    let unknown = || ValueInfoProto { name: name.clone(), ..Default::default() };
                    gives.push(info(name).unwrap_or_else(unknown));
                }
            }
            pieces.push(Piece { nodes: start..end, reads, gives });
        }
        // What nobody reads is an input all the same.
        let is_input = |info: &&ValueInfoProto| !constants.contains_key(info.name.as_str());
        for input in graph.input.iter().filter(is_input) {
            let reads = |piece: &Piece| piece.reads.iter().any(|info| info.name == input.name);
            if !pieces.iter().any(reads) {
                pieces.first_mut()?.reads.push(input.clone());
            }
        }
        Some(Cut(pieces))
    }

    fn pieces(self, graph: GraphProto) -> Vec<GraphProto> {
        let constants = graph.initializer.into_iter().map(|tensor| (tensor.name.clone(), tensor));
        let mut constants: BTreeMap<String, TensorProto> = constants.collect();
        let infos = graph.value_info.into_iter().map(|info| (info.name.clone(), info));
        let mut infos: BTreeMap<String, ValueInfoProto> = infos.collect();
        let inputs = |nodes: &[NodeProto]| -> BTreeSet<String> {
            nodes.iter().flat_map(|node| node.input.iter().cloned()).collect()
        };
        let mut last = BTreeMap::new();
        for (at, piece) in self.0.iter().enumerate() {
            let read = inputs(&graph.node[piece.nodes.clone()]);
            last.extend(read.into_iter().map(|name| (name, at)));
        }
        let mut nodes = graph.node.into_iter();
        let piece = |(at, piece): (usize, Piece)| {
            let node: Vec<NodeProto> = nodes.by_ref().take(piece.nodes.len()).collect();
            let constant = |name: String| match last.get(&name) {
                Some(last) if *last > at => constants.get(&name).cloned(),
                _ => constants.remove(&name),
            };
            let initializer = inputs(&node).into_iter().filter_map(constant).collect();
            let made = node.iter().flat_map(|node| &node.output);
            let value_info = made.filter_map(|name| infos.remove(name)).collect();
            GraphProto {
                name: format!("{}/{at}", graph.name),
                node,
                initializer,
                input: piece.reads,
                output: piece.gives,
                value_info,
                ..Default::default()
            }
        };
        self.0.into_iter().enumerate().map(piece).collect()
    }
}

/// The span of each value but the constants; `None` where nodes are in no order, or
/// an output is a constant.
fn spans<'a>(graph: &'a GraphProto, constants: &Constants<'_>) -> Option<Spans<'a>> {
    let inputs = graph.input.iter().map(|info| info.name.as_str());
    let mut spans: Spans<'a> =
        inputs.filter(|name| !constants.contains_key(name)).map(|name| (name, (0, 0))).collect();
    for (at, node) in graph.node.iter().enumerate() {
        let is_value = |name: &&String| !name.is_empty() && !constants.contains_key(name.as_str());
        for name in node.input.iter().filter(is_value) {
            spans.get_mut(name.as_str())?.1 = at;
        }
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            if spans.insert(name, (at + 1, at)).is_some() {
                return None;
            }
        }
    }
    for output in &graph.output {
        spans.get_mut(output.name.as_str())?.1 = graph.node.len();
    }
    Some(spans)
}

/// Is it told that this is an array of floats, and how long it is everywhere? Whole
/// numbers may be shapes, which tract has to know when it loads.
fn is_plain(info: &ValueInfoProto) -> bool {
    let kind = info.r#type.as_ref().and_then(|of| of.value.as_ref());
    let Some(Value::TensorType(tensor)) = kind else { return false };
    let floats = [DataType::Float, DataType::Float16, DataType::Double];
    let is_float = floats.iter().any(|float| *float as i32 == tensor.elem_type);
    let is_length = |dim: &Dimension| matches!(dim.value, Some(Length::DimValue(n)) if n > 0);
    is_float && tensor.shape.as_ref().is_some_and(|shape| shape.dim.iter().all(is_length))
}

/// The bytes of all constants of a graph.
pub(super) fn bytes(graph: &GraphProto) -> usize {
    graph.initializer.iter().map(bytes_of).fold(0, usize::saturating_add)
}

/// About how many bytes a constant has, wherever they are.
fn bytes_of(tensor: &TensorProto) -> usize {
    let outside = tensor.external_data.iter().find(|entry| entry.key == "length");
    let outside = outside.and_then(|entry| entry.value.parse().ok()).unwrap_or(0);
    let words = tensor.float_data.len() + tensor.int32_data.len();
    let inside = tensor.raw_data.len() + 4 * words + 8 * tensor.int64_data.len();
    inside.saturating_add(outside)
}

/// The bytes of the constants that each node is the first to read.
fn weights(graph: &GraphProto, constants: &Constants<'_>) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let mut new = |name: &str| {
        let bytes = *constants.get(name)?;
        seen.insert(name.to_owned()).then_some(bytes)
    };
    let of_node = |node: &NodeProto| {
        node.input.iter().filter_map(|name| new(name)).fold(0, usize::saturating_add)
    };
    graph.node.iter().map(of_node).collect()
}

/// How many values would cross a border before each node; `None` where one does
/// whose type is not told.
fn crossings(
    nodes: usize,
    spans: &Spans<'_>,
    is_told: impl Fn(&str) -> bool,
) -> Vec<Option<usize>> {
    let mut changes = vec![(0i64, 0i64); nodes + 2];
    for (name, &(from, last)) in spans.iter().filter(|(_, (from, last))| last >= from) {
        let untold = i64::from(!is_told(name));
        // What comes in from outside crosses nothing.
        let made = i64::from(from > 0);
        changes[from].0 += made;
        changes[from].1 += untold;
        changes[last + 1].0 -= made;
        changes[last + 1].1 -= untold;
    }
    let sums = changes.iter().scan((0, 0), |sums, (made, untold)| {
        *sums = (sums.0 + made, sums.1 + untold);
        Some(*sums)
    });
    sums.map(|(made, untold)| (untold == 0).then_some(made as usize)).collect()
}

/// The first node of each piece: where the fewest values cross from one piece to
/// the next, and before a layer rather than after it, as what follows a layer is
/// computed with it.
fn borders(weights: &[usize], most: &Most, crossings: &[Option<usize>]) -> Vec<usize> {
    let nodes = weights.len();
    let is_layer = |at: usize| weights[at] >= LAYER_MIN;
    // A piece that begins at `start` ends before this node at the latest.
    let furthest = |start: usize| {
        let mut bytes = weights.get(start).copied().unwrap_or_default();
        for (at, weights) in weights.iter().enumerate().skip(start + 1) {
            bytes = bytes.saturating_add(*weights);
            if at - start == most.nodes || (is_layer(at) && bytes > most.bytes) {
                return at;
            }
        }
        nodes
    };
    let mut borders = vec![0];
    let mut start = 0;
    loop {
        let end = furthest(start);
        if end >= nodes {
            return borders;
        }
        let possible = |at: &usize| Some((crossings[*at]?, !is_layer(*at)));
        let candidates = (start + (end - start).div_ceil(2)..=end).rev();
        let best = candidates.filter(|at| possible(at).is_some()).min_by_key(possible);
        let Some(next) = best.or_else(|| (end..nodes).find(|at| possible(at).is_some())) else {
            return borders;
        };
        start = next;
        borders.push(start);
    }
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::type_proto::Tensor;
    use tract_onnx::pb::{TensorShapeProto, TypeProto};

    use super::*;

    fn info(name: &str) -> ValueInfoProto {
        of_shape(name, DataType::Float, Some(Length::DimValue(3)))
    }

    fn of_shape(name: &str, dtype: DataType, length: Option<Length>) -> ValueInfoProto {
        let dim = Dimension { value: length, ..Default::default() };
        let shape = Some(TensorShapeProto { dim: vec![dim] });
        let tensor = Tensor { elem_type: dtype as i32, shape };
        let value = Some(Value::TensorType(tensor));
        let of = TypeProto { value, ..Default::default() };
        ValueInfoProto { name: name.into(), r#type: Some(of), ..Default::default() }
    }

    fn node(inputs: &[&str], outputs: &[&str]) -> NodeProto {
        NodeProto {
            input: inputs.iter().map(|&name| name.into()).collect(),
            output: outputs.iter().map(|&name| name.into()).collect(),
            ..Default::default()
        }
    }

    /// x -> a -> b -> c -> d -> e, where e reads a as well, and all read w.
    fn chain() -> GraphProto {
        GraphProto {
            node: vec![
                node(&["x", "w"], &["a"]),
                node(&["a", "w"], &["b", "b2"]),
                node(&["b", "b2"], &["c"]),
                node(&["c", "w", "v"], &["d"]),
                node(&["d", "", "a"], &["e"]),
            ],
            initializer: ["v", "w"]
                .map(|name| TensorProto { name: name.into(), ..Default::default() })
                .into(),
            input: ["x", "unread"].map(info).into(),
            output: ["e", "b"].map(info).into(),
            value_info: ["a", "b2", "c", "d"].map(info).into(),
            ..Default::default()
        }
    }

    fn of_nodes(nodes: usize) -> Most {
        Most { nodes, bytes: usize::MAX }
    }

    fn names(infos: &[ValueInfoProto]) -> Vec<&str> {
        infos.iter().map(|info| info.name.as_str()).collect()
    }

    #[test]
    fn each_piece_has_what_it_reads() {
        let graph = chain();
        let cut = Cut::of(&graph, &of_nodes(3)).unwrap();
        let pieces = cut.pieces(graph.clone());
        assert_eq!(pieces.len(), 2);
        let (first, second) = (&pieces[0], &pieces[1]);
        // Between c and d fewer values cross than between b and c.
        assert_eq!((first.node.len(), second.node.len()), (3, 2));
        assert_eq!(names(&first.input), ["x", "unread"]);
        assert_eq!(names(&first.output), ["a", "b", "c"]);
        assert_eq!(names(&second.input), ["c", "a"]);
        assert_eq!(names(&second.output), ["e"]);
        let constants = |graph: &GraphProto| -> Vec<String> {
            graph.initializer.iter().map(|tensor| tensor.name.clone()).collect()
        };
        assert_eq!(
            (constants(first), constants(second)),
            (vec!["w".into()], vec!["v".into(), "w".into()])
        );
        assert_eq!(
            (names(&first.value_info), names(&second.value_info)),
            (vec!["a", "b2", "c"], vec!["d"])
        );
    }

    /// Three layers, each with a bias added and something after it.
    #[test]
    fn large_layers_are_pieces_of_their_own() {
        let mut graph = GraphProto { input: vec![info("x0")], ..Default::default() };
        for (at, bytes) in [8000, 8000, 50_000].into_iter().enumerate() {
            let name = |what: &str| format!("{what}{at}");
            let (x, next) = (name("x"), format!("x{}", at + 1));
            for (tensor, bytes) in [(name("w"), bytes), (name("b"), 40)] {
                let raw_data = vec![0; bytes];
                graph.initializer.push(TensorProto {
                    name: tensor,
                    raw_data,
                    ..Default::default()
                });
            }
            graph.node.extend([
                node(&[&x, &name("w")], &[&name("y")]),
                node(&[&name("y"), &name("b")], &[&name("z")]),
                node(&[&name("z")], &[&next]),
            ]);
            graph.value_info.extend([name("y"), name("z"), next].map(|name| info(&name)));
        }
        graph.output = vec![info("x3")];
        assert_eq!(bytes(&graph), 66_120);
        let sizes = |bytes| {
            let cut = Cut::of(&graph, &Most { nodes: 100, bytes });
            cut.map(|cut| cut.0.iter().map(|piece| piece.nodes.len()).collect::<Vec<_>>())
        };
        assert_eq!(sizes(100_000), None);
        assert_eq!(sizes(20_000), Some(vec![6, 3]));
        assert_eq!(sizes(10), Some(vec![3, 3, 3]));
        let by_nodes = Cut::of(&graph, &of_nodes(5)).unwrap();
        let starts: Vec<usize> = by_nodes.0.iter().map(|piece| piece.nodes.start).collect();
        assert_eq!(starts, [0, 3, 6], "before layers");
    }

    #[test]
    fn what_cannot_be_cut_stays_whole() {
        assert!(Cut::of(&chain(), &of_nodes(5)).is_none(), "small");
        let mut graph = chain();
        graph.value_info.retain(|info| info.name != "a");
        assert!(Cut::of(&graph, &of_nodes(3)).is_none(), "a type that is not known");
        for open in [
            of_shape("a", DataType::Float, Some(Length::DimParam("N".into()))),
            of_shape("a", DataType::Float, Some(Length::DimValue(-1))),
            of_shape("a", DataType::Float, None),
            of_shape("a", DataType::Int64, Some(Length::DimValue(3))),
        ] {
            let mut graph = chain();
            *graph.value_info.iter_mut().find(|info| info.name == "a").unwrap() = open;
            assert!(Cut::of(&graph, &of_nodes(3)).is_none(), "an open length, or a shape");
        }
        let mut graph = chain();
        graph.node[0].op_type = "Constant".into();
        assert!(Cut::of(&graph, &of_nodes(3)).is_none(), "a constant that a node makes");
        let mut graph = chain();
        graph.node.swap(1, 2);
        assert!(Cut::of(&graph, &of_nodes(3)).is_none(), "no order");
        let mut graph = chain();
        graph.output[1].name = "v".into();
        assert!(Cut::of(&graph, &of_nodes(3)).is_none(), "a constant is an output");
        let mut graph = chain();
        graph.node[3].attribute.push(tract_onnx::pb::AttributeProto {
            g: Some(GraphProto::default()),
            ..Default::default()
        });
        assert!(Cut::of(&graph, &of_nodes(3)).is_none(), "a graph in a node");
    }
}
