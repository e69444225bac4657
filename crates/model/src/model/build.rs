//! Makes a [`Model`] of a decoded ONNX message.

use std::collections::{BTreeMap, BTreeSet};

use super::initializer;
use super::{Limits, Model, ModelError, OPSET_MAX, OPSET_MIN, ReadOptions, Resolver, describe};
use crate::batch_norm;
use crate::fold::{self, Folded};
use crate::graph::{self, Graph, GraphError, Node, NodeError, ValueType};
use crate::lower;
use crate::onnx::{
    GraphProto, ModelProto, NodeProto, TypeProto, ValueInfoProto, tensor_shape_proto, type_proto,
};
use crate::operator::{self, TypedNode};
use crate::tensor::{DType, Tensor};

/// A shape as declared: `None` for a dimension left open.
type Declared = (DType, Option<Vec<Option<usize>>>);

pub(super) fn build(
    proto: ModelProto,
    options: &ReadOptions,
    mut resolver: Option<Resolver<'_>>,
) -> Result<Model, ModelError> {
    let limits = &options.limits;
    let opsets = opsets(&proto)?;
    let opset = opsets.get("").copied().unwrap_or(OPSET_MIN);
    if !proto.functions.is_empty() {
        return Err(ModelError::Unsupported { what: "model-local functions", at: String::new() });
    }
    let ir_version = proto.ir_version();
    let mut proto = proto.graph.ok_or(ModelError::Absent { what: "graph" })?;
    count(&proto, limits)?;
    let mut graph = Graph { name: proto.name().to_owned(), ..Graph::default() };
    for tensor in std::mem::take(&mut proto.initializer) {
        let name = tensor.name().to_owned();
        let tensor = initializer::read(&name, tensor, limits, &mut resolver)?;
        add_initializer(&mut graph, name, tensor)?;
    }
    let mut nodes = Vec::with_capacity(proto.node.len());
    let mut names = BTreeSet::new();
    for (index, node) in std::mem::take(&mut proto.node).into_iter().enumerate() {
        let node = read_node(node, index, &mut names)?;
        match constant(&node, limits, &mut resolver)? {
            Some((name, tensor)) => add_initializer(&mut graph, name, tensor)?,
            None => nodes.push(node),
        }
    }
    read_inputs(&mut graph, &proto.input, options)?;
    let known = graph.types.keys().map(String::as_str).collect();
    graph.nodes = graph::sort(nodes, &known)?;
    read_outputs(&mut graph, &proto.output)?;
    graph.prune();
    let declared = declared(&proto)?;
    infer(&mut graph, opset, &declared, limits)?;
    batch_norm::fold(&mut graph);
    lower::lower(&mut graph, opset, limits);
    graph.prune();
    Ok(Model { graph, ir_version, opset, opsets })
}

fn opsets(proto: &ModelProto) -> Result<BTreeMap<String, i64>, ModelError> {
    let mut opsets = BTreeMap::new();
    for import in &proto.opset_import {
        let domain = match import.domain() {
            "ai.onnx" => "",
            other => other,
        };
        opsets.insert(domain.to_owned(), import.version());
    }
    match opsets.get("") {
        None => Err(ModelError::Absent { what: "opset version" }),
        Some(&got) if !(OPSET_MIN..=OPSET_MAX).contains(&got) => {
            Err(ModelError::Opset { got, min: OPSET_MIN, max: OPSET_MAX })
        }
        Some(_) => Ok(opsets),
    }
}

fn count(graph: &GraphProto, limits: &Limits) -> Result<(), ModelError> {
    let counts = [
        ("nodes", graph.node.len()),
        ("initializers", graph.initializer.len()),
        ("inputs", graph.input.len()),
        ("outputs", graph.output.len()),
        ("value infos", graph.value_info.len()),
    ];
    for (what, got) in counts {
        if got > limits.nodes {
            return Err(ModelError::TooMany { what, got, limit: limits.nodes });
        }
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(ModelError::Unsupported { what: "sparse initializers", at: String::new() });
    }
    Ok(())
}

fn add_initializer(graph: &mut Graph, name: String, tensor: Tensor) -> Result<(), ModelError> {
    let value = ValueType { dtype: tensor.dtype(), shape: tensor.shape().to_vec() };
    if name.is_empty() || graph.types.insert(name.clone(), value).is_some() {
        return Err(GraphError::Duplicate { value: name }.into());
    }
    graph.initializers.insert(name, tensor);
    Ok(())
}

