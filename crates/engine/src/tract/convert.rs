//! Tensors to tract's and back.
//!
//! Inwards the bytes are copied once, into tract's alignment. Outwards they
//! are not copied: the tensor keeps tract's value alive and looks into it.

use bytes::Bytes;
use quorate_model::tensor::{DType, Tensor};
use tract_onnx::prelude::*;

use crate::{EngineError, Port};

// A `Tensor` is little-endian and its bytes are handed over as they are.
const _: () = assert!(cfg!(target_endian = "little"), "big-endian machines are not supported");

/// tract's name for an element type.
pub(super) fn datum_type(dtype: DType) -> DatumType {
    match dtype {
        DType::F32 => DatumType::F32,
        DType::F16 => DatumType::F16,
        DType::F64 => DatumType::F64,
        DType::I8 => DatumType::I8,
        DType::U8 => DatumType::U8,
        DType::I16 => DatumType::I16,
        DType::U16 => DatumType::U16,
        DType::I32 => DatumType::I32,
        DType::U32 => DatumType::U32,
        DType::I64 => DatumType::I64,
        DType::U64 => DatumType::U64,
        DType::Bool => DatumType::Bool,
    }
}

/// The element type behind tract's name; `None` for those not supported.
pub(super) fn dtype(datum_type: DatumType) -> Option<DType> {
    Some(match datum_type.unquantized() {
        DatumType::F32 => DType::F32,
        DatumType::F16 => DType::F16,
        DatumType::F64 => DType::F64,
        DatumType::I8 => DType::I8,
        DatumType::U8 => DType::U8,
        DatumType::I16 => DType::I16,
        DatumType::U16 => DType::U16,
        DatumType::I32 => DType::I32,
        DatumType::U32 => DType::U32,
        DatumType::U64 => DType::U64,
        // Shapes that are computed in the graph; all are numbers by the time
        // they come out.
        DatumType::I64 | DatumType::TDim => DType::I64,
        DatumType::Bool => DType::Bool,
        _ => return None,
    })
}

/// Copies `tensor` into one of tract's.
pub(super) fn to_tract(tensor: &Tensor) -> TractResult<tract_onnx::prelude::Tensor> {
    // A Rust `bool` may only be 0 or 1; the bytes may have come from anywhere.
    let truths: Vec<u8>;
    let bytes = if tensor.dtype() == DType::Bool {
        truths = tensor.data().iter().map(|&b| u8::from(b != 0)).collect();
        &truths[..]
    } else {
        &tensor.data()[..]
    };
    // SAFETY: every bit pattern is a value of the number types, the bytes of
    // truth values are 0 or 1, and tract checks the length against the shape.
    unsafe {
        tract_onnx::prelude::Tensor::from_raw_dt(datum_type(tensor.dtype()), tensor.shape(), bytes)
    }
}

/// Makes tract's `value` the tensor that leaves at `port`.
pub(super) fn from_tract(port: &Port, value: TValue) -> Result<Tensor, EngineError> {
    let mismatch = |got: String| EngineError::Output {
        port: port.name.clone(),
        got,
        expected: format!("{} {:?}", port.dtype, port.shape),
    };
    let value = plain(value).map_err(|e| mismatch(format!("{e:#}")))?;
    let (got, shape) = (value.datum_type(), value.shape());
    if dtype(got) != Some(port.dtype) || shape != port.shape || !value.is_plain_ram() {
        return Err(mismatch(format!("{got:?} {shape:?}")));
    }
    let bytes = Bytes::from_owner(Held(value));
    Tensor::new(port.dtype, port.shape.clone(), bytes).map_err(|e| mismatch(e.to_string()))
}

/// The value in numbers, where tract has computed shapes in a form of its own.
pub(super) fn plain(value: TValue) -> TractResult<TValue> {
    if value.datum_type() != DatumType::TDim {
        return Ok(value);
    }
    Ok(value.cast_to::<i64>()?.into_owned().into_tvalue())
}

/// tract's value as an owner of bytes. Its storage must be plain.
struct Held(TValue);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_there_and_back() {
        use DType::*;
        for kind in [F32, F16, F64, I8, U8, I16, U16, I32, U32, I64, U64, Bool] {
            let data: Vec<u8> = (0..6 * kind.size()).map(|i| (i % 2) as u8).collect();
            let tensor = Tensor::new(kind, vec![2, 3], data.into()).unwrap();
            let port = Port { name: "x".into(), dtype: kind, shape: vec![2, 3] };
            let value = to_tract(&tensor).unwrap();
            assert_eq!(from_tract(&port, value.into()).unwrap(), tensor, "{kind}");
        }
    }

    #[test]
    fn any_byte_but_zero_is_true() {
        let tensor = Tensor::new(DType::Bool, vec![3], vec![0, 1, 0xff].into()).unwrap();
        let value = to_tract(&tensor).unwrap();
        assert_eq!(value.as_bytes(), [0, 1, 1]);
    }

    #[test]
    fn an_output_unlike_its_port_is_an_error() {
        let value = tract_onnx::prelude::Tensor::zero::<f32>(&[2, 2]).unwrap();
        let port = Port { name: "y".into(), dtype: DType::F32, shape: vec![4] };
        let error = from_tract(&port, value.into()).unwrap_err();
        assert_eq!(error.to_string(), "output y is F32 [2, 2], expected f32 [4]");
    }
}
