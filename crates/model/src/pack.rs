//! One device's files: a small ONNX file for each task, and one file with the
//! weights of all of them.
//!
//! ```text
//! weights file:  | conv1 rows 0..16 | fc1 rows 0..1024 | fc1 parity | constants |
//!                     ^                  ^      ^
//! task files:      conv1.onnx         fc1-0   fc1-1     (offset and length)
//! ```
//!
//! Weights lie by output rows, so that a task needs one range of bytes, and
//! tasks whose rows overlap share them. Nothing is opened here: the caller
//! writes what it is given.

mod area;
mod bias;
mod error;
mod layer;
mod layout;
mod looped;
mod roll;
mod rows;
mod spec;
mod store;
mod task;

pub use self::{
    error::PackError,
    layout::Layout,
    spec::{TaskSpec, Work},
    store::lay_out,
};

#[cfg(test)]
mod tests;