fn read_node(
    proto: NodeProto,
    index: usize,
    names: &mut BTreeSet<String>,
) -> Result<Node, ModelError> {
    let op = proto.op_type().to_owned();
    let mut name = match proto.name() {
        "" => format!("{}_{index}", op.to_lowercase()),
        given => given.to_owned(),
    };
    while !names.insert(name.clone()) {
        name = format!("{name}_{index}");
    }
    let refuse = |what| Err(ModelError::Unsupported { what, at: format!(" (node {name})") });
    let mut seen = BTreeSet::new();
    for a in &proto.attribute {
        if a.g.is_some() || !a.graphs.is_empty() {
            return refuse("subgraphs");
        }
        if a.sparse_tensor.is_some() || !a.sparse_tensors.is_empty() {
            return refuse("sparse tensors");
        }
        if !a.ref_attr_name().is_empty() {
            return refuse("references to attributes");
        }
        if !seen.insert(a.name().to_owned()) {
            return refuse("attributes given twice");
        }
    }
    let domain = proto.domain().to_owned();
    let NodeProto { input: inputs, output: outputs, attribute: attributes, .. } = proto;
    Ok(Node { name, op, domain, inputs, outputs, attributes })
}

/// Name and tensor of a `Constant` node.
fn constant(
    node: &Node,
    limits: &Limits,
    resolver: &mut Option<Resolver<'_>>,
) -> Result<Option<(String, Tensor)>, ModelError> {
    if node.op != "Constant" || !node.is_standard() {
        return Ok(None);
    }
    let refuse = |what: String| ModelError::InitializerForm { name: node.name.clone(), what };
    let ([output], [attribute]) = (node.outputs.as_slice(), node.attributes.as_slice()) else {
        return Err(refuse("a constant has one output and one attribute".to_owned()));
    };
    let list = |n: usize| vec![n];
    let made = match attribute.name() {
        "value" => {
            let Some(tensor) = attribute.t.clone() else {
                return Err(refuse("the constant's tensor is missing".to_owned()));
            };
            return Ok(Some((
                output.clone(),
                initializer::read(output, tensor, limits, resolver)?,
            )));
        }
        "value_float" => Tensor::from_f32(Vec::new(), &[attribute.f()]),
        "value_floats" => Tensor::from_f32(list(attribute.floats.len()), &attribute.floats),
        "value_int" => Tensor::from_i64(Vec::new(), &[attribute.i()]),
        "value_ints" => Tensor::from_i64(list(attribute.ints.len()), &attribute.ints),
        other => return Err(refuse(format!("a constant with the attribute {other}"))),
    };
    let tensor = made.map_err(|why| ModelError::Initializer { name: output.clone(), why })?;
    Ok(Some((output.clone(), tensor)))
}

fn read_inputs(
    graph: &mut Graph,
    inputs: &[ValueInfoProto],
    options: &ReadOptions,
) -> Result<(), ModelError> {
    let mut names = BTreeSet::new();
    for input in inputs {
        let name = input.name().to_owned();
        if name.is_empty() || !names.insert(name.clone()) {
            return Err(GraphError::Duplicate { value: name }.into());
        }
        // Old files list every initializer as an input, too.
        if graph.initializers.contains_key(&name) {
            continue;
        }
        let value = input_type(input, options)?;
        if !options.limits.admit(&value.shape) || value.shape.contains(&0) {
            return Err(ModelError::Shape { value: name, shape: value.shape });
        }
        graph.types.insert(name.clone(), value);
        graph.inputs.push(name);
    }
    for (input, given) in &options.input_shapes {
        if !graph.inputs.contains(input) {
            let (input, given) = (input.clone(), given.clone());
            return Err(ModelError::GivenShape { input, given, shape: "no such input".to_owned() });
        }
    }
    Ok(())
}

