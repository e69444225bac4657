//! A network as an ONNX file, written from front to back.
//!
//! The messages are written around the weights' bytes instead of over a
//! `ModelProto` that holds them: VGG16 is 553 MB, and writing it takes less
//! than one.

use std::io::{self, Write};

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use quorate_model::onnx::{GraphProto, ModelProto, OperatorSetIdProto, TensorProto};

use super::Net;
use crate::zoo::weights::Weight;

/// The version of ONNX's operators, the first with LayerNormalization.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

// Field numbers of ONNX's messages.
const MODEL_GRAPH: u32 = 7;
const GRAPH_INITIALIZER: u32 = 5;
const TENSOR_RAW_DATA: u32 = 9;

/// The key and length in front of a field of `len` bytes.
fn head(field: u32, len: usize) -> Vec<u8> {
    let mut head = Vec::new();
    encode_key(field, WireType::LengthDelimited, &mut head);
    encode_varint(len as u64, &mut head);
    head
}

/// All of a tensor's field of the graph up to its raw bytes, which come last.
fn tensor_head(weight: &Weight) -> Vec<u8> {
    let proto = TensorProto {
        name: Some(weight.name.clone()),
        data_type: Some(weight.dtype().onnx()),
        dims: weight.shape.iter().map(|&d| d as i64).collect(),
        ..Default::default()
    };
    let mut inner = proto.encode_to_vec();
    inner.extend(head(TENSOR_RAW_DATA, weight.bytes()));
    let mut outer = head(GRAPH_INITIALIZER, inner.len() + weight.bytes());
    outer.extend(inner);
    outer
}

impl Net {
    /// The graph without its initializers.
    pub fn graph(&self) -> GraphProto {
        GraphProto {
            name: Some(self.name.clone()),
            node: self.nodes.clone(),
            input: self.inputs.clone(),
            output: self.outputs.clone(),
            value_info: self.between.clone(),
            ..Default::default()
        }
    }

    /// Writes the network with the weights of `seed`.
    pub fn write(&self, seed: u64, out: &mut impl Write) -> io::Result<()> {
        let model = ModelProto {
            ir_version: Some(IR_VERSION),
            producer_name: Some("quorate-lab zoo".to_owned()),
            opset_import: vec![OperatorSetIdProto { domain: None, version: Some(OPSET) }],
            ..Default::default()
        };
        let graph = self.graph().encode_to_vec();
        let tensors: Vec<Vec<u8>> = self.weights.iter().map(tensor_head).collect();
        let weights_len = self.weights.iter().zip(&tensors).map(|(w, head)| head.len() + w.bytes());
        out.write_all(&model.encode_to_vec())?;
        out.write_all(&head(MODEL_GRAPH, graph.len() + weights_len.sum::<usize>()))?;
        out.write_all(&graph)?;
        for (weight, head) in self.weights.iter().zip(&tensors) {
            out.write_all(head)?;
            weight.write(seed, out)?;
        }
        Ok(())
    }

    /// The file's bytes.
    pub fn to_bytes(&self, seed: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(seed, &mut bytes).expect("a vector takes all bytes");
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_a_model() {
        let mut net = Net::new("test");
        let x = net.input("x", &[1, 5]);
        let y = net.gemm("fc", &x, 3);
        net.output(&y);
        let bytes = net.to_bytes(1);
        let model = ModelProto::decode(bytes.as_slice()).unwrap();
        // Encoded as a whole it has the same length: no field is there twice.
        assert_eq!(model.encoded_len(), bytes.len());
        let graph = model.graph.unwrap();
        let tensors: Vec<_> = graph.initializer.iter().map(|t| (t.name(), &t.dims[..])).collect();
        assert_eq!(tensors, [("fc.weight", &[3, 5][..]), ("fc.bias", &[3][..])]);
        assert_eq!(graph.initializer[0].raw_data().len(), 60);
        assert_eq!(graph.output[0].name(), "fc");
        assert!(graph.value_info.is_empty());
    }
}
