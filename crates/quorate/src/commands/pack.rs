//! `quorate pack`: model and plan -> bundle.

use std::path::Path;
use std::process::ExitCode;

use quorate::bundle::{self, Measured, ModelFile, Statistic, read_plan};
use quorate::rehearsal::Progress;
use quorate_core::audit::Verify;
use quorate_core::packing::PackedFolder;
use quorate_core::plan::Plans;

use crate::cli;
use crate::engine::engine;
use crate::progress::{BytesBar, CountBar};
use crate::words::{counted, note};

/// Runs the command.
pub(crate) fn run(args: &cli::Pack) -> anyhow::Result<ExitCode> {
    let plans = read_plan(&args.plan)?;
    let fixed = args.fixed.iter().cloned().collect();
    let model = ModelFile::open_for(&args.model, &plans, &fixed)?;
    let packed = pack_into(&model, &plans, &args.output)?;
    verify_in(&model, &plans, &args.output)?;
    if plans.verify() != Verify::Off {
        let mut bar = CountBar::new("learning what is usual");
        let mut progress = |at: Progress| bar.set(at.done, at.total);
        bundle::audit(&model.staged, &plans, &args.output, &engine(), &mut progress)?;
    }
    for folder in &packed {
        note(&format!(
            "{}: {}, {} of weights",
            args.output.join(&folder.name).display(),
            counted(folder.tasks, "task"),
            indicatif::HumanBytes(folder.weights_bytes)
        ));
    }
    if let Some(statistic) = args.measure {
        measure_into(&model, &plans, &args.output, statistic)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Notes what the tasks of a bundle take, under a progress bar.
pub(crate) fn measure_into(
    model: &ModelFile,
    plans: &Plans,
    bundle: &Path,
    statistic: Statistic,
) -> anyhow::Result<()> {
    let mut bar = CountBar::new("measuring");
    let mut progress = |at: Measured| bar.set(at.done, at.total);
    let (staged, sha256) = (&model.staged, &model.sha256);
    bundle::measure(staged, sha256, plans, bundle, &*engine(), statistic, &mut progress)?;
    Ok(())
}

/// Runs every task of a bundle once, under a progress bar.
pub(crate) fn verify_in(model: &ModelFile, plans: &Plans, bundle: &Path) -> anyhow::Result<()> {
    let mut bar = CountBar::new("trying tasks");
    let mut progress = |at: Measured| bar.set(at.done, at.total);
    bundle::verify(&model.staged, plans, bundle, &*engine(), &mut progress)
}

/// Writes a bundle into `output`, under a progress bar, of a model that the
/// engine is known to run right.
pub(crate) fn pack_into(
    model: &ModelFile,
    plans: &Plans,
    output: &Path,
) -> anyhow::Result<Vec<PackedFolder>> {
    bundle::check_forms(&model.staged, &*engine())?;
    let mut bar = BytesBar::new("packing");
    bundle::write(&model.staged, &model.sha256, plans, output, &mut |progress| {
        bar.set(progress.done_bytes, progress.total_bytes);
    })
}
