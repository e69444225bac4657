//! `quorate pack`: model and plan -> bundle.

use std::path::Path;
use std::process::ExitCode;

use quorate::bundle::{self, ModelFile, read_plan};
use quorate_core::packing::PackedFolder;
use quorate_core::plan::Plans;

use crate::cli;
use crate::progress::BytesBar;
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
    Ok(ExitCode::SUCCESS)
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
