//! How far values are from those that are right.

use anyhow::ensure;
use quorate_model::tensor::Tensor;

/// max|a - b| / max|b| over all outputs, the worst one.
pub fn answer_difference(got: &[Tensor], whole: &[Tensor]) -> anyhow::Result<f64> {
    ensure!(got.len() == whole.len(), "{} outputs, the model has {}", got.len(), whole.len());
    let pairs = got.iter().zip(whole);
    pairs.map(|(a, b)| difference(a, b)).try_fold(0.0, |worst: f64, error| Ok(worst.max(error?)))
}

/// max|a - b| / max|b| over the finite values; infinite where a value that is
/// not finite has no equal on the other side.
pub(super) fn difference(got: &Tensor, whole: &Tensor) -> anyhow::Result<f64> {
    let same = got.shape() == whole.shape();
    ensure!(same, "shape {:?}, the model's is {:?}", got.shape(), whole.shape());
    let same = got.dtype() == whole.dtype();
    ensure!(same, "values of {}, the model's are {}", got.dtype(), whole.dtype());
    let (mut apart, mut scale) = (0.0f64, 0.0f64);
    for (a, b) in got.to_numbers().into_iter().zip(whole.to_numbers()) {
        if a == b || a.is_nan() && b.is_nan() {
            scale = if b.is_finite() { scale.max(b.abs()) } else { scale };
            continue;
        }
        if !a.is_finite() || !b.is_finite() {
            return Ok(f64::INFINITY);
        }
        apart = apart.max((a - b).abs());
        scale = scale.max(b.abs());
    }
    Ok(if apart == 0.0 { 0.0 } else { apart / scale })
}

/// max|a - b| over the values that are numbers on both sides.
pub(super) fn largest_difference(got: &Tensor, whole: &Tensor) -> f64 {
    let numbers = got.to_numbers().into_iter().zip(whole.to_numbers());
    numbers.filter(|(a, b)| a != b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// How many values of `tensor` are not finite.
pub(super) fn not_finite(tensor: &Tensor) -> usize {
    tensor.to_numbers().iter().filter(|value| !value.is_finite()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_is_relative_and_finds_what_is_no_number() {
        let tensor = |values: &[f32]| Tensor::from_f32(vec![values.len()], values).unwrap();
        let whole = tensor(&[1.0, -4.0]);
        assert_eq!(difference(&whole, &whole).unwrap(), 0.0);
        assert_eq!(difference(&tensor(&[1.0, -3.0]), &whole).unwrap(), 0.25);
        assert_eq!(difference(&tensor(&[1.0, f32::NAN]), &whole).unwrap(), f64::INFINITY);
        assert!(difference(&tensor(&[1.0]), &whole).is_err());
        let strange = tensor(&[f32::NAN, f32::INFINITY, 2.0]);
        assert_eq!(difference(&strange, &strange).unwrap(), 0.0);
        let turned = tensor(&[f32::NAN, f32::NEG_INFINITY, 2.0]);
        assert_eq!(difference(&turned, &strange).unwrap(), f64::INFINITY);
        assert_eq!(not_finite(&strange), 2);
    }
}
