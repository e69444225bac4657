//! From an ONNX model to shards: graph, layers, stages, task files.

mod batch_norm;
pub mod division;
mod even_rows;
mod field;
mod fold;
pub mod form;
pub mod graph;
pub mod layer;
mod limits;
mod lower;
pub mod model;
mod need;
pub mod onnx;
mod operator;
pub mod pack;
pub mod part;
pub mod region;
#[cfg(test)]
mod sample;
mod scaled;
pub mod stage;
pub mod tensor;
pub mod value;
mod window;
pub mod work;
