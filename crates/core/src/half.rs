//! Narrows f32 to f16 for the wire, and widens it again: half the bytes, and a
//! relative error of up to 2^-11 an element.

use half::f16;
use quorate_model::tensor::{DType, Tensor, TensorError, read_f32};

/// Relative error of a number rounded to f16.
pub(crate) const ROUNDING_F16: f64 = 1.0 / 2048.0;
/// The error of a number rounded to f16 that is nearly zero: half its smallest
/// one.
pub(crate) const SMALLEST_F16: f64 = 1.0 / (1 << 25) as f64;

/// Why numbers cannot travel as f16.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum HalfError {
    #[error("{got} does not fit in f16, whose largest number is 65504: send it as f32")]
    Overflow { got: f32 },
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

/// An f32 tensor in f16, each element rounded to the nearest.
pub(crate) fn narrow(tensor: &Tensor) -> Result<Tensor, HalfError> {
    let mut data = Vec::with_capacity(tensor.elements() * 2);
    for value in read_f32(tensor.data()) {
        let rounded = f16::from_f32(value);
        if rounded.is_infinite() && value.is_finite() {
            return Err(HalfError::Overflow { got: value });
        }
        data.extend_from_slice(&rounded.to_le_bytes());
    }
    Ok(Tensor::new(DType::F16, tensor.shape().to_vec(), data.into())?)
}

/// Little-endian f16 as little-endian f32.
pub(crate) fn widen(bytes: &[u8]) -> Vec<u8> {
    let value = |b: &[u8]| f16::from_le_bytes([b[0], b[1]]).to_f32().to_le_bytes();
    bytes.chunks_exact(2).flat_map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let values = [0.0, -1.5, 65504.0, 1e-7, 0.1, f32::INFINITY];
        let tensor = Tensor::from_f32(vec![6], &values).expect("fits");
        let half = narrow(&tensor).expect("all fit");
        assert_eq!((half.dtype(), half.data().len()), (DType::F16, 12));
        for (back, value) in read_f32(&widen(half.data())).into_iter().zip(values) {
            let apart = if back == value { 0.0 } else { (back - value).abs() };
            assert!(apart <= (value.abs() / 2048.0).max(6e-8), "{value} came back as {back}");
        }
        let large = Tensor::from_f32(vec![1], &[7e4]).expect("fits");
        assert_eq!(narrow(&large), Err(HalfError::Overflow { got: 7e4 }));
    }
}
