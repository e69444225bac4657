//! Weights in files beside a model: each is read into the tensor that tract takes.
//! By itself tract copies them twice more, and most of the time that a model takes
//! to load is copying.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use tract_onnx::model::ParseResult;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{GraphProto, TensorProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::konst::Const;

/// Smaller ones go tract's way.
const BYTES_MIN: usize = 4096;

/// Files that hold weights of a model, by the names that it has for them.
pub(super) struct Files(BTreeMap<String, PathBuf>);

/// Weights that were taken out of a graph, by name.
pub(super) type Outside = BTreeMap<String, Arc<Tensor>>;

/// Where the bytes of a tensor are.
struct Place<'a> {
    location: &'a str,
    offset: u64,
    length: usize,
}

impl Files {
    /// Finds the files that `graphs` name, which are looked up in `folder`.
    pub(super) fn find<'a>(
        graphs: impl Iterator<Item = &'a GraphProto>,
        folder: Option<&Path>,
    ) -> TractResult<Files> {
        let mut files = BTreeMap::new();
        let Some(folder) = folder else { return Ok(Files(files)) };
        for place in graphs.flat_map(|graph| &graph.initializer).filter_map(place) {
            if !files.contains_key(place.location) {
                files.insert(place.location.to_owned(), find(folder, place.location)?);
            }
        }
        Ok(Files(files))
    }

    /// Takes the large ones of `graph`'s weights out of it, but for those that
    /// are its inputs or outputs too.
    pub(super) fn take(&self, graph: &mut GraphProto) -> TractResult<Outside> {
        let mut outside = Outside::new();
        let ports: Vec<&str> =
            graph.input.iter().chain(&graph.output).map(|info| info.name.as_str()).collect();
        for tensor in &graph.initializer {
            if ports.contains(&tensor.name.as_str()) {
                continue;
            }
            if let Some(read) = self.read(tensor)? {
                outside.insert(tensor.name.clone(), Arc::new(read));
            }
        }
        graph.initializer.retain(|tensor| !outside.contains_key(&tensor.name));
        Ok(outside)
    }

    /// The tensor, if it is a large one in one of these files.
    fn read(&self, tensor: &TensorProto) -> TractResult<Option<Tensor>> {
        let Some(place) = place(tensor) else { return Ok(None) };
        let Some(path) = self.0.get(place.location) else { return Ok(None) };
        let Ok(dtype) = DataType::try_from(tensor.data_type) else { return Ok(None) };
        let dtype: DatumType = dtype.try_into()?;
        // Truth values are checked one by one.
        if dtype == DatumType::Bool || dtype == DatumType::String {
            return Ok(None);
        }
        let shape: Option<Vec<usize>> =
            tensor.dims.iter().map(|&length| usize::try_from(length).ok()).collect();
        let Some(shape) = shape else { return Ok(None) };
        let needed = shape.iter().try_fold(dtype.size_of(), |n, &length| n.checked_mul(length));
        let failed = |reason: String| {
            TractError::msg(format!("weights {} in {}: {reason}", tensor.name, place.location))
        };
        if needed != Some(place.length) {
            return Err(failed(format!("{} bytes for {dtype:?} {shape:?}", place.length)));
        }
        let io = |e: std::io::Error| failed(e.to_string());
        let mut file = File::open(path).map_err(io)?;
        let size = file.metadata().map_err(io)?.len();
        if place.offset.checked_add(place.length as u64).is_none_or(|end| end > size) {
            let (offset, length) = (place.offset, place.length);
            return Err(failed(format!("it has {size} bytes, needs {offset}+{length}")));
        }
        file.seek(SeekFrom::Start(place.offset)).map_err(io)?;
        let mut read = Tensor::zero_dt(dtype, &shape)?;
        file.read_exact(read.as_bytes_mut()).map_err(io)?;
        Ok(Some(read))
    }
}

/// Gives a graph that was parsed without them its weights.
pub(super) fn put(outside: Outside, parsed: &mut ParseResult) -> TractResult<()> {
    for (name, tensor) in outside {
        // Nobody reads what has no place.
        let Some(outlet) = parsed.outlets_by_name.get(&name).copied() else { continue };
        let Some(at) = parsed.unresolved_inputs.iter().position(|of| *of == name) else {
            return Err(TractError::msg(format!("value {name} is a constant and made, too")));
        };
        parsed.unresolved_inputs.remove(at);
        parsed.model.inputs.retain(|input| *input != outlet);
        let fact = TypedFact::try_from(tensor.clone())?;
        let node = parsed.model.node_mut(outlet.node);
        node.op = Box::new(Const::new(tensor)?);
        node.outputs[outlet.slot].fact = fact.into();
    }
    Ok(())
}

/// Where a tensor is, if that is in a file, and it is a large one.
fn place(tensor: &TensorProto) -> Option<Place<'_>> {
    let is_outside = tensor.data_location == Some(DataLocation::External as i32);
    if !is_outside || !tensor.raw_data.is_empty() {
        return None;
    }
    let entry = |key: &str| tensor.external_data.iter().find(|entry| entry.key == key);
    let number = |key: &str| entry(key).map(|entry| entry.value.parse::<u64>());
    let offset = number("offset").unwrap_or(Ok(0)).ok()?;
    let length = usize::try_from(number("length")?.ok()?).ok()?;
    let location = entry("location")?.value.as_str();
    (length >= BYTES_MIN).then_some(Place { location, offset, length })
}

/// The file at `location` in `folder`, or in one below it.
fn find(folder: &Path, location: &str) -> TractResult<PathBuf> {
    let failed = |e: std::io::Error| TractError::msg(format!("weights in {location}: {e}"));
    let is_inside =
        |component: Component<'_>| matches!(component, Component::Normal(_) | Component::CurDir);
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = folder.canonicalize().map_err(failed)?;
    let path = folder.join(location).canonicalize().map_err(failed)?;
    if !Path::new(location).components().all(is_inside) || !path.starts_with(&folder) {
        return Err(TractError::msg(format!("weights in {location}: not in the model's folder")));
    }
    // Opening a pipe would wait for its other end.
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(TractError::msg(format!("weights in {location}: no file")));
    }
    Ok(path)
}
