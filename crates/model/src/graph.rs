//! The graph of a model: nodes in topological order, values with full types,
//! initializers.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::onnx::{AttributeProto, NodeProto, attribute_proto::AttributeType};
use crate::scaled::Scaled;
use crate::shape::NodeError;
use crate::tensor::{DType, Tensor, TensorError};

/// Element type and full shape of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// Element type.
    pub dtype: DType,
    /// Length of each dimension, in elements.
    pub shape: Vec<usize>,
}

impl ValueType {
    /// Number of elements. Shapes in a [`Graph`] are bounded, so it is exact.
    pub fn elements(&self) -> u64 {
        self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64))
    }

    /// Size of a dense tensor of this type, in bytes.
    pub fn bytes(&self) -> u64 {
        self.elements().saturating_mul(self.dtype.size() as u64)
    }
}

/// One operator of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique in its graph; made from operator and index where the file has
    /// none or repeats one.
    pub name: String,
    /// Operator, as ONNX names it.
    pub op: String,
    /// Operator set; empty for ONNX's own.
    pub domain: String,
    /// Values read; an empty name is an optional input left out.
    pub inputs: Vec<String>,
    /// Values made; an empty name is an optional output left out.
    pub outputs: Vec<String>,
    /// Attributes as in the file.
    pub attributes: Vec<AttributeProto>,
}

impl Node {
    /// Whether the operator is one of ONNX's own.
    pub fn is_standard(&self) -> bool {
        self.domain.is_empty() || self.domain == "ai.onnx"
    }

    /// Name of input `index`; `None` where it is left out.
    pub fn input(&self, index: usize) -> Option<&str> {
        self.inputs.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attributes.iter().find(|a| a.name() == name)
    }

    /// The integer attribute `name`, or `default` where absent.
    pub fn int(&self, name: &str, default: i64) -> Result<i64, NodeError> {
        let Some(a) = self.typed(name, AttributeType::Int, "an integer")? else {
            return Ok(default);
        };
        Ok(a.i())
    }

    /// The float attribute `name`, or `default` where absent.
    pub fn float(&self, name: &str, default: f32) -> Result<f32, NodeError> {
        let Some(a) = self.typed(name, AttributeType::Float, "a float")? else {
            return Ok(default);
        };
        Ok(a.f())
    }

    /// The integer list `name`.
    pub fn ints(&self, name: &str) -> Result<Option<&[i64]>, NodeError> {
        Ok(self.typed(name, AttributeType::Ints, "a list of integers")?.map(|a| a.ints.as_slice()))
    }

    /// The float list `name`.
    pub fn floats(&self, name: &str) -> Result<Option<&[f32]>, NodeError> {
        let found = self.typed(name, AttributeType::Floats, "a list of floats")?;
        Ok(found.map(|a| a.floats.as_slice()))
    }

    /// The list of texts `name`.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<&str>>, NodeError> {
        let Some(a) = self.typed(name, AttributeType::Strings, "a list of strings")? else {
            return Ok(None);
        };
        let texts = a.strings.iter().map(|s| utf8(name, s));
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// The text attribute `name`, or `default` where absent.
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str, NodeError> {
        let Some(a) = self.typed(name, AttributeType::String, "a string")? else {
            return Ok(default);
        };
        utf8(name, a.s())
    }

    /// The node as it stands in a file.
    pub(crate) fn to_proto(&self) -> NodeProto {
        NodeProto {
            name: Some(self.name.clone()),
            op_type: Some(self.op.clone()),
            domain: (!self.domain.is_empty()).then(|| self.domain.clone()),
            input: self.inputs.clone(),
            output: self.outputs.clone(),
            attribute: self.attributes.clone(),
            ..Default::default()
        }
    }

    /// Writers that drop zeros leave the value out and only give the type;
    /// very old ones give the value only.
    fn typed(
        &self,
        name: &str,
        kind: AttributeType,
        expected: &'static str,
    ) -> Result<Option<&AttributeProto>, NodeError> {
        let Some(a) = self.attribute(name) else { return Ok(None) };
        let present = match kind {
            AttributeType::Int => a.i.is_some(),
            AttributeType::Float => a.f.is_some(),
            AttributeType::String => a.s.is_some(),
            AttributeType::Ints => !a.ints.is_empty(),
            AttributeType::Floats => !a.floats.is_empty(),
            AttributeType::Strings => !a.strings.is_empty(),
            _ => false,
        };
        let untyped = a.r#type() == AttributeType::Undefined && present;
        if a.r#type() == kind || untyped {
            return Ok(Some(a));
        }
        Err(NodeError::Attribute {
            name: name.to_owned(),
            got: format!("type {:?}", a.r#type()),
            expected,
        })
    }
}

