//! Constants, whether their values lie in memory or are computed when read.

use std::ops::Range;

use crate::scaled::Scaled;
use crate::tensor::{DType, Tensor, TensorError};

/// A constant of a graph.
#[derive(Clone, Copy, Debug)]
pub enum Constant<'a> {
    /// Its values lie in memory.
    Plain(&'a Tensor),
    /// Its values are computed when they are read.
    Scaled(&'a Scaled),
}

impl<'a> Constant<'a> {
    /// Element type.
    pub fn dtype(self) -> DType {
        match self {
            Constant::Plain(tensor) => tensor.dtype(),
            Constant::Scaled(scaled) => scaled.dtype(),
        }
    }

    /// Length of each dimension.
    pub(crate) fn shape(self) -> &'a [usize] {
        match self {
            Constant::Plain(tensor) => tensor.shape(),
            Constant::Scaled(scaled) => scaled.shape(),
        }
    }

    /// Number of elements.
    pub fn elements(self) -> usize {
        match self {
            Constant::Plain(tensor) => tensor.elements(),
            Constant::Scaled(scaled) => scaled.elements(),
        }
    }

    /// The little-endian bytes of the elements `range`, put into `space` where
    /// they have to be computed.
    ///
    /// # Panics
    ///
    /// If `range` goes beyond the constant.
    pub(crate) fn read<'s>(self, range: Range<usize>, space: &'s mut Vec<u8>) -> &'s [u8]
    where
        'a: 's,
    {
        match self {
            Constant::Plain(tensor) => {
                let size = tensor.dtype().size();
                &tensor.data()[range.start * size..range.end * size]
            }
            Constant::Scaled(scaled) => {
                space.clear();
                scaled.read(range, space);
                space
            }
        }
    }

    /// The values of an f32 constant, in order; for small ones.
    pub(crate) fn to_f32(self) -> Result<Vec<f32>, TensorError> {
        match self {
            Constant::Plain(tensor) => tensor.to_f32(),
            Constant::Scaled(scaled) => scaled.to_f32(),
        }
    }
}
