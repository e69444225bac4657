//! How far values are from those that are right.

use anyhow::ensure;
use quorate_model::tensor::Tensor;

/// max|a - b| / max|b| over all outputs, the worst one.
pub fn answer_difference(got: &[Tensor], whole: &[Tensor]) -> anyhow::Result<f64> {
    ensure!(got.len() == whole.len(), "{} outputs, the model has {}", got.len(), whole.len());
    let pairs = got.iter().zip(whole);
    pairs.map(|(a, b)| difference(a, b)).try_fold(0.0, |worst: f64, error| Ok(worst.max(error?)))
}

/// max|a - b| / max|b|; infinite where either holds a value that is not finite.
pub(super) fn difference(got: &Tensor, whole: &Tensor) -> anyhow::Result<f64> {
    let same = got.shape() == whole.shape();
    ensure!(same, "shape {:?}, the model's is {:?}", got.shape(), whole.shape());
    let (a, b) = (got.to_f32()?, whole.to_f32()?);
    if a.iter().chain(&b).any(|v| !v.is_finite()) {
        return Ok(f64::INFINITY);
    }
    let worst = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let apart = worst(&mut a.iter().zip(&b).map(|(a, b)| f64::from(a - b).abs()));
    let scale = worst(&mut b.iter().map(|b| f64::from(b.abs())));
    Ok(if apart == 0.0 { 0.0 } else { apart / scale })
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
    }
}