/// The bytes `text` of the attribute `name`.
fn utf8<'a>(name: &str, text: &'a [u8]) -> Result<&'a str, NodeError> {
    std::str::from_utf8(text).map_err(|_| NodeError::Attribute {
        name: name.to_owned(),
        got: "bytes that are no UTF-8".to_owned(),
        expected: "a string",
    })
}

/// A recurrent node of the file that was rewritten into plain nodes.
///
/// ```text
/// sequence --> projection --+-> piece 0 --> cell --+--> hidden 0
///                           |                      v
///                           +-> piece 1 --> cell <-- step 1
///                           |                ...
/// ```
///
/// A projection multiplies the whole sequence at once; a step multiplies the
/// state that the step before left. Both are layers. What else was made for
/// the node is glue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The name of the node in the file.
    pub name: String,
    /// Its operator: `LSTM`, `GRU` or `RNN`.
    pub op: String,
    /// Names of the nodes that project the sequence, one a direction.
    pub projections: Vec<String>,
    /// Names of the nodes that multiply the state, each after those whose
    /// result it needs.
    pub steps: Vec<String>,
    /// The values `Y`, `Y_h` and `Y_c` of the node, as far as they are read.
    pub outputs: Vec<String>,
}

/// A directed acyclic graph of nodes over named values.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Its name in the file.
    pub name: String,
    /// Nodes; each comes after those whose outputs it reads.
    pub nodes: Vec<Node>,
    /// Graph inputs which are not initializers, in the file's order.
    pub inputs: Vec<String>,
    /// Graph outputs, in the file's order.
    pub outputs: Vec<String>,
    /// Type of every value: inputs, initializers and node outputs.
    pub types: BTreeMap<String, ValueType>,
    /// Constant tensors, those folded from constant nodes included.
    pub initializers: BTreeMap<String, Tensor>,
    /// Further constants, whose values are computed when they are read.
    pub scaled: BTreeMap<String, Scaled>,
    /// Recurrent nodes that were rewritten into plain ones.
    pub cells: Vec<Cell>,
    /// Recurrent nodes that were left as they are, by name, and why.
    pub unlowered: BTreeMap<String, String>,
}

/// A constant of a graph.
#[derive(Clone, Copy, Debug)]
pub enum Constant<'a> {
    /// Its values lie in memory.
    Plain(&'a Tensor),
    /// Its values are computed when they are read.
    Scaled(&'a Scaled),
}

impl<'a> Constant<'a> {
    /// Element type.
    pub fn dtype(self) -> DType {
        match self {
            Constant::Plain(tensor) => tensor.dtype(),
            Constant::Scaled(scaled) => scaled.dtype(),
        }
    }

    /// Length of each dimension.
    pub fn shape(self) -> &'a [usize] {
        match self {
            Constant::Plain(tensor) => tensor.shape(),
            Constant::Scaled(scaled) => scaled.shape(),
        }
    }

    /// Number of elements.
    pub fn elements(self) -> usize {
        match self {
            Constant::Plain(tensor) => tensor.elements(),
            Constant::Scaled(scaled) => scaled.elements(),
        }
    }

    /// The little-endian bytes of the elements `range`, put into `space` where
    /// they have to be computed.
    ///
    /// # Panics
    ///
    /// If `range` goes beyond the constant.
    pub fn read<'s>(self, range: Range<usize>, space: &'s mut Vec<u8>) -> &'s [u8]
    where
        'a: 's,
    {
        match self {
            Constant::Plain(tensor) => {
                let size = tensor.dtype().size();
                &tensor.data()[range.start * size..range.end * size]
            }
            Constant::Scaled(scaled) => {
                space.clear();
                scaled.read(range, space);
                space
            }
        }
    }

    /// The values of an f32 constant, in order; for small ones.
    pub fn to_f32(self) -> Result<Vec<f32>, TensorError> {
        match self {
            Constant::Plain(tensor) => tensor.to_f32(),
            Constant::Scaled(scaled) => scaled.to_f32(),
        }
    }
}

