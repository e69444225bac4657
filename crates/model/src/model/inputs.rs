//! Reads the inputs of a graph: their types, and shapes without open dimensions.

use std::collections::BTreeSet;

use super::declared::{fits, read_type, show};
use super::{ModelError, ReadOptions};
use crate::graph::{Graph, GraphError, Node, ValueType};
use crate::onnx::{ValueInfoProto, tensor_shape_proto::dimension, type_proto};
use crate::operator::{self, Role};
use crate::tensor::Tensor;

/// What an open first dimension is called where it is a batch, beside names
/// that say nothing.
const BATCH: &[&str] = &["n", "b", "bs", "none", "batch", "?", "-1", "dynamic", "dyn"];

/// Adds the graph's inputs, but those that are initializers as well.
pub(super) fn read(
    graph: &mut Graph,
    inputs: &[ValueInfoProto],
    nodes: &[Node],
    options: &ReadOptions,
) -> Result<(), ModelError> {
    let (mut names, mut dims, mut fixed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for input in inputs {
        let name = input.name().to_owned();
        if name.is_empty() || !names.insert(name.clone()) {
            return Err(GraphError::Duplicate { value: name }.into());
        }
        // Old files list every initializer as an input, too.
        if graph.initializers.contains_key(&name) {
            continue;
        }
        dims.extend(symbols(input).into_iter().flatten().map(str::to_owned));
        let value = input_type(input, nodes, options)?;
        if !options.limits.admit(&value.shape) || value.shape.contains(&0) {
            return Err(ModelError::Shape { value: name, shape: value.shape });
        }
        if let Some(&number) = options.fixed.get(&name) {
            graph.fixed.insert(name.clone(), value.clone());
            let all = vec![number; value.elements() as usize];
            let tensor = Tensor::from_numbers(value.dtype, value.shape, &all);
            let wrap = |why| ModelError::Initializer { name: name.clone(), why };
            graph.add_constant(name.clone(), tensor.map_err(wrap)?);
            fixed.insert(name);
            continue;
        }
        graph.types.insert(name.clone(), value);
        graph.inputs.push(name);
    }
    if let Some(input) = options.fixed.keys().find(|name| !fixed.contains(*name)) {
        let shape = format!("no such input, there are {}", graph.inputs.join(", "));
        return Err(ModelError::GivenShape { input: input.clone(), given: Vec::new(), shape });
    }
    if let Some(name) = options.dims.keys().find(|name| !dims.contains(*name)) {
        let known = dims.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        return Err(ModelError::NoDim { name: name.clone(), known });
    }
    for (input, given) in &options.input_shapes {
        if !graph.inputs.contains(input) {
            let (input, given) = (input.clone(), given.clone());
            let shape = format!("no such input, there are {}", graph.inputs.join(", "));
            return Err(ModelError::GivenShape { input, given, shape });
        }
    }
    Ok(())
}

/// The names of an input's dimensions; `None` for one without.
fn symbols(input: &ValueInfoProto) -> Vec<Option<&str>> {
    let Some(type_proto::Value::TensorType(tensor)) =
        input.r#type.as_ref().and_then(|t| t.value.as_ref())
    else {
        return Vec::new();
    };
    let dims = tensor.shape.as_ref().map(|shape| shape.dim.as_slice()).unwrap_or_default();
    dims.iter()
        .map(|d| match &d.value {
            Some(dimension::Value::DimParam(name)) if !name.is_empty() => Some(name.as_str()),
            _ => None,
        })
        .collect()
}

fn input_type(
    input: &ValueInfoProto,
    nodes: &[Node],
    options: &ReadOptions,
) -> Result<ValueType, ModelError> {
    let name = input.name();
    let (dtype, declared) = read_type(name, input.r#type.as_ref())?;
    let symbols = symbols(input);
    let named = |d: usize| symbols.get(d).copied().flatten();
    if let Some(given) = options.input_shapes.get(name) {
        let fits = declared.as_ref().is_none_or(|dims| fits(dims, given));
        if !fits {
            let (input, given) = (name.to_owned(), given.clone());
            let shape = show(declared.as_deref());
            return Err(ModelError::GivenShape { input, given, shape });
        }
        return Ok(ValueType { dtype, shape: given.clone() });
    }
    let known =
        |d: usize, length: Option<usize>| length.or_else(|| options.dims.get(named(d)?).copied());
    let known: Option<Vec<Option<usize>>> =
        declared.map(|dims| dims.into_iter().enumerate().map(|(d, l)| known(d, l)).collect());
    let alone = known.as_ref().is_some_and(|dims| dims.len() == 1);
    let time = time(name, named(0), alone, nodes);
    let batch = |(d, length): (usize, &Option<usize>)| match length {
        None if d == 0 && time.is_none() => Some(1),
        length => *length,
    };
    let shape = known.as_ref().and_then(|dims| dims.iter().enumerate().map(batch).collect());
    if let Some(shape) = shape {
        return Ok(ValueType { dtype, shape });
    }
    let open = known.as_ref().is_some_and(|dims| dims.first() == Some(&None));
    let word = |d: usize, length: &Option<usize>| match length {
        Some(length) => length.to_string(),
        None => named(d).unwrap_or("?").to_owned(),
    };
    let words = |first: Option<&str>| -> String {
        let dims = known.iter().flatten().enumerate();
        let each = dims.map(|(d, length)| match (d, first, length) {
            (0, Some(first), None) => first.to_owned(),
            _ => word(d, length),
        });
        each.collect::<Vec<_>>().join(",")
    };
    let shape = if known.is_none() { "?".to_owned() } else { words(None).replace(',', ", ") };
    let example = match known {
        None => "1,3,224,224".to_owned(),
        Some(_) => words(time.is_none().then_some("1")),
    };
    let why = time.filter(|_| open).unwrap_or("");
    Err(ModelError::OpenShape { input: name.to_owned(), shape, why, example })
}

/// Why an open first dimension, which may be `alone`, is no batch, if it is
/// none.
fn time(input: &str, symbol: Option<&str>, alone: bool, nodes: &[Node]) -> Option<&'static str> {
    let recurrent = nodes.iter().any(|node| {
        operator::role(node) == Role::Recurrent
            && node.input(0) == Some(input)
            && node.int("layout", 0) == Ok(0)
    });
    if recurrent {
        return Some(", whose first dimension is the time of a recurrent node");
    }
    let symbol = symbol?.to_lowercase();
    let silent = symbol.starts_with("unk") || symbol.starts_with("dynamic_axes");
    let batch = silent || symbol.contains("batch") || BATCH.contains(&symbol.as_str());
    let other = ["time", "seq", "len", "frame", "step", "token", "width", "height", "sample"];
    let says = alone || symbol == "t" || other.iter().any(|word| symbol.contains(word));
    (says && !batch).then_some(", whose first dimension is no batch by its name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_a_batch_and_others() {
        for name in
            ["N", "batch_size", "batch", "unk__12", "dynamic_axes_1", "p2o.DynamicDimension.0"]
        {
            assert_eq!(time("x", Some(name), false, &[]), None, "{name}");
        }
        for name in ["T", "seq_len", "num_frames", "time"] {
            assert!(time("x", Some(name), false, &[]).is_some(), "{name}");
        }
        assert_eq!(time("x", None, false, &[]), None);
        // One dimension only: a list as long as its name says, or a batch.
        assert!(time("x", Some("L"), true, &[]).is_some());
        assert_eq!(time("x", Some("N"), true, &[]), None);
    }
}
