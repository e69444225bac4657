//! Nodes in one plain form: what ONNX says in many ways is said in one, at one
//! version of its operators, and what few engines know in terms of what all do.
//!
//! ```text
//! node of any version -- rule of its operator --> nodes of version 17, each of
//!                                                 which may have a rule again
//! ```
//!
//! Shapes are known by now, so whatever only depends on shapes becomes a
//! constant. A rule that adds nothing to its draft leaves the node as it is.

pub(crate) mod activation;
pub(crate) mod convolution;
pub(crate) mod draft;
pub(crate) mod einsum;
pub(crate) mod fused;
pub(crate) mod index;
pub(crate) mod layout;
pub(crate) mod loss;
pub(crate) mod norm;
pub(crate) mod place;
pub(crate) mod pooling;
pub(crate) mod product;
pub(crate) mod quantized;
pub(crate) mod reduction;
pub(crate) mod resize;
pub(crate) mod several;
pub(crate) mod taps;
