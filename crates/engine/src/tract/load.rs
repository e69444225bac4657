//! ONNX bytes to plans that tract can run, and the ports of the model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::type_proto::Value as Type;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, ValueInfoProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::dummy::Dummy;
use tract_onnx::tract_core::optim::{Optimizer, TypedPass};

use super::axes::ChangeAxes;
use super::weights::{self, Files};
use super::{NAME, convert, erf, extreme, pieces, reversed, stride};
use crate::unwind::unwind;
use crate::{EngineError, Port};

/// A model that is ready to run.
pub(super) struct Loaded {
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
    /// Its pieces, in their order.
    pub(super) pieces: Vec<Piece>,
    /// Values that go into and out of pieces: the model's inputs first.
    pub(super) values: usize,
    /// Those of them that are the model's outputs.
    pub(super) ends: Vec<usize>,
}

/// A part of a model.
pub(super) struct Piece {
    pub(super) plan: Arc<TypedSimplePlan>,
    /// The values that it reads, and whether nobody does after it.
    pub(super) takes: Vec<(usize, bool)>,
    /// The values that it makes.
    pub(super) gives: Vec<usize>,
}

/// Loads `bytes`; external data is looked up in `folder`. `model` is for
/// error messages.
pub(super) fn load(
    model: &str,
    bytes: &[u8],
    folder: Option<&Path>,
) -> Result<Loaded, EngineError> {
    let failed = |reason| EngineError::Load { engine: NAME, model: model.to_owned(), reason };
    let folder = match folder.map(|f| f.to_str().ok_or(f)) {
        None => None,
        Some(Ok(folder)) => Some(folder),
        Some(Err(f)) => return Err(failed(format!("folder {} is not UTF-8", f.display()))),
    };
    let reason = |e: TractError| failed(format!("{e:#}"));
    let (names, protos) = read(bytes).map_err(reason)?;
    let graphs = protos.iter().filter_map(|proto| proto.graph.as_ref());
    let files = Files::find(graphs, folder.map(Path::new)).map_err(reason)?;
    let mut values: BTreeMap<String, usize> = BTreeMap::new();
    names.inputs.iter().for_each(|name| number(&mut values, name));
    let (mut pieces, mut ports) = (Vec::new(), BTreeMap::new());
    let names_of = |proto| (ports_of(proto, true), ports_of(proto, false));
    let of_pieces: Vec<_> = protos.iter().map(names_of).collect();
    let source = Source { bytes, folder, files };
    for ((reads, makes), piece) in of_pieces.into_iter().zip(all_optimized(&source, protos)) {
        let optimized = piece.map_err(reason)?;
        for (name, outlet) in reads.iter().zip(&optimized.inputs) {
            if names.inputs.contains(name) && !ports.contains_key(name) {
                ports.insert(name.clone(), port(model, name.clone(), &optimized, *outlet)?);
            }
        }
        for (name, outlet) in makes.iter().zip(&optimized.outputs) {
            number(&mut values, name);
            if names.outputs.contains(name) {
                ports.insert(name.clone(), port(model, name.clone(), &optimized, *outlet)?);
            }
        }
        let places = |names: &[String]| names.iter().map(|name| values[name]).collect();
        let takes: Vec<usize> = places(&reads);
        let takes = takes.into_iter().map(|value| (value, false)).collect();
        let gives = places(&makes);
        let plan = optimized.into_runnable().map_err(reason)?;
        pieces.push(Piece { plan, takes, gives });
    }
    let ends: Vec<usize> = names.outputs.iter().map(|name| values[name]).collect();
    mark_last(&mut pieces, &ends);
    let listed = |names: &[String]| -> Vec<Port> {
        names.iter().filter_map(|name| ports.get(name).cloned()).collect()
    };
    let (inputs, outputs) = (listed(&names.inputs), listed(&names.outputs));
    Ok(Loaded { inputs, outputs, pieces, values: values.len(), ends })
}

/// Gives a value the next number, unless it has one.
fn number(values: &mut BTreeMap<String, usize>, name: &str) {
    let next = values.len();
    values.entry(name.to_owned()).or_insert(next);
}

/// Notes who reads each value last.
fn mark_last(pieces: &mut [Piece], ends: &[usize]) {
    let mut read: BTreeSet<usize> = ends.iter().copied().collect();
    for piece in pieces.iter_mut().rev() {
        for (value, is_last) in piece.takes.iter_mut().rev() {
            *is_last = read.insert(*value);
        }
    }
}

/// The names of a graph's inputs that are no constants, or of its outputs.
fn ports_of(proto: &ModelProto, inputs: bool) -> Vec<String> {
    let Some(graph) = &proto.graph else { return Vec::new() };
    let is_constant =
        |info: &ValueInfoProto| graph.initializer.iter().any(|tensor| tensor.name == info.name);
    let all = if inputs { &graph.input } else { &graph.output };
    all.iter().filter(|info| !inputs || !is_constant(info)).map(|info| info.name.clone()).collect()
}

