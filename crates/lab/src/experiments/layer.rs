//! A fully-connected layer over devices, each with as much of it as the paper's
//! single device had: what several experiments run on.

use std::path::Path;

use quorate::bundle::ModelFile;
use quorate_core::gateway::GatewayConfig;
use quorate_core::plan::{Plans, WaitPolicy};
use quorate_core::planner::{self, PlanRequest};

use crate::fleet::Site;
use crate::zoo;

/// A model of one fully-connected layer with `width` inputs, and `width`
/// outputs for each of `devices`.
pub(super) fn model(width: usize, devices: usize, seed: u64) -> anyhow::Result<ModelFile> {
    let bytes = zoo::fc(width, width * devices).to_bytes(seed);
    ModelFile::new("fc.onnx".to_owned(), bytes.into(), Path::new("."))
}

/// The layer over `devices`, with so many parity devices beyond them.
pub(super) fn plans(model: &ModelFile, devices: usize, spares: usize) -> anyhow::Result<Plans> {
    let mut request = PlanRequest::local(&model.name, &model.sha256, devices, spares)?;
    // A loss beyond the code's is not what these experiments are about.
    request.fewest_devices = devices + spares;
    request.wait = WaitPolicy::Auto;
    Ok(planner::even(&model.staged, &request)?)
}

/// The layer over `devices` and `spares`, packed and measured.
pub(super) fn site(width: usize, devices: usize, spares: usize, seed: u64) -> anyhow::Result<Site> {
    let model = model(width, devices, seed)?;
    Site::pack(&model, &plans(&model, devices, spares)?)
}

/// A gateway that waits for whoever is late, however late, and asks nobody
/// again.
pub(super) fn patient(deadline: std::time::Duration) -> GatewayConfig {
    GatewayConfig { resubmit_after: deadline, ..GatewayConfig::default() }
}
