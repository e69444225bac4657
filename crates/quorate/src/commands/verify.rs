//! `quorate verify`: are a bundle's files as they were packed?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use quorate::bundle::{Checked, check_files};
use quorate_core::packing::PACKED_FILE;
use serde_json::json;

use crate::cli;
use crate::progress::CountBar;
use crate::words::{counted, print};

/// Runs the command.
pub(crate) fn run(args: &cli::Verify) -> anyhow::Result<ExitCode> {
    let folders = folders(&args.bundle)?;
    let mut good = true;
    for folder in &folders {
        let mut bar = CountBar::new("checking");
        let checked = check_files(folder, &mut |done, total| bar.set(done, total));
        drop(bar);
        good &= checked.is_ok();
        let name = folder.display();
        if args.json {
            let (state, error) = match &checked {
                Ok(Checked::Whole { .. }) => ("whole", None),
                Ok(Checked::Unknown) => ("unknown", None),
                Err(error) => ("damaged", Some(format!("{error:#}"))),
            };
            let line = json!({"folder": name.to_string(), "state": state, "error": error});
            print(line.to_string())?;
            continue;
        }
        print(match checked {
            Ok(Checked::Whole { files, bytes }) => {
                let size = indicatif::HumanBytes(bytes);
                format!("{name}: {}, {size}, as they were packed", counted(files, "file"))
            }
            Ok(Checked::Unknown) => format!("{name}: no list of its files; pack again to have one"),
            Err(error) => format!("{name}: {error:#}"),
        })?;
    }
    Ok(ExitCode::from(u8::from(!good)))
}

/// The folders of a bundle, or the one that is named.
fn folders(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_folder = |path: &Path| path.join(PACKED_FILE).is_file();
    if is_folder(path) {
        return Ok(vec![path.to_owned()]);
    }
    let entries = path.read_dir().with_context(|| path.display().to_string())?;
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| is_folder(path))
        .collect();
    ensure!(!folders.is_empty(), "{} is no bundle: make one with `quorate pack`", path.display());
    folders.sort();
    Ok(folders)
}
