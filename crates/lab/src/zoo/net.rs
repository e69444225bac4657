//! A network while it is put together: nodes, value types, and weights that
//! are made later.
//!
//! Every value carries a guess of its mean square. A layer scales its weights
//! by it, so that what it makes has about variance 1 whatever came before:
//! behind a ReLU that is He's initialisation, elsewhere LeCun's. So no
//! activation vanishes or explodes, however deep the network is.

mod file;
mod glue;
mod layer;
mod recurrent;

use quorate_model::onnx::{AttributeProto, NodeProto, ValueInfoProto, value_info};
use quorate_model::tensor::DType;

pub(crate) use layer::Slide;
pub(crate) use recurrent::RecurrentOp;

use super::weights::{Fill, Weight};

/// A value of the graph.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value {
    /// Its name.
    pub(crate) name: String,
    /// Length of each dimension.
    pub(crate) shape: Vec<usize>,
    /// What its mean square should be, at a guess.
    pub(crate) square: f32,
}

/// A network: an ONNX graph, its weights not made yet.
#[derive(Clone, Debug, Default)]
pub struct Net {
    name: String,
    nodes: Vec<NodeProto>,
    input_shape: Vec<usize>,
    inputs: Vec<ValueInfoProto>,
    outputs: Vec<ValueInfoProto>,
    between: Vec<ValueInfoProto>,
    weights: Vec<Weight>,
}

impl Net {
    /// A network without nodes.
    pub(crate) fn new(name: &str) -> Net {
        Net { name: name.to_owned(), ..Net::default() }
    }

    /// Weights and biases that training would change.
    pub fn parameters(&self) -> u64 {
        self.weights.iter().filter(|w| w.trained).map(|w| w.elements() as u64).sum()
    }

    /// Bytes of all initializers, nearly the size of the file.
    pub fn weight_bytes(&self) -> u64 {
        self.weights.iter().map(|w| w.bytes() as u64).sum()
    }

    /// Shape of the graph's input.
    pub fn input_shape(&self) -> &[usize] {
        &self.input_shape
    }

    /// Adds the graph's input, of mean 0 and variance 1.
    pub(crate) fn input(&mut self, name: &str, shape: &[usize]) -> Value {
        self.input_shape = shape.to_vec();
        self.inputs.push(value_info(name, DType::F32, shape));
        Value { name: name.to_owned(), shape: shape.to_vec(), square: 1.0 }
    }

    /// Makes `value` the graph's output.
    pub(crate) fn output(&mut self, value: &Value) {
        self.between.retain(|v| v.name() != value.name);
        self.outputs.push(value_info(&value.name, DType::F32, &value.shape));
    }

    /// Adds a node whose only output has the node's name.
    fn node(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
        made: (Vec<usize>, f32),
    ) -> Value {
        let (shape, square) = made;
        self.add(op, name, inputs, attributes, vec![name.to_owned()]);
        self.declare(name, shape, square)
    }

    /// Adds a node; its outputs still have to be declared.
    fn add(
        &mut self,
        op: &str,
        name: &str,
        inputs: &[&str],
        attributes: Vec<AttributeProto>,
        outputs: Vec<String>,
    ) {
        self.nodes.push(NodeProto {
            name: Some(name.to_owned()),
            op_type: Some(op.to_owned()),
            input: inputs.iter().map(|&i| i.to_owned()).collect(),
            output: outputs,
            attribute: attributes,
            ..Default::default()
        });
    }

    /// Says the type of a value that a node makes.
    fn declare(&mut self, name: &str, shape: Vec<usize>, square: f32) -> Value {
        self.between.push(value_info(name, DType::F32, &shape));
        Value { name: name.to_owned(), shape, square }
    }

    /// Adds an initializer and gives its name.
    fn weight(&mut self, name: String, shape: &[usize], fill: Fill, trained: bool) -> String {
        self.weights.push(Weight { name: name.clone(), shape: shape.to_vec(), fill, trained });
        name
    }

    /// Adds a list of integers that a node takes as an input.
    fn list(&mut self, name: String, values: &[usize]) -> String {
        let ints = values.iter().map(|&v| v as i64).collect();
        self.weight(name, &[values.len()], Fill::Ints(ints), false)
    }
}
