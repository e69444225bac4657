//! Graphs drawn by seed, held against an engine that runs the file as it is.

use std::path::Path;

use anyhow::Context;
use quorate::input::seeded_requests;
use quorate_engine::{OnnxRuntime, Port, Reference};
use quorate_model::tensor::DType;

use crate::import::{Case, Outcome, Trust};
use crate::random_graph::random_graph;

/// Nodes of a graph, about.
pub const NODES: usize = 14;

/// ONNX Runtime, where its library is installed.
pub fn judge() -> anyhow::Result<Box<dyn Reference>> {
    Ok(Box::new(OnnxRuntime::find(None)?))
}

/// What becomes of the graph of `seed` with `nodes` nodes. One that `judge`
/// refuses as well is as good as right.
pub fn drawn(
    seed: u64,
    nodes: usize,
    trust: Trust,
    judge: &dyn Reference,
) -> anyhow::Result<Outcome> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    Ok(match case(seed, nodes, folder.path(), judge)? {
        Some(case) => case.checked(trust, judge),
        None => Outcome::Refused(format!("{} does not run it", judge.name())),
    })
}

/// The fewest nodes with which the graph of `seed` is not allowed, and what
/// becomes of it then: a graph grows node by node, so fewer are its beginning.
pub fn shrunk(
    seed: u64,
    trust: Trust,
    judge: &dyn Reference,
) -> anyhow::Result<Option<(usize, Outcome)>> {
    for nodes in 0..=NODES {
        let outcome = drawn(seed, nodes, trust, judge)?;
        if !outcome.is_allowed() {
            return Ok(Some((nodes, outcome)));
        }
    }
    Ok(None)
}

/// The graph of `seed` with `nodes` nodes as a case, whose file is put into
/// `folder`; `None` where `judge` refuses it.
pub fn case(
    seed: u64,
    nodes: usize,
    folder: &Path,
    judge: &dyn Reference,
) -> anyhow::Result<Option<Case>> {
    let path = folder.join(format!("graph_{seed}.onnx"));
    let (name, shape) = crate::random_graph::input(seed);
    std::fs::write(&path, random_graph(seed, nodes))?;
    let port = Port { name: name.clone(), dtype: DType::F32, shape };
    let mut made = seeded_requests(&[port], |_| None, seed, 1)?;
    let input = made.pop().and_then(|mut request| request.pop()).context("an input")?;
    let inputs = vec![(name, input)];
    let Ok(answers) = judge.answer(&path, &inputs) else { return Ok(None) };
    Ok(Some(Case::new(format!("graph {seed}"), path, inputs, answers)))
}

/// Writes the graph of `seed` with `nodes` nodes into `folder`, which is made.
pub fn keep(seed: u64, nodes: usize, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{seed}.onnx"));
    std::fs::write(&path, random_graph(seed, nodes)).with_context(|| format!("{}", path.display()))
}
