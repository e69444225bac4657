//! Boxes of tensors, as the model crate has them.

pub use quorate_model::region::*;
