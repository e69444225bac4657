//! The paper's AlexNet systems, packed to run.

use std::path::Path;

use quorate::bundle::ModelFile;
use quorate_core::plan::Plans;

use crate::fleet::Site;
use crate::system::{Protection, System};
use crate::zoo::{self, Size};

/// Figure 11: five devices, no code, and a plan for four.
pub(super) const FIVE: &str = include_str!("../../../../examples/plans/alexnet-5.toml");
/// Figure 13: one layer coded, a sixth device.
pub(super) const SIX: &str = include_str!("../../../../examples/plans/alexnet-6-coded.toml");

/// The device that fails: it has half of the first fully-connected layer.
pub(super) const C: usize = 2;

/// Seed of the weights that the plan files were made for.
const SEED: u64 = 1;

/// AlexNet in full size.
pub(super) fn model() -> anyhow::Result<ModelFile> {
    let bytes = zoo::find("alexnet")?.net(Size::Full).to_bytes(SEED);
    ModelFile::new("alexnet.onnx".to_owned(), bytes.into(), Path::new("."))
}

/// AlexNet packed for a plan file.
pub(super) fn site(model: &ModelFile, plan: &str) -> anyhow::Result<Site> {
    let plans = Plans::parse(plan)?;
    let model = ModelFile::new(model.name.clone(), model.bytes.clone(), Path::new("."))?;
    Site::pack(&model.cut_for(&plans)?, &plans)
}

/// The same system with so many devices that each have a parity of the split
/// layer and a copy of every whole stage.
pub(super) fn covered(model: &ModelFile, spares: usize) -> anyhow::Result<Site> {
    let model = ModelFile::new(model.name.clone(), model.bytes.clone(), Path::new("."))?;
    let wires = ["conv2.relu.pool", "conv5.relu.pool", "fc6", "fc8"].map(str::to_owned);
    let system = System::new(model, &wires)?.split("fc6", 2)?;
    let plans = system.plans(Protection::Spare(spares))?;
    let plans = plans.ok_or_else(|| anyhow::anyhow!("{spares} spares are too many devices"))?;
    Site::pack(&system.model, &plans)
}
