//! What is known of ONNX's operators: one entry an operator, with all its
//! facts.
//!
//! ```text
//! node -- domain and name --> entry: types of the outputs, value from
//!                             constants, elements read, work, role
//! ```
//!
//! An operator without an entry is left to the runtime: the file has to declare
//! the types of its outputs, and nothing is computed or cut around it.
//!
//! *Invariant:* all sizes come from attributes and shapes that were bounded
//! before, so no arithmetic here overflows.

mod compute;
mod conv;
mod elementwise;
mod layout;
mod matmul;
mod number;
mod place;
mod plain;
pub(crate) mod recurrent;
mod reduce;
mod table;
mod typed_node;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;

use crate::graph::{Graph, Node, NodeError, ValueType};
use crate::tensor::Tensor;
pub(crate) use compute::dequantize;
pub(crate) use plain::activation::ROUNDED;
pub(crate) use plain::draft::Draft;
pub(crate) use typed_node::{TypedNode, resolve_axis};

/// What is known of one operator.
pub(crate) struct Operator {
    name: &'static str,
    /// Types of the outputs; `None` where the file has to declare them.
    infer: Option<Infer>,
    /// How it is said in another way, where it is.
    plain: Option<Plain>,
    /// How the output follows from constants.
    pub fold: Fold,
    /// Which elements of its inputs an element of its output needs.
    pub reads: Reads,
    /// Floating-point operations.
    work: Work,
    /// What it is for whoever divides a model.
    pub role: Role,
    /// Averages windows of each channel alike: a linear operator that makes its
    /// input smaller.
    pub is_linear_pooling: bool,
}

