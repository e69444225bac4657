//! Are a tensor's numbers finite?

use quorate_model::tensor::{DType, Tensor};

/// Bytes that are looked at before it is asked whether to go on: the loop over
/// them has no exit, and so is done for many numbers at once.
const CHUNK: usize = 4096;

/// Are all numbers finite? Integers and truth values always are.
pub(crate) fn is_finite(tensor: &Tensor) -> bool {
    let mut chunks = tensor.data().chunks(CHUNK);
    match tensor.dtype() {
        DType::F32 => chunks.all(|chunk| {
            let bits = chunk.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            bits.fold(true, |all, bits| all & (bits & 0x7f80_0000 != 0x7f80_0000))
        }),
        DType::F16 => chunks.all(|chunk| {
            let bits = chunk.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
            bits.fold(true, |all, bits| all & (bits & 0x7c00 != 0x7c00))
        }),
        DType::F64 => chunks.all(|chunk| {
            let high = chunk.chunks_exact(8).map(|b| u16::from_le_bytes([b[6], b[7]]));
            high.fold(true, |all, bits| all & (bits & 0x7ff0 != 0x7ff0))
        }),
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => true,
        DType::U8 | DType::U16 | DType::U32 | DType::U64 | DType::Bool => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_it_is_and_of_whatever_type() {
        let large = [f64::from(f32::MAX), f64::MAX, 65504.0];
        for (dtype, largest) in [DType::F32, DType::F64, DType::F16].into_iter().zip(large) {
            for at in [0, 1500, 2999] {
                for (value, finite) in [
                    (f64::NAN, false),
                    (f64::INFINITY, false),
                    (f64::NEG_INFINITY, false),
                    (largest, true),
                    (-largest, true),
                    (0.0, true),
                ] {
                    let mut values = vec![1.5; 3000];
                    values[at] = value;
                    let tensor = Tensor::from_numbers(dtype, vec![3000], &values).expect("fits");
                    assert_eq!(is_finite(&tensor), finite, "{dtype} {value} at {at}");
                }
            }
        }
    }

    #[test]
    fn integers_are_finite() {
        let tensor = Tensor::from_numbers(DType::I32, vec![1], &[-1.0]).expect("fits");
        assert!(is_finite(&tensor));
    }
}
