//! What is known of a value before it is computed.

use crate::tensor::DType;

/// Element type and full shape of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// Element type.
    pub dtype: DType,
    /// Length of each dimension, in elements.
    pub shape: Vec<usize>,
}

impl ValueType {
    /// Number of elements. Shapes in a [`Graph`] are bounded, so it is exact.
    pub(crate) fn elements(&self) -> u64 {
        self.shape.iter().fold(1u64, |n, &d| n.saturating_mul(d as u64))
    }

    /// Size of a dense tensor of this type, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.elements().saturating_mul(self.dtype.size() as u64)
    }
}
