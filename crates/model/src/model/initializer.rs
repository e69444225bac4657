//! Makes a [`Tensor`] of ONNX's message, wherever the message has put the
//! elements.

use bytes::Bytes;

use super::{Limits, ModelError, Resolver};
use crate::onnx::{TensorProto, tensor_proto::DataLocation, type_name, typed_data};
use crate::tensor::{DType, Tensor, byte_len};

/// ONNX's number of bfloat16.
const BFLOAT16: i32 = 16;

/// Reads `proto`, called `name` in messages. Bytes held by the message or
/// given by `resolver` are shared, not copied.
pub(super) fn read(
    name: &str,
    proto: TensorProto,
    limits: &Limits,
    resolver: &mut Option<Resolver<'_>>,
) -> Result<Tensor, ModelError> {
    let form = |what: String| ModelError::InitializerForm { name: name.to_owned(), what };
    if proto.segment.is_some() {
        return Err(form("segments are not supported".to_owned()));
    }
    let number = proto.data_type();
    // bfloat16 has the size of f16, and is read in its place.
    let dtype = DType::from_onnx(if number == BFLOAT16 { DType::F16.onnx() } else { number })
        .ok_or_else(|| form(format!("element type {} is not supported", type_name(number))))?;
    let mut shape = Vec::with_capacity(proto.dims.len().min(limits.rank));
    for &dim in &proto.dims {
        shape.push(usize::try_from(dim).map_err(|_| form(format!("dimension {dim}")))?);
    }
    let length = byte_len(dtype, &shape).filter(|_| limits.admit(&shape));
    let Some(length) = length else {
        return Err(form(format!("shape {shape:?} is beyond the limits")));
    };
    let data = if proto.data_location() == DataLocation::External {
        external(name, &proto, length as u64, resolver)?
    } else if let Some(raw) = proto.raw_data {
        raw
    } else {
        typed_data(dtype, &proto)
            .ok_or_else(|| form(format!("a value does not fit element type {dtype}")))?
    };
    let wrap = |why| ModelError::Initializer { name: name.to_owned(), why };
    let tensor = Tensor::new(dtype, shape, data).map_err(wrap)?;
    if dtype != DType::F16 {
        return Ok(tensor);
    }
    // Half floats are computed as f32.
    let wide = |bits: &[u8; 2]| match number {
        BFLOAT16 => half::bf16::from_le_bytes(*bits).to_f32().to_le_bytes(),
        _ => half::f16::from_le_bytes(*bits).to_f32().to_le_bytes(),
    };
    let data: Vec<u8> = tensor.data().as_chunks::<2>().0.iter().flat_map(wide).collect();
    Tensor::new(DType::F32, tensor.shape().to_vec(), data.into()).map_err(wrap)
}

fn external(
    name: &str,
    proto: &TensorProto,
    length: u64,
    resolver: &mut Option<Resolver<'_>>,
) -> Result<Bytes, ModelError> {
    let form = |what: String| ModelError::InitializerForm { name: name.to_owned(), what };
    let entry = |key: &str| proto.external_data.iter().find(|e| e.key() == key).map(|e| e.value());
    let number = |key: &str| match entry(key) {
        None => Ok(None),
        Some(text) => match text.parse::<u64>() {
            Ok(n) => Ok(Some(n)),
            Err(_) => Err(form(format!("external data has the {key} {text:?}"))),
        },
    };
    let location = entry("location").unwrap_or("").to_owned();
    let plain = |part: &str| !matches!(part, "" | "..") && !part.contains(['\\', ':', '\0']);
    if !location.split('/').all(plain) {
        return Err(form(format!("external data lies at {location:?}, not beside the model")));
    }
    let offset = number("offset")?.unwrap_or(0);
    let declared = number("length")?.unwrap_or(length);
    if declared != length {
        return Err(form(format!("external data has {declared} bytes, shape needs {length}")));
    }
    let Some(resolve) = resolver else {
        return Err(ModelError::External { name: name.to_owned(), location });
    };
    resolve(&location, offset, length).map_err(|why| ModelError::ExternalRead {
        name: name.to_owned(),
        location,
        why,
    })
}
