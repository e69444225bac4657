//! A value that crosses a border between stages.

use crate::tensor::DType;

/// A value that crosses a border between stages: what is sharded, sent and
/// gathered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its name in the graph.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Shape of the whole value.
    pub shape: Vec<usize>,
    /// The dimension that rows lie along, 0 for graph inputs; what a
    /// convolution makes has its spatial dimensions behind it.
    pub axis: usize,
}

impl Value {
    /// Length of the axis.
    pub fn rows(&self) -> usize {
        self.shape.get(self.axis).copied().unwrap_or(1)
    }

    /// Blocks that are coded one by one: each row of a batch is, since shorter
    /// shards are padded in each.
    pub fn blocks(&self) -> usize {
        self.shape[..self.axis].iter().product()
    }

    /// Size of the whole value, in bytes.
    pub fn bytes(&self) -> usize {
        self.shape.iter().fold(self.dtype.size(), |n, &d| n.saturating_mul(d))
    }
}
