//! From an ONNX model to shards: graph, layers, stages, task files.

pub mod tensor;