type Infer = fn(&TypedNode<'_>) -> Result<Vec<ValueType>, NodeError>;

/// Adds what stands for the node to a draft; nothing where it may stay.
type Plain = fn(&TypedNode<'_>, &mut Draft<'_>) -> Result<(), NodeError>;

/// The bytes of an output of a known type, out of the first input and whatever
/// else is constant; `None` for forms that are not handled.
type Compute = fn(&TypedNode<'_>, &Tensor, &ValueType) -> Result<Option<Bytes>, NodeError>;

/// How the value of an operator's only output follows from constant inputs.
#[derive(Clone, Copy)]
pub(crate) enum Fold {
    /// It is left to the runtime.
    Never,
    /// It is known from the inputs' types alone.
    FromTypes(fn(&TypedNode<'_>, &ValueType) -> Result<Tensor, NodeError>),
    /// The first input's elements in the same order, in another shape.
    Same,
    /// All of the first input's elements in another order.
    Moved(Compute),
    /// Some of the first input's elements.
    Picked(Compute),
    /// Values that have to be computed, or copied from several inputs.
    Computed(Compute),
    /// (first input - zero point) * scale.
    Dequantized,
}

/// Which elements of its inputs an element of an operator's output needs.
#[derive(Clone, Copy)]
pub(crate) enum Reads {
    /// Of each the one at the same place; the only one along a dimension that has
    /// one.
    SamePlace,
    /// The same, but all along these axes.
    Along(Axes),
    /// Of the first the one at the same place, of all others those of its channel.
    Channel,
    /// Of the first those in a window behind the channels: of all channels where it
    /// has weights, else of the same one.
    Window,
    /// One of one input: they are laid beside each other.
    Joined,
    /// Possibly all.
    All,
}

/// The axes along which a node with an output of this rank reads everything; `None`
/// where it does not say.
type Axes = fn(&Node, usize) -> Option<Vec<usize>>;

/// Floating-point operations of an operator, estimated.
#[derive(Clone, Copy)]
enum Work {
    /// None: elements are passed on.
    Nothing,
    /// One for each element of the first input.
    EachInput,
    /// One for each element that is made.
    EachOutput,
    /// So many for each element that is made, given the shapes of the first two
    /// inputs.
    PerOutput(fn(&Node, &[usize], &[usize]) -> u64),
}

/// What an operator is for whoever divides a model.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A layer, where its weights are constant.
    Layer,
    /// LSTM, GRU or RNN: rewritten into plain nodes where that is possible.
    Recurrent,
    /// Everything else.
    Glue,
}

impl Operator {
    /// An operator whose output types follow by `infer`, and no more.
    const fn new(name: &'static str, infer: Infer) -> Operator {
        Operator { infer: Some(infer), ..Operator::declared(name) }
    }

    /// An operator whose output types the file has to declare.
    const fn declared(name: &'static str) -> Operator {
        Operator {
            name,
            infer: None,
            plain: None,
            fold: Fold::Never,
            reads: Reads::All,
            work: Work::EachOutput,
            role: Role::Glue,
            is_linear_pooling: false,
        }
    }

    /// An operator that is always said in terms of others.
    const fn rewritten(name: &'static str, rule: Plain) -> Operator {
        Operator::declared(name).plain(rule)
    }

    const fn plain(self, rule: Plain) -> Operator {
        Operator { plain: Some(rule), ..self }
    }

    const fn fold(self, fold: Fold) -> Operator {
        Operator { fold, ..self }
    }

    const fn work(self, work: Work) -> Operator {
        Operator { work, ..self }
    }

    const fn role(self, role: Role) -> Operator {
        Operator { role, ..self }
    }

    const fn same_place(self) -> Operator {
        self.reads(Reads::SamePlace)
    }

    const fn reads(self, reads: Reads) -> Operator {
        Operator { reads, ..self }
    }

    const fn linear_pooling(self) -> Operator {
        Operator { is_linear_pooling: true, ..self }
    }
}

type ByName = BTreeMap<&'static str, &'static Operator>;

/// The operator `name` of the set `domain`: ONNX's own, whose domain is empty
/// or `ai.onnx`, or one of those that ONNX Runtime adds.
fn find(domain: &str, name: &str) -> Option<&'static Operator> {
    fn named(all: &'static [Operator]) -> ByName {
        all.iter().map(|known| (known.name, known)).collect()
    }
    static OWN: LazyLock<ByName> = LazyLock::new(|| named(table::OPERATORS));
    static ADDED: LazyLock<ByName> = LazyLock::new(|| named(table::ADDED));
    match domain {
        "" | "ai.onnx" => OWN.get(name).copied(),
        "com.microsoft" => ADDED.get(name).copied(),
        _ => None,
    }
}

/// The operator of `node`, where it is known.
pub(crate) fn of(node: &Node) -> Option<&'static Operator> {
    find(&node.domain, &node.op)
}

/// What `node` is for whoever divides a model.
pub(crate) fn role(node: &Node) -> Role {
    of(node).map_or(Role::Glue, |operator| operator.role)
}

/// Types of the outputs; `None` where the file has to declare them.
pub(crate) fn infer(op: &TypedNode<'_>) -> Result<Option<Vec<ValueType>>, NodeError> {
    let infer = of(op.node).and_then(|operator| operator.infer);
    infer.map(|infer| infer(op)).transpose()
}

/// Adds what stands for the node to `draft`; nothing where it may stay.
pub(crate) fn plain(op: &TypedNode<'_>, draft: &mut Draft<'_>) -> Result<(), NodeError> {
    if op.opset < 7 {
        plain::several::old_broadcast(op, draft)?;
    }
    match of(op.node).and_then(|operator| operator.plain) {
        _ if !draft.nodes.is_empty() => Ok(()),
        Some(rule) => rule(op, draft),
        None => Ok(()),
    }
}

/// Floating-point operations of `node`, estimated: two a multiply-accumulate in
/// products and convolutions, one an element of a pooling window, one an output
/// element elsewhere.
pub(crate) fn flops(graph: &Graph, node: &Node) -> u64 {
    let shape_of = |v: Option<&str>| v.and_then(|v| graph.types.get(v)).map(|t| t.shape.as_slice());
    let elements = |shape: &[usize]| shape.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64));
    let input = shape_of(node.input(0)).unwrap_or(&[]);
    let weight = shape_of(node.input(1)).unwrap_or(&[]);
    let outputs = node.outputs.iter().filter_map(|o| shape_of(Some(o)));
    let made = outputs.fold(0u64, |n, shape| n.saturating_add(elements(shape)));
    match of(node).map_or(Work::EachOutput, |operator| operator.work) {
        Work::Nothing => 0,
        Work::EachInput => elements(input),
        Work::EachOutput => made,
        Work::PerOutput(each) => made.saturating_mul(each(node, input, weight)),
    }
}

#[cfg(test)]
mod tests;