impl Graph {
    /// The constant `name`, if there is such a constant.
    pub fn constant(&self, name: &str) -> Option<Constant<'_>> {
        let plain = self.initializers.get(name).map(Constant::Plain);
        plain.or_else(|| self.scaled.get(name).map(Constant::Scaled))
    }

    /// The node that makes each value.
    pub fn producers(&self) -> BTreeMap<&str, usize> {
        let mut producers = BTreeMap::new();
        for (i, node) in self.nodes.iter().enumerate() {
            for output in node.outputs.iter().filter(|o| !o.is_empty()) {
                producers.insert(output.as_str(), i);
            }
        }
        producers
    }

    /// Drops nodes that no output depends on, then values nobody names and
    /// what is noted of nodes that are gone.
    pub(crate) fn prune(&mut self) {
        let producers = self.producers();
        let mut live = vec![false; self.nodes.len()];
        let mut open: Vec<usize> =
            self.outputs.iter().filter_map(|o| producers.get(o.as_str()).copied()).collect();
        while let Some(i) = open.pop() {
            if std::mem::replace(&mut live[i], true) {
                continue;
            }
            open.extend(
                self.nodes[i].inputs.iter().filter_map(|v| producers.get(v.as_str()).copied()),
            );
        }
        let mut keep = live.into_iter();
        self.nodes.retain(|_| keep.next().unwrap_or(false));
        let mut named: BTreeSet<&str> = BTreeSet::new();
        named.extend(self.inputs.iter().chain(&self.outputs).map(String::as_str));
        for node in &self.nodes {
            named.extend(node.inputs.iter().chain(&node.outputs).map(String::as_str));
        }
        self.initializers.retain(|name, _| named.contains(name.as_str()));
        self.scaled.retain(|name, _| named.contains(name.as_str()));
        self.types.retain(|name, _| named.contains(name.as_str()));
        let nodes: BTreeSet<&str> = self.nodes.iter().map(|n| n.name.as_str()).collect();
        self.unlowered.retain(|name, _| nodes.contains(name.as_str()));
        for cell in &mut self.cells {
            cell.projections.retain(|name| nodes.contains(name.as_str()));
            cell.steps.retain(|name| nodes.contains(name.as_str()));
            cell.outputs.retain(|name| named.contains(name.as_str()));
        }
        self.cells.retain(|cell| !cell.projections.is_empty() || !cell.steps.is_empty());
    }
}

/// Why nodes make no acyclic graph over known values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Two nodes, inputs or initializers have one name.
    #[error("value {value} is defined more than once")]
    Duplicate {
        /// The value's name.
        value: String,
    },
    /// A node or the graph's output reads a value that nothing makes.
    #[error("{reader} reads value {value}, which nothing makes")]
    Missing {
        /// Node name, or "the graph's output".
        reader: String,
        /// The value's name.
        value: String,
    },
    /// Nodes depend on each other in a ring.
    #[error("nodes depend on each other in a ring, which node {node} is in or reads")]
    Cycle {
        /// A node of the ring, or one that reads from it.
        node: String,
    },
}

/// Sorts `nodes` so that each comes after those it reads; nodes in order
/// already keep their order. `known` are the graph's inputs and initializers.
pub(crate) fn sort(nodes: Vec<Node>, known: &BTreeSet<&str>) -> Result<Vec<Node>, GraphError> {
    let mut producers: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|o| !o.is_empty()) {
            if known.contains(output.as_str()) || producers.insert(output, i).is_some() {
                return Err(GraphError::Duplicate { value: output.clone() });
            }
        }
    }
    let mut waits = vec![0usize; nodes.len()];
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        for input in node.inputs.iter().filter(|v| !v.is_empty()) {
            if let Some(&p) = producers.get(input.as_str()) {
                waits[i] += 1;
                readers[p].push(i);
            } else if !known.contains(input.as_str()) {
                let reader = format!("node {}", node.name);
                return Err(GraphError::Missing { reader, value: input.clone() });
            }
        }
    }
    let mut ready: BTreeSet<usize> = (0..nodes.len()).filter(|&i| waits[i] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(i) = ready.pop_first() {
        order.push(i);
        for &r in &readers[i] {
            waits[r] -= 1;
            if waits[r] == 0 {
                ready.insert(r);
            }
        }
    }
    if let Some(i) = waits.iter().position(|&w| w > 0) {
        return Err(GraphError::Cycle { node: nodes[i].name.clone() });
    }
    let mut nodes: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|i| nodes[i].take()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, inputs: &[&str], outputs: &[&str]) -> Node {
        let owned = |names: &[&str]| names.iter().map(|n| n.to_string()).collect();
        Node {
            name: name.into(),
            op: "Add".into(),
            domain: String::new(),
            inputs: owned(inputs),
            outputs: owned(outputs),
            attributes: Vec::new(),
        }
    }

    #[test]
    fn sorts_and_refuses() {
        let known = BTreeSet::from(["x"]);
        let sorted =
            sort(vec![node("b", &["y", "x"], &["z"]), node("a", &["x", ""], &["y"])], &known)
                .unwrap();
        assert_eq!(sorted.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let cases = [
            (vec![node("a", &["z"], &["y"]), node("b", &["y"], &["z"])], "in a ring"),
            (vec![node("a", &["x"], &["x"])], "more than once"),
            (vec![node("a", &["x"], &["y"]), node("b", &["x"], &["y"])], "more than once"),
            (vec![node("a", &["q"], &["y"])], "node a reads value q"),
        ];
        for (nodes, message) in cases {
            let error = sort(nodes, &known).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
