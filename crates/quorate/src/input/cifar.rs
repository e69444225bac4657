//! CIFAR-10's binary batches: a label byte, then 3 x 32 x 32 bytes, channel by
//! channel, image after image.

use anyhow::ensure;

use super::items::Items;
use super::target::Target;

const RECORD_BYTES: usize = 1 + 3 * 32 * 32;
const CLASSES: u8 = 10;

/// A batch of labelled images.
pub(super) struct Cifar<'a> {
    bytes: &'a [u8],
}

impl<'a> Cifar<'a> {
    pub(super) fn new(bytes: &'a [u8], target: &Target) -> anyhow::Result<Cifar<'a>> {
        ensure!(
            bytes.len().is_multiple_of(RECORD_BYTES),
            "it has {} bytes, a CIFAR-10 batch has a multiple of {RECORD_BYTES}",
            bytes.len()
        );
        ensure!(
            target.elements == RECORD_BYTES - 1,
            "its images are [3, 32, 32], the model's input is {:?}",
            target.shape
        );
        let cifar = Cifar { bytes };
        let wrong = (0..cifar.count()).find(|&i| cifar.record(i)[0] >= CLASSES);
        if let Some(index) = wrong {
            let got = cifar.record(index)[0];
            anyhow::bail!("image {index} has label {got}, expected below {CLASSES}");
        }
        Ok(cifar)
    }

    fn record(&self, index: usize) -> &[u8] {
        &self.bytes[index * RECORD_BYTES..][..RECORD_BYTES]
    }
}

impl Items for Cifar<'_> {
    fn count(&self) -> usize {
        self.bytes.len() / RECORD_BYTES
    }

    fn values(&self, index: usize) -> Vec<f32> {
        self.record(index)[1..].iter().map(|&b| f32::from(b)).collect()
    }

    fn label(&self, index: usize) -> Option<u8> {
        Some(self.record(index)[0])
    }

    fn scale(&self) -> f32 {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_before_each_image() {
        let mut bytes = vec![3; RECORD_BYTES];
        bytes.extend(vec![9; RECORD_BYTES]);
        let target = Target::new(quorate_model::tensor::DType::F32, &[1, 3, 32, 32]).unwrap();
        let cifar = Cifar::new(&bytes, &target).unwrap();
        assert_eq!(cifar.count(), 2);
        assert_eq!((cifar.label(0), cifar.label(1)), (Some(3), Some(9)));
        assert_eq!(cifar.values(1), [9.0; 3072]);
        bytes[RECORD_BYTES] = 10;
        let error = Cifar::new(&bytes, &target).err().unwrap();
        assert_eq!(error.to_string(), "image 1 has label 10, expected below 10");
        let error = Cifar::new(&bytes[1..], &target).err().unwrap();
        assert_eq!(error.to_string(), "it has 6145 bytes, a CIFAR-10 batch has a multiple of 3073");
        let target = Target::new(quorate_model::tensor::DType::F32, &[1, 1, 28, 28]).unwrap();
        assert!(Cifar::new(&bytes, &target).is_err());
    }
}
