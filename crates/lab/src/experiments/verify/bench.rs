//! A packed case, played in one process.

use std::path::PathBuf;

use anyhow::Context as _;
use quorate::bundle::{self, ModelFile};
use quorate::input::{self, Preprocess};
use quorate::rehearsal::{self, Played, Rehearsal};
use quorate_core::audit::{Audit, Usual};
use quorate_core::id::StageId;
use quorate_core::plan::Plan;
use quorate_core::planner::{self, PlanRequest};
use quorate_model::tensor::Tensor;
use tempfile::TempDir;

use super::case::Case;
use crate::data;
use crate::engine::engine;
use crate::zoo::{self, Size};

/// Inputs that packing learns from, as `quorate pack` does.
const LEARNED: usize = 4;
/// Different inputs of requests, over and over.
const INPUTS: usize = 500;
/// Inputs of a model of the zoo are as large as those that were learned from, and
/// so many times as large or small.
const SIZES: [f32; 3] = [1.0, 0.01, 30.0];

/// A packed case.
pub(super) struct Bench {
    pub(super) rehearsal: Rehearsal,
    /// How far apart healthy shards are, as packing notes it.
    pub(super) usual: Usual,
    /// What requests ask.
    pub(super) inputs: Vec<Vec<Tensor>>,
    folder: TempDir,
}

impl Bench {
    /// Plans and packs a case.
    pub(super) fn pack(case: &Case, seed: u64) -> anyhow::Result<Bench> {
        let file = model(&case.model, seed)?;
        let request = PlanRequest::local(&file.name, &file.sha256, case.data, case.parity)?;
        let f16 = if case.f16 { vec!["*".to_owned()] } else { Vec::new() };
        let fewest_devices = case.data + case.parity;
        let plans = planner::even(&file.staged, &PlanRequest { fewest_devices, f16, ..request })?;
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let packed = folder.path().join("bundle");
        bundle::write(&file.staged, &file.sha256, &plans, &packed, &mut |_| ())?;
        let below = |name: &str| file.staged.model.graph.picks_below(name);
        let ports = bundle::input_ports(&plans);
        let learned = input::seeded_requests(&ports, below, 1, LEARNED)?;
        let usual = rehearsal::usual(&engine(), &plans, &packed, &learned, &mut |_| ())?;
        let inputs = match case.model.as_str() {
            "lenet5" => digits(&ports[0].shape)?,
            // Others than those that were learned from.
            _ => sized(input::seeded_requests(&ports, below, seed + 1000, INPUTS)?),
        };
        let rehearsal = Rehearsal::expecting(&engine(), plans, &packed, Vec::new(), Vec::new());
        Ok(Bench { rehearsal, usual, inputs, folder })
    }

    pub(super) fn plan(&self) -> &Plan {
        self.rehearsal.plans().main()
    }

    /// How far apart healthy shards are; 0 where there is none to spare.
    pub(super) fn usual(&self, audit: &Audit) -> f64 {
        audit.usual(&self.usual).unwrap_or(0.0)
    }

    /// Plays the request of this number.
    pub(super) fn play(&self, request: usize) -> anyhow::Result<Played> {
        self.rehearsal.play(&self.inputs[request % self.inputs.len()])
    }

    /// The same with devices that decode from different shards.
    pub(super) fn play_apart(&self, request: usize) -> anyhow::Result<Played> {
        self.rehearsal.play_apart(&self.inputs[request % self.inputs.len()], request as u64)
    }

    /// The folder of the device that makes a shard.
    pub(super) fn folder(&self, stage: StageId, shard: usize) -> PathBuf {
        let seat = self.plan().stage_sharding(stage).seats[shard];
        let names = self.rehearsal.plans().cluster().names();
        self.folder.path().join("bundle").join(&names[seat.index()])
    }
}

fn model(name: &str, seed: u64) -> anyhow::Result<ModelFile> {
    if name == "lenet5" {
        return ModelFile::open(&data::existing("lenet5.onnx")?);
    }
    let bytes = zoo::find(name)?.net(Size::Small).to_bytes(seed);
    ModelFile::new(format!("{name}.onnx"), bytes.into(), std::path::Path::new("."))
}

/// Handwritten digits, a request each.
fn digits(shape: &[usize]) -> anyhow::Result<Vec<Vec<Tensor>>> {
    let pre = Preprocess { scale: Some(1.0 / 255.0), ..Preprocess::default() };
    let file = data::existing("mnist-t10k-images-idx3-ubyte.gz")?;
    let read = input::read(&file, shape, &pre, Some(INPUTS))?;
    Ok(read.tensors.into_iter().map(|tensor| vec![tensor]).collect())
}

/// The same inputs, some of them larger or smaller.
fn sized(mut requests: Vec<Vec<Tensor>>) -> Vec<Vec<Tensor>> {
    for (request, size) in requests.iter_mut().zip(SIZES.into_iter().cycle()) {
        for tensor in request {
            if let Ok(mut values) = tensor.to_f32() {
                values.iter_mut().for_each(|value| *value *= size);
                let shape = tensor.shape().to_vec();
                *tensor = Tensor::from_f32(shape, &values).expect("as many values");
            }
        }
    }
    requests
}