fn input_type(input: &ValueInfoProto, options: &ReadOptions) -> Result<ValueType, ModelError> {
    let name = input.name();
    let (dtype, declared) = read_type(name, input.r#type.as_ref())?;
    let shown = || show(declared.as_deref());
    if let Some(given) = options.input_shapes.get(name) {
        let fits = declared.as_ref().is_none_or(|dims| fits(dims, given));
        if !fits {
            let (input, given) = (name.to_owned(), given.clone());
            return Err(ModelError::GivenShape { input, given, shape: shown() });
        }
        return Ok(ValueType { dtype, shape: given.clone() });
    }
    let shape = declared.as_ref().and_then(|dims| {
        let batch = |(i, d): (usize, &Option<usize>)| if i == 0 { d.or(Some(1)) } else { *d };
        dims.iter().enumerate().map(batch).collect::<Option<Vec<_>>>()
    });
    match shape {
        Some(shape) => Ok(ValueType { dtype, shape }),
        None => Err(ModelError::OpenShape { input: name.to_owned(), shape: shown() }),
    }
}

/// `1, ?, 4`: a declared shape, "?" for what it leaves open.
fn show(declared: Option<&[Option<usize>]>) -> String {
    let dim = |d: &Option<usize>| d.map_or("?".to_owned(), |d| d.to_string());
    declared.map_or("?".to_owned(), |d| d.iter().map(dim).collect::<Vec<_>>().join(", "))
}

fn fits(declared: &[Option<usize>], shape: &[usize]) -> bool {
    declared.len() == shape.len()
        && declared.iter().zip(shape).all(|(d, &s)| d.is_none_or(|d| d == s))
}

fn read_type(name: &str, proto: Option<&TypeProto>) -> Result<Declared, ModelError> {
    let refuse = |got: String| ModelError::Type { value: name.to_owned(), got };
    let tensor = match proto.and_then(|t| t.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => tensor,
        Some(_) => return Err(refuse("other than a tensor's".to_owned())),
        None => return Err(refuse("left open".to_owned())),
    };
    let dtype = DType::from_onnx(tensor.elem_type())
        .ok_or_else(|| refuse(tensor.elem_type().to_string()))?;
    let dim = |d: &tensor_shape_proto::Dimension| match d.value {
        // Some writers put 0 or -1 where a dimension is open.
        Some(tensor_shape_proto::dimension::Value::DimValue(v)) if v > 0 => usize::try_from(v).ok(),
        _ => None,
    };
    let shape = tensor.shape.as_ref().map(|s| s.dim.iter().map(dim).collect());
    Ok((dtype, shape))
}

fn read_outputs(graph: &mut Graph, outputs: &[ValueInfoProto]) -> Result<(), ModelError> {
    if outputs.is_empty() {
        return Err(ModelError::Absent { what: "output" });
    }
    let mut seen = BTreeSet::new();
    for output in outputs {
        let value = output.name().to_owned();
        if !seen.insert(value.clone()) {
            return Err(GraphError::Duplicate { value }.into());
        }
        graph.outputs.push(value);
    }
    let producers = graph.producers();
    for value in &graph.outputs {
        if !producers.contains_key(value.as_str()) && !graph.types.contains_key(value) {
            let reader = "the graph's output".to_owned();
            return Err(GraphError::Missing { reader, value: value.clone() }.into());
        }
    }
    Ok(())
}

/// The types that the file declares for values made by nodes. Unsupported ones
/// are left out: they only matter for operators that are not known.
fn declared(proto: &GraphProto) -> Result<BTreeMap<String, Declared>, ModelError> {
    let mut declared = BTreeMap::new();
    for info in proto.value_info.iter().chain(&proto.output) {
        if let Ok(value) = read_type(info.name(), info.r#type.as_ref()) {
            declared.insert(info.name().to_owned(), value);
        }
    }
    Ok(declared)
}

/// Gives every value a type, and computes nodes whose inputs are constant.
fn infer(
    graph: &mut Graph,
    opset: i64,
    declared: &BTreeMap<String, Declared>,
    limits: &Limits,
) -> Result<(), ModelError> {
    for node in std::mem::take(&mut graph.nodes) {
        let at =
            |why: NodeError| ModelError::Node { node: node.name.clone(), op: node.op.clone(), why };
        let op = TypedNode::new(&node, graph, opset, limits);
        let types = match operator::infer(&op).map_err(at)? {
            Some(types) => types,
            None => declared_types(&node, declared)?,
        };
        for (i, output) in node.outputs.iter().enumerate().filter(|(_, o)| !o.is_empty()) {
            let Some(value) = types.get(i) else {
                return Err(at(NodeError::Unsupported { what: format!("output {i}") }));
            };
            check(output, value, declared, limits)?;
        }
        let folded = match types.as_slice() {
            [only] => {
                let first = node.input(0).and_then(|v| graph.scaled.get(v));
                fold::fold(&op, first, only).map_err(at)?
            }
            _ => None,
        };
        for (output, value) in node.outputs.iter().zip(types).filter(|(o, _)| !o.is_empty()) {
            if folded.is_none() && value.shape.contains(&0) {
                return Err(ModelError::Shape { value: output.clone(), shape: value.shape });
            }
            graph.types.insert(output.clone(), value);
        }
        match (folded, node.outputs.first()) {
            (Some(Folded::Plain(tensor)), Some(output)) => {
                graph.initializers.insert(output.clone(), tensor);
            }
            (Some(Folded::Scaled(scaled)), Some(output)) => {
                graph.scaled.insert(output.clone(), scaled);
            }
            _ => graph.nodes.push(node),
        }
    }
    Ok(())
}

fn declared_types(
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

fn check(
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
