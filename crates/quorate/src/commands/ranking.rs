//! Outputs by size, as a classifier's are read.

use quorate_model::tensor::Tensor;

/// The `top` greatest values of a tensor with their places, greatest first.
pub(crate) fn greatest(tensor: &Tensor, top: usize) -> anyhow::Result<Vec<(usize, f32)>> {
    let mut values: Vec<(usize, f32)> = tensor.to_f32()?.into_iter().enumerate().collect();
    values.sort_by(|a, b| b.1.total_cmp(&a.1));
    values.truncate(top);
    Ok(values)
}
