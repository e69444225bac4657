//! Cuts a graph into pieces that follow each other.
//!
//! What tract does with a graph when it loads it takes time in proportion to the
//! square of its nodes: one of tens of thousands, such as a recurrent cell over a
//! long sequence, takes minutes as a whole, and seconds in pieces.

use std::collections::{BTreeMap, BTreeSet};

use tract_onnx::pb::{GraphProto, NodeProto, TensorProto, ValueInfoProto};

/// Most nodes of a piece.
const NODES_MAX: usize = 500;

/// `graph` in its pieces, in their order. What one makes for others is one of its
/// outputs, and one of their inputs. A graph is left as it is where it is small,
/// where nodes have graphs of their own, and where a type is not known that a
/// piece would have to be told.
pub(super) fn cut(graph: GraphProto) -> Vec<GraphProto> {
    match Cut::of(&graph, NODES_MAX) {
        Some(cut) => cut.pieces(graph),
        None => vec![graph],
    }
}

/// One piece to be: its nodes' places, and what crosses its borders.
struct Piece {
    nodes: std::ops::Range<usize>,
    reads: Vec<ValueInfoProto>,
    gives: Vec<ValueInfoProto>,
}

struct Cut(Vec<Piece>);

/// Where a value is known from on, and the last node that reads it: before the
/// node of the first number, and by the node of the second.
type Spans<'a> = BTreeMap<&'a str, (usize, usize)>;

impl Cut {
    fn of(graph: &GraphProto, most: usize) -> Option<Cut> {
        let has_graphs = |node: &NodeProto| {
            node.attribute.iter().any(|of| of.g.is_some() || !of.graphs.is_empty())
        };
        if graph.node.len() <= most || graph.node.iter().any(has_graphs) {
            return None;
        }
        let constants: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
        let spans = spans(graph, &constants)?;
        let infos = graph.value_info.iter().chain(&graph.input).chain(&graph.output);
        let infos: BTreeMap<&str, &ValueInfoProto> =
            infos.map(|info| (info.name.as_str(), info)).collect();
        let info = |name: &str| infos.get(name).map(|info| (*info).clone());
        let borders = borders(graph.node.len(), most, &spans);
        let mut pieces = Vec::with_capacity(borders.len());
        for (at, &start) in borders.iter().enumerate() {
            let end = borders.get(at + 1).copied().unwrap_or(graph.node.len());
            let nodes = &graph.node[start..end];
            let (mut reads, mut gives) = (Vec::new(), Vec::new());
            let mut seen = BTreeSet::new();
            for name in nodes.iter().flat_map(|node| &node.input) {
                let is_before = spans.get(name.as_str()).is_some_and(|(from, _)| *from <= start);
                if is_before && seen.insert(name) {
                    let told = info(name).filter(|info| info.r#type.is_some());
                    reads.push(told?);
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
        let is_input = |info: &&ValueInfoProto| !constants.contains(info.name.as_str());
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
fn spans<'a>(graph: &'a GraphProto, constants: &BTreeSet<&str>) -> Option<Spans<'a>> {
    let inputs = graph.input.iter().map(|info| info.name.as_str());
    let mut spans: Spans<'a> =
        inputs.filter(|name| !constants.contains(name)).map(|name| (name, (0, 0))).collect();
    for (at, node) in graph.node.iter().enumerate() {
        let is_value = |name: &&String| !name.is_empty() && !constants.contains(name.as_str());
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

/// The first node of each piece: where the fewest values cross from one piece to
/// the next.
fn borders(nodes: usize, most: usize, spans: &Spans<'_>) -> Vec<usize> {
    let mut changes = vec![0i64; nodes + 2];
    for &(from, last) in spans.values().filter(|(from, last)| *from > 0 && last >= from) {
        changes[from] += 1;
        changes[last + 1] -= 1;
    }
    let crossing: Vec<i64> = changes
        .iter()
        .scan(0, |sum, change| {
            *sum += change;
            Some(*sum)
        })
        .collect();
    let mut borders = vec![0];
    let mut start = 0;
    while nodes - start > most {
        let candidates = (start + most.div_ceil(2)..=start + most).rev();
        start = candidates.min_by_key(|at| crossing[*at]).unwrap_or(start + most);
        borders.push(start);
    }
    borders
}

#[cfg(test)]
mod tests {
    use tract_onnx::pb::type_proto::{Tensor, Value};
    use tract_onnx::pb::{TypeProto, tensor_proto::DataType};

    use super::*;

    fn info(name: &str) -> ValueInfoProto {
        let tensor = Tensor { elem_type: DataType::Float as i32, shape: None };
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

    fn names(infos: &[ValueInfoProto]) -> Vec<&str> {
        infos.iter().map(|info| info.name.as_str()).collect()
    }

    #[test]
    fn each_piece_has_what_it_reads() {
        let graph = chain();
        let cut = Cut::of(&graph, 3).unwrap();
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

    #[test]
    fn what_cannot_be_cut_stays_whole() {
        assert!(Cut::of(&chain(), 5).is_none(), "small");
        let mut graph = chain();
        graph.value_info.retain(|info| info.name != "a");
        assert!(Cut::of(&graph, 3).is_none(), "a type that is not known");
        let mut graph = chain();
        graph.node.swap(1, 2);
        assert!(Cut::of(&graph, 3).is_none(), "no order");
        let mut graph = chain();
        graph.output[1].name = "v".into();
        assert!(Cut::of(&graph, 3).is_none(), "a constant is an output");
        let mut graph = chain();
        graph.node[3].attribute.push(tract_onnx::pb::AttributeProto {
            g: Some(GraphProto::default()),
            ..Default::default()
        });
        assert!(Cut::of(&graph, 3).is_none(), "a graph in a node");
    }
}