/// Where pieces come from.
struct Source<'a> {
    bytes: &'a [u8],
    folder: Option<&'a str>,
    files: Files,
}

/// All pieces, ready to run. Where there are several, cores share them.
fn all_optimized(source: &Source<'_>, protos: Vec<ModelProto>) -> Vec<TractResult<TypedModel>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from).min(protos.len());
    if cores < 2 {
        let each = protos.into_iter().enumerate();
        return each.map(|(at, proto)| optimized(source, at, proto)).collect();
    }
    let mut left: Vec<(usize, ModelProto)> = protos.into_iter().enumerate().collect();
    // What takes longest is last, and so taken first.
    left.sort_by_key(|(_, proto)| proto.graph.as_ref().map_or(0, pieces::bytes));
    let left = Mutex::new(left);
    // The lock is held for the time of taking one.
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let load = |(at, proto)| {
        let loaded = unwind(|| optimized(source, at, proto));
        (at, loaded.unwrap_or_else(|words| Err(TractError::msg(words))))
    };
    let run = || std::iter::from_fn(next).map(load).collect::<Vec<_>>();
    let mut all: Vec<(usize, TractResult<TypedModel>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(run)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, piece)| piece).collect()
}

/// The pass that has several slices of one value made together: it may leave a
/// node in the graph that is none.
const SPLITS: &str = "PushSplitDown";
/// The pass that `axes` has another for.
const AXES: &str = "ChangeAxes";
/// Passes of tract's that a model runs without, if more slowly.
const OPTIONAL: [&str; 2] = [AXES, SPLITS];

/// The piece at place `at`, ready to run: without a pass that fails on it.
fn optimized(source: &Source<'_>, at: usize, proto: ModelProto) -> TractResult<TypedModel> {
    let mut model = typed(source, proto)?;
    let mut without: Vec<&str> = Vec::new();
    loop {
        let result = optimize(&mut model, &without);
        let failed = match &result {
            Ok(()) if model.nodes.iter().any(|node| node.op_is::<Dummy>()) => Some(SPLITS),
            Ok(()) => return Ok(model),
            Err(e) => OPTIONAL.into_iter().find(|pass| is_of_pass(e, pass)),
        };
        match failed {
            Some(pass) if !without.contains(&pass) => without.push(pass),
            _ => return result.map(|()| model),
        }
        let again = read(source.bytes)?.1.into_iter().nth(at);
        model = typed(source, again.ok_or_else(|| TractError::msg("a piece fewer than before"))?)?;
    }
}

/// Optimises a model but for some passes.
fn optimize(model: &mut TypedModel, without: &[&str]) -> TractResult<()> {
    for mut optimizer in [Optimizer::declutter(), Optimizer::codegen()] {
        let is = |pass: &dyn TypedPass, name: &str| format!("{pass:?}").starts_with(name);
        optimizer.passes.retain(|pass| !without.iter().any(|name| is(pass.as_ref(), name)));
        for pass in optimizer.passes.iter_mut().filter(|pass| is(pass.as_ref(), AXES)) {
            *pass = Box::new(ChangeAxes::default());
        }
        optimizer.optimize(model)?;
    }
    Ok(())
}

fn is_of_pass(error: &TractError, pass: &str) -> bool {
    let words = format!("running pass {pass}");
    error.chain().any(|cause| cause.to_string().starts_with(&words))
}

/// The names that the file gives its inputs and outputs; tract's own nodes may
/// bear others.
struct Names {
    inputs: Vec<String>,
    outputs: Vec<String>,
}

/// The model's ports, and its pieces.
fn read(bytes: &[u8]) -> TractResult<(Names, Vec<ModelProto>)> {
    let mut proto = tract_onnx::onnx().proto_model_for_read(&mut &*bytes)?;
    let names = prepare(&mut proto)?;
    let graph = proto.graph.take().unwrap_or_default();
    let model = |graph| ModelProto { graph: Some(graph), ..proto.clone() };
    Ok((names, pieces::cut(graph).into_iter().map(model).collect()))
}

fn typed(source: &Source<'_>, mut proto: ModelProto) -> TractResult<TypedModel> {
    let outside = proto.graph.as_mut().map(|graph| source.files.take(graph)).transpose()?;
    let mut parsed = tract_onnx::onnx().parse(&proto, source.folder)?;
    weights::put(outside.unwrap_or_default(), &mut parsed)?;
    // The weights are in `parsed` by now: do not keep them twice.
    drop(proto);
    if let Some(value) = parsed.unresolved_inputs.first() {
        return Err(TractError::msg(format!("value {value} is read but never made")));
    }
    let mut typed = parsed.model.into_typed()?;
    forget(&mut typed);
    erf::take(&mut typed);
    Ok(typed)
}

