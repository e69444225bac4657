//! A dense tensor as it travels: element type, shape, little-endian bytes.

use bytes::Bytes;

/// Element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DType {
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// 64-bit float.
    F64,
    /// Signed 8-bit integer.
    I8,
    /// Unsigned 8-bit integer.
    U8,
    /// Signed 16-bit integer.
    I16,
    /// Unsigned 16-bit integer.
    U16,
    /// Signed 32-bit integer.
    I32,
    /// Unsigned 32-bit integer.
    U32,
    /// Signed 64-bit integer.
    I64,
    /// Unsigned 64-bit integer.
    U64,
    /// One byte a truth value.
    Bool,
}

impl DType {
    /// Bytes one element takes.
    pub const fn size(self) -> usize {
        match self {
            DType::I8 | DType::U8 | DType::Bool => 1,
            DType::F16 | DType::I16 | DType::U16 => 2,
            DType::F32 | DType::I32 | DType::U32 => 4,
            DType::F64 | DType::I64 | DType::U64 => 8,
        }
    }

    /// The number ONNX gives this type (`TensorProto.DataType`).
    pub const fn onnx(self) -> i32 {
        match self {
            DType::F32 => 1,
            DType::U8 => 2,
            DType::I8 => 3,
            DType::U16 => 4,
            DType::I16 => 5,
            DType::I32 => 6,
            DType::I64 => 7,
            DType::Bool => 9,
            DType::F16 => 10,
            DType::F64 => 11,
            DType::U32 => 12,
            DType::U64 => 13,
        }
    }

    /// The type that [`Display`](std::fmt::Display) writes as `word`.
    pub fn from_word(word: &str) -> Option<DType> {
        (1..=13).filter_map(DType::from_onnx).find(|dtype| dtype.to_string() == word)
    }

    /// The type behind an ONNX number; `None` for those not supported.
    pub const fn from_onnx(number: i32) -> Option<DType> {
        Some(match number {
            1 => DType::F32,
            2 => DType::U8,
            3 => DType::I8,
            4 => DType::U16,
            5 => DType::I16,
            6 => DType::I32,
            7 => DType::I64,
            9 => DType::Bool,
            10 => DType::F16,
            11 => DType::F64,
            12 => DType::U32,
            13 => DType::U64,
            _ => return None,
        })
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F16 => "f16",
            DType::F64 => "f64",
            DType::I8 => "i8",
            DType::U8 => "u8",
            DType::I16 => "i16",
            DType::U16 => "u16",
            DType::I32 => "i32",
            DType::U32 => "u32",
            DType::I64 => "i64",
            DType::U64 => "u64",
            DType::Bool => "bool",
        })
    }
}

/// Why bytes and shape do not make a tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// The number of bytes is not the one that shape and type need.
    #[error("tensor of {dtype} {shape:?} has {got} bytes, needs {needed}")]
    Length {
        /// Element type.
        dtype: DType,
        /// Shape asked for.
        shape: Vec<usize>,
        /// Bytes given.
        got: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// The shape's number of bytes overflows.
    #[error("tensor shape {shape:?} is too large")]
    TooLarge {
        /// Shape asked for.
        shape: Vec<usize>,
    },
    /// Another element type was expected.
    #[error("tensor is {got}, expected {expected}")]
    Type {
        /// The type it has.
        got: DType,
        /// The type wanted.
        expected: DType,
    },
}

/// A dense tensor in row-major order. Cloning shares the bytes.
#[derive(Clone, PartialEq)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    data: Bytes,
}

/// Bytes that a tensor of `dtype` and `shape` takes; `None` on overflow.
pub fn byte_len(dtype: DType, shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d))
}

impl Tensor {
    /// A tensor over little-endian `data`, whose length must fit exactly.
    pub fn new(dtype: DType, shape: Vec<usize>, data: Bytes) -> Result<Tensor, TensorError> {
        let Some(needed) = byte_len(dtype, &shape) else {
            return Err(TensorError::TooLarge { shape });
        };
        if data.len() != needed {
            return Err(TensorError::Length { dtype, shape, got: data.len(), needed });
        }
        Ok(Tensor { dtype, shape, data })
    }

    /// A tensor of f32 values.
    pub fn from_f32(shape: Vec<usize>, values: &[f32]) -> Result<Tensor, TensorError> {
        let mut data = Vec::with_capacity(values.len() * 4);
        data.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        Tensor::new(DType::F32, shape, data.into())
    }

