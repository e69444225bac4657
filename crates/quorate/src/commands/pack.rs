//! `quorate pack`: model and plan -> bundle.

use std::path::Path;
use std::process::ExitCode;

use quorate::bundle::{self, Measured, ModelFile, read_plan};
use quorate_core::packing::PackedFolder;
use quorate_core::plan::Plans;

use crate::cli;
use crate::engine::engine;
use crate::progress::{BytesBar, CountBar};
use crate::words::{counted, note};

/// Runs the command.
pub(crate) fn run(args: &cli::Pack) -> anyhow::Result<ExitCode> {
    let plans = read_plan(&args.plan)?;
    let model = ModelFile::open(&args.model)?.cut_for(&plans)?;
    let packed = pack_into(&model, &plans, &args.output)?;
    for folder in &packed {
        note(&format!(
            "{}: {}, {} of weights",
            args.output.join(&folder.name).display(),
            counted(folder.tasks, "task"),
            indicatif::HumanBytes(folder.weights_bytes)
        ));
    }
    if args.measure {
        measure_into(&model, &plans, &args.output)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Notes what the tasks of a bundle take, under a progress bar.
pub(crate) fn measure_into(model: &ModelFile, plans: &Plans, bundle: &Path) -> anyhow::Result<()> {
    let mut bar = CountBar::new("measuring");
    let mut progress = |at: Measured| bar.set(at.done, at.total);
    let (staged, sha256) = (&model.staged, &model.sha256);
    bundle::measure(staged, sha256, plans, bundle, &*engine(), &mut progress)?;
    Ok(())
}

/// Writes a bundle into `output`, under a progress bar.
pub(crate) fn pack_into(
    model: &ModelFile,
    plans: &Plans,
    output: &Path,
) -> anyhow::Result<Vec<PackedFolder>> {
    let mut bar = BytesBar::new("packing");
    bundle::write(&model.staged, &model.sha256, plans, output, &mut |progress| {
        bar.set(progress.done_bytes, progress.total_bytes);
    })
}
