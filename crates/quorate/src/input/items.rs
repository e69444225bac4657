//! Inputs of a file before they are preprocessed.

use quorate_model::tensor::DType;

/// Inputs of a file before they are preprocessed.
pub(super) trait Items {
    /// How many there are.
    fn count(&self) -> usize;

    /// The values of one, in the model's order. `index` is below the count.
    fn values(&self, index: usize) -> Vec<f32>;

    /// The little-endian bytes of one, where the file holds this very type.
    fn exact(&self, _index: usize, _dtype: DType) -> Option<Vec<u8>> {
        None
    }

    /// The class of one, where the file tells.
    fn label(&self, _index: usize) -> Option<u8> {
        None
    }

    /// What values are multiplied by unless the user says otherwise.
    fn scale(&self) -> f32;
}