    /// A tensor of i64 values.
    pub(crate) fn from_i64(shape: Vec<usize>, values: &[i64]) -> Result<Tensor, TensorError> {
        let mut data = Vec::with_capacity(values.len() * 8);
        data.extend(values.iter().flat_map(|v| v.to_le_bytes()));
        Tensor::new(DType::I64, shape, data.into())
    }

    /// Element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Length of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The little-endian bytes.
    pub fn data(&self) -> &Bytes {
        &self.data
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.data.len() / self.dtype.size()
    }

    /// The values of an f32 tensor, in order.
    pub fn to_f32(&self) -> Result<Vec<f32>, TensorError> {
        if self.dtype != DType::F32 {
            return Err(TensorError::Type { got: self.dtype, expected: DType::F32 });
        }
        Ok(read_f32(&self.data))
    }
}

impl Tensor {
    /// The values of an i64 or i32 tensor, in order.
    pub(crate) fn to_i64(&self) -> Result<Vec<i64>, TensorError> {
        match self.dtype {
            DType::I64 => {
                let value = |b: &[u8]| b.try_into().map(i64::from_le_bytes).unwrap_or_default();
                Ok(self.data.chunks_exact(8).map(value).collect())
            }
            DType::I32 => {
                let value = |b: &[u8]| b.try_into().map(i32::from_le_bytes).unwrap_or_default();
                Ok(self.data.chunks_exact(4).map(value).map(i64::from).collect())
            }
            got => Err(TensorError::Type { got, expected: DType::I64 }),
        }
    }
}

impl Tensor {
    /// A tensor of these numbers, as near as the type has them.
    pub fn from_numbers(
        dtype: DType,
        shape: Vec<usize>,
        values: &[f64],
    ) -> Result<Tensor, TensorError> {
        let mut data = Vec::with_capacity(values.len() * dtype.size());
        for &v in values {
            match dtype {
                DType::F32 => data.extend((v as f32).to_le_bytes()),
                DType::F16 => data.extend(half::f16::from_f64(v).to_le_bytes()),
                DType::F64 => data.extend(v.to_le_bytes()),
                DType::I8 => data.extend((v as i8).to_le_bytes()),
                DType::U8 => data.push(v as u8),
                DType::I16 => data.extend((v as i16).to_le_bytes()),
                DType::U16 => data.extend((v as u16).to_le_bytes()),
                DType::I32 => data.extend((v as i32).to_le_bytes()),
                DType::U32 => data.extend((v as u32).to_le_bytes()),
                DType::I64 => data.extend((v as i64).to_le_bytes()),
                DType::U64 => data.extend((v as u64).to_le_bytes()),
                DType::Bool => data.push(u8::from(v != 0.0)),
            }
        }
        Tensor::new(dtype, shape, data.into())
    }

    /// A tensor of these whole numbers; `None` where one does not fit.
    pub(crate) fn from_wholes(dtype: DType, shape: Vec<usize>, values: &[i64]) -> Option<Tensor> {
        let mut data = Vec::with_capacity(values.len() * dtype.size());
        for &v in values {
            match dtype {
                DType::I8 => data.extend(i8::try_from(v).ok()?.to_le_bytes()),
                DType::U8 => data.push(u8::try_from(v).ok()?),
                DType::I16 => data.extend(i16::try_from(v).ok()?.to_le_bytes()),
                DType::U16 => data.extend(u16::try_from(v).ok()?.to_le_bytes()),
                DType::I32 => data.extend(i32::try_from(v).ok()?.to_le_bytes()),
                DType::U32 => data.extend(u32::try_from(v).ok()?.to_le_bytes()),
                DType::I64 => data.extend(v.to_le_bytes()),
                DType::U64 => data.extend(u64::try_from(v).ok()?.to_le_bytes()),
                DType::Bool => data.push(u8::from(v != 0)),
                DType::F32 | DType::F16 | DType::F64 => return None,
            }
        }
        Tensor::new(dtype, shape, data.into()).ok()
    }

    /// The values as numbers; whole ones beyond 2^53 lose their last digits.
    pub fn to_numbers(&self) -> Vec<f64> {
        match self.dtype {
            DType::F32 => each(&self.data, |b| f32::from_le_bytes(b).into()),
            DType::F16 => each(&self.data, |b| half::f16::from_le_bytes(b).to_f64()),
            DType::F64 => each(&self.data, f64::from_le_bytes),
            DType::I8 => each(&self.data, |b| i8::from_le_bytes(b).into()),
            DType::U8 => each(&self.data, |[b]| b.into()),
            DType::Bool => each(&self.data, |[b]| f64::from(u8::from(b != 0))),
            DType::I16 => each(&self.data, |b| i16::from_le_bytes(b).into()),
            DType::U16 => each(&self.data, |b| u16::from_le_bytes(b).into()),
            DType::I32 => each(&self.data, |b| i32::from_le_bytes(b).into()),
            DType::U32 => each(&self.data, |b| u32::from_le_bytes(b).into()),
            DType::I64 => each(&self.data, |b| i64::from_le_bytes(b) as f64),
            DType::U64 => each(&self.data, |b| u64::from_le_bytes(b) as f64),
        }
    }

