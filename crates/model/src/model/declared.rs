//! What a file says of the types of its values.

use std::collections::BTreeMap;

use super::{Limits, ModelError, describe};
use crate::graph::{Node, ValueType};
use crate::onnx::{GraphProto, TypeProto, tensor_shape_proto, type_name, type_proto};
use crate::tensor::DType;

/// A shape as declared: `None` for a dimension left open.
pub(super) type Declared = (DType, Option<Vec<Option<usize>>>);

/// `1, ?, 4`: a declared shape, "?" for what it leaves open.
pub(super) fn show(declared: Option<&[Option<usize>]>) -> String {
    let dim = |d: &Option<usize>| d.map_or("?".to_owned(), |d| d.to_string());
    declared.map_or("?".to_owned(), |d| d.iter().map(dim).collect::<Vec<_>>().join(", "))
}

pub(super) fn fits(declared: &[Option<usize>], shape: &[usize]) -> bool {
    declared.len() == shape.len()
        && declared.iter().zip(shape).all(|(d, &s)| d.is_none_or(|d| d == s))
}

pub(super) fn read_type(name: &str, proto: Option<&TypeProto>) -> Result<Declared, ModelError> {
    let refuse = |got: String| ModelError::Type { value: name.to_owned(), got };
    let tensor = match proto.and_then(|t| t.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => tensor,
        Some(_) => return Err(refuse("other than a tensor's".to_owned())),
        None => return Err(refuse("left open".to_owned())),
    };
    let dtype = DType::from_onnx(tensor.elem_type())
        .ok_or_else(|| refuse(type_name(tensor.elem_type())))?;
    let dim = |d: &tensor_shape_proto::Dimension| match d.value {
        // Some writers put 0 or -1 where a dimension is open.
        Some(tensor_shape_proto::dimension::Value::DimValue(v)) if v > 0 => usize::try_from(v).ok(),
        _ => None,
    };
    let shape = tensor.shape.as_ref().map(|s| s.dim.iter().map(dim).collect());
    Ok((dtype, shape))
}

/// The types that the file declares for values made by nodes. Unsupported ones
/// are left out: they only matter for operators that are not known.
pub(super) fn declared(proto: &GraphProto) -> Result<BTreeMap<String, Declared>, ModelError> {
    let mut declared = BTreeMap::new();
    for info in &proto.value_info {
        if let Ok((dtype, shape)) = read_type(info.name(), info.r#type.as_ref()) {
            // Half floats are computed as f32.
            let dtype = if dtype == DType::F16 { DType::F32 } else { dtype };
            declared.insert(info.name().to_owned(), (dtype, shape));
        }
    }
    for info in &proto.output {
        if let Ok(value) = read_type(info.name(), info.r#type.as_ref()) {
            declared.insert(info.name().to_owned(), value);
        }
    }
    Ok(declared)
}

/// Types of what a node makes, as the file has them.
pub(super) fn declared_types(
    node: &Node,
    declared: &BTreeMap<String, Declared>,
) -> Result<Vec<ValueType>, ModelError> {
    let mut types = Vec::new();
    for output in &node.outputs {
        let full = declared.get(output).and_then(|(dtype, dims)| {
            let shape = dims.as_ref()?.iter().copied().collect::<Option<Vec<_>>>()?;
            Some(ValueType { dtype: *dtype, shape })
        });
        match full {
            Some(value) => types.push(value),
            // An output left out needs no type.
            None if output.is_empty() => {
                types.push(ValueType { dtype: DType::F32, shape: Vec::new() });
            }
            None => {
                let op = match node.domain.as_str() {
                    "" => node.op.clone(),
                    domain => format!("{domain}.{}", node.op),
                };
                let (node, value) = (node.name.clone(), output.clone());
                return Err(ModelError::UnknownOp { node, op, value });
            }
        }
    }
    Ok(types)
}

/// Does a type fit what the file says, and the limits?
pub(super) fn check(
    name: &str,
    value: &ValueType,
    declared: &BTreeMap<String, Declared>,
    limits: &Limits,
) -> Result<(), ModelError> {
    if !limits.admit(&value.shape) {
        return Err(ModelError::Shape { value: name.to_owned(), shape: value.shape.clone() });
    }
    let Some((dtype, dims)) = declared.get(name) else { return Ok(()) };
    let same = *dtype == value.dtype && dims.as_ref().is_none_or(|d| fits(d, &value.shape));
    if same {
        return Ok(());
    }
    Err(ModelError::Contradiction {
        value: name.to_owned(),
        declared: format!("{dtype} [{}]", show(dims.as_deref())),
        inferred: describe(value.dtype, &value.shape),
    })
}