/// Makes recurrent nodes start every run from their initial state; by default
/// tract goes on where the run before ended.
fn forget(model: &mut TypedModel) {
    use tract_onnx::tract_core::ops::{gru_seq::GruSeq, scan::Scan};
    for node in &mut model.nodes {
        if let Some(scan) = node.op_as_mut::<Scan>() {
            scan.reset_every_turn = true;
        }
        if let Some(gru) = node.op_as_mut::<GruSeq>() {
            gru.reset_every_turn = true;
        }
    }
}

/// Makes a symbolic batch a batch of one and lists the ports' names.
fn prepare(proto: &mut ModelProto) -> TractResult<Names> {
    let Some(graph) = &mut proto.graph else {
        return Err(TractError::msg("no graph in it: not an ONNX model"));
    };
    // Files of IR version 3 and below declare each initializer as an input too.
    let declared: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let (mut inputs, mut pinned) = (Vec::new(), false);
    for input in graph.input.iter_mut().filter(|i| !declared.contains(i.name.as_str())) {
        pinned |= pin_batch(input)?;
        inputs.push(input.name.clone());
    }
    if pinned {
        // These still speak of the symbol, which would contradict the one.
        graph.value_info.clear();
    }
    stride::pick_entries(graph);
    let floats = floats(graph);
    extreme::mend(graph, &floats);
    reversed::mend(graph, &floats);
    let declared: BTreeSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let made = graph.node.iter().flat_map(|n| &n.output).map(String::as_str);
    let known: BTreeSet<&str> =
        made.chain(inputs.iter().map(String::as_str)).chain(declared).collect();
    let outputs: Vec<String> = graph.output.iter().map(|o| o.name.clone()).collect();
    if let Some(name) = outputs.iter().find(|name| !known.contains(name.as_str())) {
        return Err(TractError::msg(format!("output {name} is never made")));
    }
    pass_on(graph, &inputs);
    Ok(Names { inputs, outputs })
}

/// Has a node make each output that is an input, which tract takes for one
/// without a type.
fn pass_on(graph: &mut GraphProto, inputs: &[String]) {
    for output in graph.output.iter_mut().filter(|output| inputs.contains(&output.name)) {
        let made = format!("{}/passed_on", output.name);
        graph.node.push(NodeProto {
            name: made.clone(),
            op_type: "Identity".to_owned(),
            input: vec![std::mem::replace(&mut output.name, made.clone())],
            output: vec![made],
            ..Default::default()
        });
    }
}

/// Names of the f32 values whose type the file says.
fn floats(graph: &GraphProto) -> BTreeSet<String> {
    let float = |info: &&ValueInfoProto| {
        let kind = info.r#type.as_ref().and_then(|t| t.value.as_ref());
        matches!(kind, Some(Type::TensorType(t)) if t.elem_type == DataType::Float as i32)
    };
    let infos = graph.value_info.iter().chain(&graph.input).chain(&graph.output);
    infos.filter(float).map(|info| info.name.clone()).collect()
}

/// Makes the leading dimension 1 where it is no number, and tells whether it
/// did. The other dimensions must be numbers.
fn pin_batch(input: &mut ValueInfoProto) -> TractResult<bool> {
    let Some(Type::TensorType(tensor)) = input.r#type.as_mut().and_then(|t| t.value.as_mut())
    else {
        return Ok(false);
    };
    let dims = tensor.shape.as_mut().map(|s| s.dim.as_mut_slice()).unwrap_or_default();
    let mut pinned = false;
    for (axis, dim) in dims.iter_mut().enumerate() {
        // Some exporters write -1 or 0 for "any".
        match &dim.value {
            Some(Dim::DimValue(n)) if *n > 0 => {}
            _ if axis == 0 => {
                dim.value = Some(Dim::DimValue(1));
                pinned = true;
            }
            other => {
                let got = match other {
                    Some(Dim::DimParam(symbol)) => format!("{symbol:?}"),
                    Some(Dim::DimValue(n)) => n.to_string(),
                    None => "not given".to_owned(),
                };
                return Err(TractError::msg(format!(
                    "dimension {axis} of input {} is {got}, expected a number: \
                     only the first may be symbolic",
                    input.name
                )));
            }
        }
    }
    Ok(pinned)
}

fn port(
    model: &str,
    name: String,
    typed: &TypedModel,
    outlet: OutletId,
) -> Result<Port, EngineError> {
    let fact = typed.outlet_fact(outlet).map_err(|e| EngineError::Load {
        engine: NAME,
        model: model.to_owned(),
        reason: format!("{e:#}"),
    })?;
    let unlike = |got, expected| EngineError::Port {
        engine: NAME,
        model: model.to_owned(),
        port: name.clone(),
        got,
        expected,
    };
    let Some(dtype) = convert::dtype(fact.datum_type) else {
        return Err(unlike(format!("{:?}", fact.datum_type), "a number type of up to 64 bits"));
    };
    let Some(shape) = fact.shape.as_concrete() else {
        return Err(unlike(format!("of shape {:?}", fact.shape), "of a fixed shape"));
    };
    Ok(Port { name: name.clone(), dtype, shape: shape.to_vec() })
}
