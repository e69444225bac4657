//! Small models for tests.

use bytes::Bytes;
use prost::Message;

use crate::model::{Limits, Model, ModelError};
use crate::onnx::{
    self, AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto,
    inline_tensor, value_info,
};
use crate::tensor::{DType, Tensor};

/// LeNet-5 trained on MNIST.
pub(crate) const LENET: &[u8] = include_bytes!("../../../assets/lenet5.onnx");

/// A model under construction.
pub(crate) struct Sample {
    pub proto: ModelProto,
}

impl Sample {
    /// A model without nodes at opset 17, with f32 inputs.
    pub(crate) fn new(inputs: &[(&str, &[usize])], outputs: &[&str]) -> Sample {
        let input = inputs.iter().map(|(n, s)| value_info(n, DType::F32, s)).collect();
        let output =
            outputs.iter().map(|&n| ValueInfoProto { name: Some(n.into()), ..Default::default() });
        let graph = GraphProto { input, output: output.collect(), ..Default::default() };
        Sample { proto: onnx::model(graph, 17) }
    }

    pub(crate) fn graph(&mut self) -> &mut GraphProto {
        self.proto.graph.get_or_insert_default()
    }

    pub(crate) fn opset(mut self, version: i64) -> Sample {
        self.proto.opset_import[0].version = Some(version);
        self
    }

    pub(crate) fn node(
        mut self,
        op: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[AttributeProto],
    ) -> Sample {
        self.graph().node.push(NodeProto {
            op_type: Some(op.to_owned()),
            input: inputs.iter().map(|s| s.to_string()).collect(),
            output: outputs.iter().map(|s| s.to_string()).collect(),
            attribute: attributes.to_vec(),
            ..Default::default()
        });
        self
    }

    /// An f32 initializer with the values 0, 1, 2, ...
    pub(crate) fn counting(self, name: &str, shape: &[usize]) -> Sample {
        let count: usize = shape.iter().product();
        let values: Vec<f32> = (0..count).map(|v| v as f32).collect();
        self.tensor(name, Tensor::from_f32(shape.to_vec(), &values).unwrap())
    }

    pub(crate) fn ints(self, name: &str, values: &[i64]) -> Sample {
        self.tensor(name, Tensor::from_i64(vec![values.len()], values).unwrap())
    }

    pub(crate) fn tensor(self, name: &str, t: Tensor) -> Sample {
        self.initializer(inline_tensor(name, t.dtype(), t.shape(), t.data().clone()))
    }

    pub(crate) fn initializer(mut self, tensor: TensorProto) -> Sample {
        self.graph().initializer.push(tensor);
        self
    }

    /// What the file says of a value; `None` leaves a dimension open.
    pub(crate) fn declare(mut self, name: &str, shape: &[usize]) -> Sample {
        self.graph().value_info.push(value_info(name, DType::F32, shape));
        self
    }

    pub(crate) fn bytes(&self) -> Bytes {
        self.proto.encode_to_vec().into()
    }

    pub(crate) fn read(&self) -> Result<Model, ModelError> {
        Model::read(self.bytes(), &Limits::default())
    }
}
