//! What a user gives for all inputs of a model, request by request.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use quorate_engine::Port;
use quorate_model::tensor::Tensor;

use super::npz::read_npz;
use super::{Preprocess, read_typed, seeded_typed};

/// The requests that files hold.
#[derive(Clone, Debug)]
pub struct Requests {
    /// For each request, a tensor for each of the model's inputs.
    pub tensors: Vec<Vec<Tensor>>,
    /// The right class of each, where a file tells.
    pub labels: Option<Vec<u8>>,
}

/// A file, and the input that it is for; one without a name is for the only
/// input, or is an archive that names them itself.
struct Source<'a> {
    port: Option<usize>,
    path: &'a str,
}

impl<'a> Source<'a> {
    /// `NAME=FILE` or `FILE`. A file whose name has a `=` in it is known by
    /// nothing before it being an input's name.
    fn parse(text: &'a str, ports: &[Port]) -> Source<'a> {
        let named = ports.iter().enumerate().filter_map(|(at, port)| {
            let path = text.strip_prefix(port.name.as_str())?.strip_prefix('=')?;
            Some((at, path))
        });
        match named.max_by_key(|(at, _)| ports[*at].name.len()) {
            Some((at, path)) => Source { port: Some(at), path },
            None => Source { port: None, path: text },
        }
    }
}

/// Names, types and shapes of a model's inputs, for messages.
fn list(ports: &[Port]) -> String {
    let each = ports.iter().map(|p| format!("{} ({} {:?})", p.name, p.dtype, p.shape));
    each.collect::<Vec<_>>().join(", ")
}

/// Reads the first `limit` requests out of files, each said as `FILE` or
/// `NAME=FILE`, for a model with the inputs `ports`.
pub fn requests(
    files: &[String],
    ports: &[Port],
    pre: &Preprocess,
    limit: Option<usize>,
) -> anyhow::Result<Requests> {
    let mut given: Vec<Option<Vec<Tensor>>> = vec![None; ports.len()];
    let mut labels = None;
    for source in files.iter().map(|text| Source::parse(text, ports)) {
        let path = Path::new(source.path);
        if path.extension().is_some_and(|e| e == "npz") && source.port.is_none() {
            archive(path, ports, &mut given, limit)?;
            continue;
        }
        let at = match (source.port, ports) {
            (Some(at), _) => at,
            (None, [_]) => 0,
            _ => bail!(
                "the model has {} inputs: say which {} is for, as in NAME={}; they are {}",
                ports.len(),
                source.path,
                source.path,
                list(ports)
            ),
        };
        ensure!(given[at].is_none(), "input {} is given twice", ports[at].name);
        let read = read_typed(path, ports[at].dtype, &ports[at].shape, pre, limit)?;
        labels = labels.or(read.labels);
        given[at] = Some(read.tensors);
    }
    let count = count(ports, &given)?;
    let mut columns = Vec::with_capacity(ports.len());
    for (port, tensors) in ports.iter().zip(given) {
        columns.push(match tensors {
            Some(tensors) => tensors,
            None => {
                bail!("no file for input {}: the model's inputs are {}", port.name, list(ports))
            }
        });
    }
    let request = |index: usize| columns.iter().map(|tensors| tensors[index].clone()).collect();
    Ok(Requests { tensors: (0..count).map(request).collect(), labels })
}

/// How many requests the files hold, which must be the same for all inputs.
fn count(ports: &[Port], given: &[Option<Vec<Tensor>>]) -> anyhow::Result<usize> {
    let counts = ports.iter().zip(given).filter_map(|(p, t)| Some((&p.name, t.as_ref()?.len())));
    let counts: Vec<(&String, usize)> = counts.collect();
    let Some((first, count)) = counts.first() else { bail!("no input is given") };
    match counts.iter().find(|(_, other)| other != count) {
        Some((name, other)) => bail!("{count} inputs {first}, but {other} inputs {name}"),
        None => Ok(*count),
    }
}

/// An archive's arrays, each for the input of its name.
fn archive(
    path: &Path,
    ports: &[Port],
    given: &mut [Option<Vec<Tensor>>],
    limit: Option<usize>,
) -> anyhow::Result<()> {
    for (name, tensor) in read_npz(path)? {
        let at = ports.iter().position(|port| port.name == name);
        // An archive may hold more than inputs: the right answers, for one.
        let Some(at) = at else { continue };
        ensure!(given[at].is_none(), "input {name} is given twice");
        let items = items(&ports[at], &tensor, limit);
        given[at] = Some(items.with_context(|| format!("array {name} of {}", path.display()))?);
    }
    Ok(())
}

/// One input, or several along the first dimension.
fn items(port: &Port, tensor: &Tensor, limit: Option<usize>) -> anyhow::Result<Vec<Tensor>> {
    ensure!(
        tensor.dtype() == port.dtype,
        "it holds {}, the model's input is {}",
        tensor.dtype(),
        port.dtype
    );
    if tensor.shape() == port.shape {
        return Ok(vec![tensor.clone()]);
    }
    let several = match (tensor.shape().split_first(), port.shape.split_first()) {
        (Some((&count, item)), Some((1, one))) if item == one => Some(count),
        _ => None,
    };
    let Some(count) = several.filter(|&count| count > 0) else {
        bail!("it has shape {:?}, the model's input is {:?}", tensor.shape(), port.shape);
    };
    let bytes = tensor.data().len() / count;
    let item = |index: usize| {
        let data = tensor.data().slice(index * bytes..(index + 1) * bytes);
        Ok(Tensor::new(port.dtype, port.shape.clone(), data)?)
    };
    (0..count.min(limit.unwrap_or(usize::MAX))).map(item).collect()
}

/// Seeded requests: `count` of seeds `seed` and on. Whole numbers are below
/// `below`, of the input's name, where they are used to pick something.
pub fn seeded_requests(
    ports: &[Port],
    below: impl Fn(&str) -> Option<usize>,
    seed: u64,
    count: usize,
) -> anyhow::Result<Vec<Vec<Tensor>>> {
    let mut requests: Vec<Vec<Tensor>> = vec![Vec::new(); count];
    for (at, port) in ports.iter().enumerate() {
        // Inputs alike in type and shape are not to be alike in value.
        let seed = seed.wrapping_add(at as u64 * 1_000_003);
        let made = seeded_typed(port.dtype, &port.shape, below(&port.name), seed, count)?;
        requests.iter_mut().zip(made).for_each(|(request, tensor)| request.push(tensor));
    }
    Ok(requests)
}
