//! From an ONNX model to shards: graph, layers, stages, task files.

mod batch_norm;
mod fold;
pub mod graph;
pub mod layer;
mod limits;
mod lower;
pub mod method;
pub mod model;
pub mod need;
pub mod onnx;
mod operator;
pub mod pack;
#[cfg(test)]
mod sample;
pub mod scaled;
pub mod shard;
pub mod stage;
pub mod tensor;
pub mod window;
