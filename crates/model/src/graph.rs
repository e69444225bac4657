//! The graph of a model: nodes in topological order, values with full types,
//! initializers.

mod constant;
mod node;
mod node_error;
mod order;
mod recurrent_cell;
mod value_type;

use std::collections::{BTreeMap, BTreeSet};

use crate::scaled::Scaled;
use crate::tensor::Tensor;

pub use self::{
    constant::Constant, node::Node, node_error::NodeError, order::GraphError,
    recurrent_cell::RecurrentCell, value_type::ValueType,
};
pub(crate) use order::sort;

/// A directed acyclic graph of nodes over named values.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Its name in the file.
    pub name: String,
    /// Nodes; each comes after those whose outputs it reads.
    pub nodes: Vec<Node>,
    /// Graph inputs which are not initializers, in the file's order.
    pub inputs: Vec<String>,
    /// Inputs of the file that are constant here.
    pub fixed: BTreeMap<String, ValueType>,
    /// Inputs of the file that nothing reads, and that are no inputs here.
    pub unread: BTreeMap<String, ValueType>,
    /// Graph outputs, in the file's order.
    pub outputs: Vec<String>,
    /// Type of every value: inputs, initializers and node outputs.
    pub types: BTreeMap<String, ValueType>,
    /// Constant tensors, those folded from constant nodes included.
    pub initializers: BTreeMap<String, Tensor>,
    /// Further constants, whose values are computed when they are read.
    pub(crate) scaled: BTreeMap<String, Scaled>,
    /// Recurrent nodes that were rewritten into plain ones.
    pub cells: Vec<RecurrentCell>,
    /// Recurrent nodes that were left as they are, by name, and why.
    pub unlowered: BTreeMap<String, String>,
}

impl Graph {
    /// The constant `name`, if there is such a constant.
    pub fn constant(&self, name: &str) -> Option<Constant<'_>> {
        let plain = self.initializers.get(name).map(Constant::Plain);
        plain.or_else(|| self.scaled.get(name).map(Constant::Scaled))
    }

    /// Adds a constant under a name that nothing has yet.
    pub(crate) fn add_constant(&mut self, name: String, tensor: Tensor) {
        let value = ValueType { dtype: tensor.dtype(), shape: tensor.shape().to_vec() };
        self.types.insert(name.clone(), value);
        self.initializers.insert(name, tensor);
    }

    /// Takes inputs away that nothing reads.
    pub(crate) fn drop_unread(&mut self) {
        let (read, unread): (Vec<String>, Vec<String>) =
            std::mem::take(&mut self.inputs).into_iter().partition(|name| self.is_read(name));
        self.inputs = read;
        for name in unread {
            if let Some(of) = self.types.remove(&name) {
                self.unread.insert(name, of);
            }
        }
    }

    /// Is the value `name` of any use: read by a node, or an output?
    fn is_read(&self, name: &str) -> bool {
        self.outputs.iter().any(|output| output == name)
            || self.nodes.iter().any(|node| node.inputs.iter().any(|input| input == name))
    }

    /// The number that the whole numbers of input `name` have to be below,
    /// where they pick something by its number.
    pub fn picks_below(&self, name: &str) -> Option<usize> {
        let mut same: BTreeSet<&str> = [name].into();
        let mut least: Option<usize> = None;
        for node in &self.nodes {
            let passes = matches!(node.op.as_str(), "Cast" | "Identity" | "Reshape" | "Transpose");
            if passes && node.input(0).is_some_and(|input| same.contains(input)) {
                same.extend(node.outputs.iter().map(String::as_str));
            }
            let picks = node.op == "Gather" && node.input(1).is_some_and(|i| same.contains(i));
            let from = node.input(0).and_then(|input| self.types.get(input)).filter(|_| picks);
            let Some(from) = from else { continue };
            let axis = node.int("axis", 0).unwrap_or(0);
            let axis = if axis < 0 { axis + from.shape.len() as i64 } else { axis };
            let length = usize::try_from(axis).ok().and_then(|axis| from.shape.get(axis));
            least = length.copied().into_iter().chain(least).min();
        }
        least
    }

    /// The node that makes each value.
    pub(crate) fn producers(&self) -> BTreeMap<&str, usize> {
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