    /// The values of a type of whole numbers or of truth; `None` for floats,
    /// and where one is beyond i64.
    pub(crate) fn to_wholes(&self) -> Option<Vec<i64>> {
        Some(match self.dtype {
            DType::I8 => each(&self.data, |b| i8::from_le_bytes(b).into()),
            DType::U8 => each(&self.data, |[b]| b.into()),
            DType::Bool => each(&self.data, |[b]| i64::from(b != 0)),
            DType::I16 => each(&self.data, |b| i16::from_le_bytes(b).into()),
            DType::U16 => each(&self.data, |b| u16::from_le_bytes(b).into()),
            DType::I32 => each(&self.data, |b| i32::from_le_bytes(b).into()),
            DType::U32 => each(&self.data, |b| u32::from_le_bytes(b).into()),
            DType::I64 => each(&self.data, i64::from_le_bytes),
            DType::U64 => {
                let wholes = each(&self.data, |b| i64::try_from(u64::from_le_bytes(b)).ok());
                return wholes.into_iter().collect();
            }
            DType::F32 | DType::F16 | DType::F64 => return None,
        })
    }
}

/// What `f` makes of each element of `N` bytes.
fn each<const N: usize, T>(bytes: &[u8], f: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|b| f(*b)).collect()
}

/// The f32 values in little-endian `bytes`; an incomplete one at the end is left
/// out.
pub fn read_f32(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tensor({} {:?})", self.dtype, self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_must_fit() {
        let short = Tensor::new(DType::F32, vec![2, 3], Bytes::from_static(&[0; 23]));
        assert_eq!(short.unwrap_err().to_string(), "tensor of f32 [2, 3] has 23 bytes, needs 24");
        let huge = Tensor::new(DType::F64, vec![usize::MAX, 2], Bytes::new());
        assert!(matches!(huge, Err(TensorError::TooLarge { .. })));
    }

    #[test]
    fn every_type_has_its_numbers() {
        let types = (1..=13).filter_map(DType::from_onnx);
        for dtype in types {
            let numbers = [0.0, 1.0, if dtype == DType::Bool { 1.0 } else { 100.0 }];
            let tensor = Tensor::from_numbers(dtype, vec![3], &numbers).unwrap();
            assert_eq!(tensor.data().len(), 3 * dtype.size());
            assert_eq!(tensor.to_numbers(), numbers, "{dtype}");
            assert_eq!(DType::from_word(&dtype.to_string()), Some(dtype));
            assert_eq!(DType::from_onnx(dtype.onnx()), Some(dtype));
            let float = matches!(dtype, DType::F32 | DType::F16 | DType::F64);
            let wholes = numbers.map(|v| v as i64).to_vec();
            assert_eq!(tensor.to_wholes(), (!float).then_some(wholes.clone()), "{dtype}");
            let again = Tensor::from_wholes(dtype, vec![3], &wholes);
            assert_eq!(again, (!float).then_some(tensor), "{dtype}");
        }
    }

    #[test]
    fn what_a_type_of_whole_numbers_lacks_is_none() {
        for (dtype, value) in [
            (DType::U8, -1),
            (DType::I8, 128),
            (DType::U16, 65_536),
            (DType::I16, -32_769),
            (DType::U32, -1),
            (DType::I32, 1 << 31),
            (DType::U64, -1),
        ] {
            assert_eq!(Tensor::from_wholes(dtype, vec![1], &[value]), None, "{dtype} {value}");
        }
        let large = Tensor::new(DType::U64, vec![1], vec![0xff; 8].into()).unwrap();
        assert_eq!(large.to_wholes(), None);
        assert_eq!(large.to_numbers(), [u64::MAX as f64]);
    }

    #[test]
    fn f32_there_and_back() {
        let values = [1.0, -2.5, f32::MIN_POSITIVE];
        let tensor = Tensor::from_f32(vec![3], &values).unwrap();
        assert_eq!(tensor.to_f32().unwrap(), values);
    }
}
