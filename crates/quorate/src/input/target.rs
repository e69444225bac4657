//! The model's input that a file's contents are made to fit.

use anyhow::{bail, ensure};
use quorate_model::tensor::DType;

use super::limits::TENSOR_BYTES_MAX;

/// The model's input that a file's contents are made to fit.
pub(super) struct Target<'a> {
    /// Its element type.
    pub(super) dtype: DType,
    /// Its shape.
    pub(super) shape: &'a [usize],
    /// How many values it has.
    pub(super) elements: usize,
    /// How many channels: the second dimension of `[1, C, ..]`, else 1.
    pub(super) channels: usize,
}

impl<'a> Target<'a> {
    pub(super) fn new(dtype: DType, shape: &'a [usize]) -> anyhow::Result<Target<'a>> {
        let elements = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let elements = elements.filter(|&n| n <= TENSOR_BYTES_MAX / dtype.size());
        let Some(elements) = elements else {
            bail!("the model's input {shape:?} is over {TENSOR_BYTES_MAX} bytes, the limit");
        };
        ensure!(elements > 0, "the model's input {shape:?} has no values");
        let channels = if shape.len() > 2 { shape[1] } else { 1 };
        Ok(Target { dtype, shape, elements, channels })
    }

    /// Channels, height and width, where the input is a picture's.
    pub(super) fn picture(&self) -> anyhow::Result<(usize, usize, usize)> {
        match *self.shape {
            [1, channels, height, width] => Ok((channels, height, width)),
            _ => bail!(
                "the model's input is {:?}, a picture needs [1, channels, height, width]",
                self.shape
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bounded() {
        for shape in [&[1, usize::MAX, 3][..], &[1 << 29], &[1, 0, 3]] {
            assert!(Target::new(DType::F32, shape).is_err(), "{shape:?}");
        }
        let target = Target::new(DType::F32, &[1, 3, 4, 5]).unwrap();
        assert_eq!((target.elements, target.channels), (60, 3));
        assert_eq!(target.picture().unwrap(), (3, 4, 5));
        assert!(Target::new(DType::F32, &[60]).unwrap().picture().is_err());
    }
}
