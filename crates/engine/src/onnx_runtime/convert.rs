//! Tensors to ONNX Runtime's and back.

use ort::value::{DynValue, PrimitiveTensorElementType, TensorElementType, Value, ValueRef};
use quorate_model::tensor::{DType, Tensor};

/// The element type behind ONNX Runtime's name; `None` for those not supported.
pub(super) fn dtype(kind: TensorElementType) -> Option<DType> {
    Some(match kind {
        TensorElementType::Float32 => DType::F32,
        TensorElementType::Float16 => DType::F16,
        TensorElementType::Float64 => DType::F64,
        TensorElementType::Int8 => DType::I8,
        TensorElementType::Uint8 => DType::U8,
        TensorElementType::Int16 => DType::I16,
        TensorElementType::Uint16 => DType::U16,
        TensorElementType::Int32 => DType::I32,
        TensorElementType::Uint32 => DType::U32,
        TensorElementType::Int64 => DType::I64,
        TensorElementType::Uint64 => DType::U64,
        TensorElementType::Bool => DType::Bool,
        _ => return None,
    })
}

/// Elements of a type, copied out of little-endian bytes.
fn elements<T, const N: usize>(tensor: &Tensor, of: impl Fn([u8; N]) -> T) -> Vec<T> {
    tensor.data().as_chunks::<N>().0.iter().map(|bytes| of(*bytes)).collect()
}

fn made<T>(tensor: &Tensor, values: Vec<T>) -> Result<DynValue, String>
where
    T: PrimitiveTensorElementType + Clone + std::fmt::Debug + 'static,
{
    let shape: Vec<i64> = tensor.shape().iter().map(|&d| d as i64).collect();
    let value = Value::from_array((shape, values)).map_err(|e| e.to_string())?;
    Ok(value.into_dyn())
}

/// Copies `tensor` into one of ONNX Runtime's.
pub(super) fn value(tensor: &Tensor) -> Result<DynValue, String> {
    match tensor.dtype() {
        DType::F32 => made(tensor, elements(tensor, f32::from_le_bytes)),
        DType::F16 => made(tensor, elements(tensor, half::f16::from_le_bytes)),
        DType::F64 => made(tensor, elements(tensor, f64::from_le_bytes)),
        DType::I8 => made(tensor, elements(tensor, i8::from_le_bytes)),
        DType::U8 => made(tensor, tensor.data().to_vec()),
        DType::I16 => made(tensor, elements(tensor, i16::from_le_bytes)),
        DType::U16 => made(tensor, elements(tensor, u16::from_le_bytes)),
        DType::I32 => made(tensor, elements(tensor, i32::from_le_bytes)),
        DType::U32 => made(tensor, elements(tensor, u32::from_le_bytes)),
        DType::I64 => made(tensor, elements(tensor, i64::from_le_bytes)),
        DType::U64 => made(tensor, elements(tensor, u64::from_le_bytes)),
        DType::Bool => made(tensor, elements(tensor, |[byte]| byte != 0)),
    }
}

/// Copies ONNX Runtime's `value`.
pub(super) fn tensor(value: &ValueRef<'_>) -> Result<Tensor, String> {
    fn copied<T: PrimitiveTensorElementType, const N: usize>(
        value: &ValueRef<'_>,
        dtype: DType,
        of: impl Fn(&T) -> [u8; N],
    ) -> Result<Tensor, String> {
        let (shape, values) = value.try_extract_tensor::<T>().map_err(|e| e.to_string())?;
        let shape: Option<Vec<usize>> = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
        let data: Vec<u8> = values.iter().flat_map(of).collect();
        let shape = shape.ok_or("an output of no shape")?;
        Tensor::new(dtype, shape, data.into()).map_err(|e| e.to_string())
    }
    let ort::value::ValueType::Tensor { ty, .. } = value.dtype() else {
        return Err("an output that is no tensor".to_owned());
    };
    let kind = dtype(*ty).ok_or_else(|| format!("an output of {ty:?}"))?;
    match kind {
        DType::F32 => copied(value, kind, |v: &f32| v.to_le_bytes()),
        DType::F16 => copied(value, kind, |v: &half::f16| v.to_le_bytes()),
        DType::F64 => copied(value, kind, |v: &f64| v.to_le_bytes()),
        DType::I8 => copied(value, kind, |v: &i8| v.to_le_bytes()),
        DType::U8 => copied(value, kind, |v: &u8| [*v]),
        DType::I16 => copied(value, kind, |v: &i16| v.to_le_bytes()),
        DType::U16 => copied(value, kind, |v: &u16| v.to_le_bytes()),
        DType::I32 => copied(value, kind, |v: &i32| v.to_le_bytes()),
        DType::U32 => copied(value, kind, |v: &u32| v.to_le_bytes()),
        DType::I64 => copied(value, kind, |v: &i64| v.to_le_bytes()),
        DType::U64 => copied(value, kind, |v: &u64| v.to_le_bytes()),
        DType::Bool => copied(value, kind, |v: &bool| [u8::from(*v)]),
    }
}
