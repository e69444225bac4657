//! `quorate pack`: model and plan -> bundle.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use quorate_core::packing::{GATEWAY_FOLDER, PACKED_FILE, PackedFolder, pack};
use quorate_core::plan::Plans;

use crate::bundle::{DiskShelf, ModelFile, read_plan};
use crate::cli;
use crate::progress::BytesBar;
use crate::words::{counted, note};

/// Runs the command.
pub fn run(args: &cli::Pack) -> anyhow::Result<ExitCode> {
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

/// Packs into `output`. The bundle is made beside it and moved there when it
/// is whole: a worker that has the old one open keeps it, and no folder is
/// ever half of one bundle and half of another.
pub fn pack_into(
    model: &ModelFile,
    plans: &Plans,
    output: &Path,
) -> anyhow::Result<Vec<PackedFolder>> {
    let bundle = |path: &Path| path.join(GATEWAY_FOLDER).join(PACKED_FILE).is_file();
    let empty = |path: &Path| path.read_dir().is_ok_and(|mut entries| entries.next().is_none());
    ensure!(
        !output.exists() || bundle(output) || empty(output),
        "{} is there and no bundle: name another folder",
        output.display()
    );
    let name = output.file_name().with_context(|| format!("{}: no name", output.display()))?;
    let mut beside = name.to_owned();
    beside.push(format!(".packing-{}", std::process::id()));
    let beside = output.with_file_name(beside);
    let mut bar = BytesBar::new("packing");
    let made =
        pack(&model.staged, &model.sha256, plans, &mut DiskShelf::new(&beside), &mut |progress| {
            bar.set(progress.done_bytes, progress.total_bytes)
        });
    let moved = made.context("packing").and_then(|packed| {
        if output.exists() {
            std::fs::remove_dir_all(output)?;
        }
        std::fs::rename(&beside, output)?;
        Ok(packed)
    });
    if moved.is_err() {
        // What is half made is of no use; the first error is the one to tell.
        let _ = std::fs::remove_dir_all(&beside);
    }
    moved.with_context(|| format!("bundle {}", output.display()))
}
