//! A model packed for a plan, and what is right.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use quorate::bundle::{self, ModelFile};
use quorate::input;
use quorate_core::plan::Plans;
use quorate_model::tensor::Tensor;
use tempfile::TempDir;

use crate::engine::engine;

/// Different inputs that are asked for.
const INPUTS: usize = 4;

/// A model packed for a plan, what its tasks take on this machine, and inputs
/// with the whole model's answers.
pub struct Site {
    /// The plans.
    pub plans: Plans,
    pub(super) inputs: Vec<Tensor>,
    pub(super) right: Vec<Vec<Tensor>>,
    folder: TempDir,
}

impl Site {
    /// Packs `model` for `plans` at free ports of this machine, and measures
    /// the tasks, while which nothing else should run.
    pub fn pack(model: &ModelFile, plans: &Plans) -> anyhow::Result<Site> {
        let devices = plans.cluster().devices().len();
        let plans = plans.at(&quorate::net::free_addresses(devices)?)?;
        let folder = TempDir::new().context("a temporary folder")?;
        let path = folder.path().join(BUNDLE);
        let (staged, sha256) = (&model.staged, &model.sha256);
        bundle::write(staged, sha256, &plans, &path, &mut |_| ())?;
        bundle::measure(staged, sha256, &plans, &path, &*engine(), &mut |_| ())?;
        let inputs = &staged.model.graph.inputs;
        ensure!(inputs.len() == 1, "model has {} inputs, experiments give 1", inputs.len());
        let inputs = input::seeded(&staged.values[0].shape, 1, INPUTS)?;
        let mut whole = model.task(&*engine())?;
        let right = inputs.iter().map(|input| Ok(whole.run(std::slice::from_ref(input))?));
        let right = right.collect::<anyhow::Result<_>>()?;
        Ok(Site { plans, inputs, right, folder })
    }

    /// Where the bundle is.
    pub fn bundle(&self) -> PathBuf {
        self.folder.path().join(BUNDLE)
    }

    /// Where further files may be put.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

const BUNDLE: &str = "bundle";
