//! From a model and a plan to a bundle on disk.

use std::path::Path;

use anyhow::{Context, ensure};
use quorate_core::cluster::GATEWAY_FOLDER;
use quorate_core::packing::{PACKED_FILE, PackedFolder, Progress, pack};
use quorate_core::plan::Plans;
use quorate_model::stage::Staged;

use super::shelf::DiskShelf;
use super::{forms, manifest};

/// Moves what was packed to its place. The bundle that was there goes last: it
/// is whole until the new one is in its place.
fn swap(made: &Path, output: &Path) -> anyhow::Result<()> {
    let mut old = output.as_os_str().to_owned();
    old.push(format!(".replaced-{}", std::process::id()));
    let old = Path::new(&old);
    let replaces = output.exists();
    if replaces {
        std::fs::rename(output, old)?;
    }
    if let Err(error) = std::fs::rename(made, output) {
        if replaces {
            std::fs::rename(old, output)?;
        }
        return Err(error.into());
    }
    if replaces {
        std::fs::remove_dir_all(old)?;
    }
    Ok(())
}

/// Packs `staged`, cut from the model with that hash, into the folder `output`.
/// `progress` is called now and then. The bundle is made beside it and
/// moved there when it is whole: a worker that has the old one open keeps it,
/// and no folder is ever half of one bundle and half of another.
pub fn write(
    staged: &Staged,
    model_sha256: &str,
    plans: &Plans,
    output: &Path,
    progress: &mut dyn FnMut(Progress),
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
    let made = pack(staged, model_sha256, plans, &mut DiskShelf::new(&beside), progress);
    let moved = made.context("packing").and_then(|packed| {
        for folder in &packed {
            forms::write(staged, &beside.join(&folder.name))?;
            manifest::write(&beside.join(&folder.name))?;
        }
        swap(&beside, output)?;
        Ok(packed)
    });
    if moved.is_err() {
        // What is half made is of no use; the first error is the one to tell.
        let _ = std::fs::remove_dir_all(&beside);
    }
    moved.with_context(|| format!("bundle {}", output.display()))
}
