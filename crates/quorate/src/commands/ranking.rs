//! Outputs by size, as a classifier's are read.

use quorate_model::tensor::Tensor;

/// The `top` greatest values of a tensor with their places, greatest first.
pub(crate) fn greatest(tensor: &Tensor, top: usize) -> Vec<(usize, f64)> {
    let mut values: Vec<(usize, f64)> = tensor.to_numbers().into_iter().enumerate().collect();
    values.sort_by(|a, b| b.1.total_cmp(&a.1));
    values.truncate(top);
    values
}
