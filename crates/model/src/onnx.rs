//! ONNX's protobuf messages, and the few helpers to read and write them.
//!
//! The types are generated; `proto/README.md` says how.

#[allow(missing_docs, clippy::all, rustdoc::all)]
#[rustfmt::skip]
mod generated;

use bytes::Bytes;
pub use generated::*;

use crate::tensor::DType;

/// From this version of the format on, initializers are not inputs as well.
pub(crate) const IR_MIN: i64 = 4;

/// A model of ONNX's own operators at this opset.
pub fn model(graph: GraphProto, opset: i64) -> ModelProto {
    ModelProto {
        ir_version: Some(8),
        opset_import: vec![OperatorSetIdProto {
            domain: Some(String::new()),
            version: Some(opset),
        }],
        graph: Some(graph),
        ..Default::default()
    }
}

/// A node without attributes.
pub(crate) fn node<I: AsRef<str>, O: AsRef<str>>(
    name: &str,
    op: &str,
    inputs: &[I],
    outputs: &[O],
) -> NodeProto {
    NodeProto {
        name: Some(name.to_owned()),
        op_type: Some(op.to_owned()),
        input: inputs.iter().map(|input| input.as_ref().to_owned()).collect(),
        output: outputs.iter().map(|output| output.as_ref().to_owned()).collect(),
        ..Default::default()
    }
}

/// An attribute holding one integer.
pub fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(attribute_proto::AttributeType::Int as i32),
        i: Some(value),
        ..Default::default()
    }
}

/// An attribute holding a list of integers.
pub fn ints_attribute(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(attribute_proto::AttributeType::Ints as i32),
        ints: values.to_vec(),
        ..Default::default()
    }
}

/// An attribute holding one float.
pub fn float_attribute(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(attribute_proto::AttributeType::Float as i32),
        f: Some(value),
        ..Default::default()
    }
}

/// An attribute holding a text.
pub fn text_attribute(name: &str, value: &str) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(attribute_proto::AttributeType::String as i32),
        s: Some(Bytes::copy_from_slice(value.as_bytes())),
        ..Default::default()
    }
}

/// A named tensor type with a full shape.
pub fn value_info(name: &str, dtype: DType, shape: &[usize]) -> ValueInfoProto {
    use tensor_shape_proto::{Dimension, dimension::Value};
    let dim = shape
        .iter()
        .map(|&d| Dimension { denotation: None, value: Some(Value::DimValue(d as i64)) })
        .collect();
    let tensor =
        type_proto::Tensor { elem_type: Some(dtype.onnx()), shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto {
            denotation: None,
            value: Some(type_proto::Value::TensorType(tensor)),
        }),
        ..Default::default()
    }
}

/// A tensor whose bytes are in the message.
pub fn inline_tensor(name: &str, dtype: DType, shape: &[usize], data: Bytes) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(dtype.onnx()),
        dims: shape.iter().map(|&d| d as i64).collect(),
        raw_data: Some(data),
        ..Default::default()
    }
}

/// A tensor whose bytes are in the file `location`, beside the model.
pub(crate) fn external_tensor(
    name: &str,
    dtype: DType,
    shape: &[usize],
    location: &str,
    offset: u64,
    length: u64,
) -> TensorProto {
    let entry = |key: &str, value: String| StringStringEntryProto {
        key: Some(key.to_owned()),
        value: Some(value),
    };
    TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(dtype.onnx()),
        dims: shape.iter().map(|&d| d as i64).collect(),
        data_location: Some(tensor_proto::DataLocation::External as i32),
        external_data: vec![
            entry("location", location.to_owned()),
            entry("offset", offset.to_string()),
            entry("length", length.to_string()),
        ],
        ..Default::default()
    }
}

/// The name of an element type in the format's description; its number where it
/// has none.
pub(crate) fn type_name(number: i32) -> String {
    match tensor_proto::DataType::try_from(number) {
        Ok(known) => known.as_str_name().to_lowercase(),
        Err(_) => number.to_string(),
    }
}

/// A tensor's elements where they are in fields of their own type instead of
/// raw bytes; `None` where one does not fit.
pub(crate) fn typed_data(dtype: DType, proto: &TensorProto) -> Option<Bytes> {
    fn pack<T: Copy, const N: usize>(
        values: &[T],
        f: impl Fn(T) -> Option<[u8; N]>,
    ) -> Option<Bytes> {
        let mut data = Vec::with_capacity(values.len() * N);
        for &v in values {
            data.extend(f(v)?);
        }
        Some(data.into())
    }
    let int32 = &proto.int32_data;
    match dtype {
        DType::F32 => pack(&proto.float_data, |v| Some(v.to_le_bytes())),
        DType::F64 => pack(&proto.double_data, |v| Some(v.to_le_bytes())),
        DType::U64 => pack(&proto.uint64_data, |v| Some(v.to_le_bytes())),
        DType::U32 => pack(&proto.uint64_data, |v| Some(u32::try_from(v).ok()?.to_le_bytes())),
        DType::I64 => pack(&proto.int64_data, |v| Some(v.to_le_bytes())),
        DType::I32 => pack(int32, |v| Some(v.to_le_bytes())),
        DType::I16 => pack(int32, |v| Some(i16::try_from(v).ok()?.to_le_bytes())),
        DType::U16 => pack(int32, |v| Some(u16::try_from(v).ok()?.to_le_bytes())),
        DType::I8 => pack(int32, |v| Some(i8::try_from(v).ok()?.to_le_bytes())),
        DType::U8 => pack(int32, |v| Some([u8::try_from(v).ok()?])),
        DType::Bool => pack(int32, |v| Some([u8::from(v != 0)])),
        // The bits of each half float, in the low half of an int32.
        DType::F16 => pack(int32, |v| Some(u16::try_from(v).ok()?.to_le_bytes())),
    }
}
