//! A model packed for a plan, and what is right.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use quorate::bundle::{self, ModelFile, Statistic};
use quorate::input;
use quorate_core::cluster::GATEWAY_FOLDER;
use quorate_core::packing::PLAN_FILE;
use quorate_core::plan::Plans;
use quorate_core::timing::Timing;
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
    /// What tasks take on this machine.
    pub timing: Timing,
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
        let least = Statistic::Least;
        let timing =
            bundle::measure(staged, sha256, &plans, &path, &*engine(), least, &mut |_| ())?;
        let inputs = &staged.model.graph.inputs;
        ensure!(inputs.len() == 1, "model has {} inputs, experiments give 1", inputs.len());
        let inputs = input::seeded(&staged.values[0].shape, 1, INPUTS)?;
        let mut whole = model.task(&*engine(), &[])?;
        let right = inputs.iter().map(|input| Ok(whole.run(std::slice::from_ref(input))?));
        let right = right.collect::<anyhow::Result<_>>()?;
        Ok(Site { plans, inputs, right, timing, folder })
    }

    /// Where the bundle is.
    pub fn bundle(&self) -> PathBuf {
        self.folder.path().join(BUNDLE)
    }

    /// Has everybody who reads a value wait so long for the shards that all
    /// were asked to use: `auto`, or a time such as `5ms`.
    pub fn wait(&mut self, wait: &str) -> anyhow::Result<()> {
        let bundle = self.bundle();
        let names = self.plans.cluster().names();
        for name in names.iter().map(String::as_str).chain([GATEWAY_FOLDER]) {
            let path = bundle.join(name).join(PLAN_FILE);
            let text = std::fs::read_to_string(&path)?;
            let changed = |line: &str| match line.starts_with("wait = ") {
                true => format!("wait = \"{wait}\"\n"),
                false => format!("{line}\n"),
            };
            std::fs::write(&path, text.lines().map(changed).collect::<String>())?;
            self.plans = bundle::read_plan(&path)?;
        }
        Ok(())
    }

    /// Where further files may be put.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

const BUNDLE: &str = "bundle";
