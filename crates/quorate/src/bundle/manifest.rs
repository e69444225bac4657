//! What a folder's files are, so that a damaged one is found before anything is
//! computed with it.
//!
//! ```text
//! files.toml:   NAME = "BLAKE3"   a line each file that is never edited
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use quorate_core::packing::PLAN_FILE;
use quorate_core::timing::TIMING_FILE;

/// Name of the manifest in a device's folder.
const MANIFEST_FILE: &str = "files.toml";
/// Longest manifest that is read: a line of some 100 bytes a task.
const BYTES_MAX: u64 = 64 << 20;
/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;

/// What became of a folder's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// All are as they were packed: so many files, with so many bytes.
    Whole {
        /// Files.
        files: usize,
        /// Bytes of all.
        bytes: u64,
    },
    /// The bundle was packed before there were manifests.
    Unknown,
}

/// Writes the manifest of a folder that was just packed, of what can be read
/// back, and has all of it reach the disk.
pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    let mut text = String::from("# BLAKE3 of each file; not to be edited.\n");
    let mut names = Vec::new();
    for entry in folder.read_dir()? {
        let name = entry?.file_name();
        names.push(name.into_string().map_err(|name| anyhow::anyhow!("{name:?} is no UTF-8"))?);
    }
    names.sort();
    for name in names.iter().filter(|name| !may_change(name)) {
        let path = folder.join(name);
        File::open(&path)?.sync_all().with_context(|| path.display().to_string())?;
        let (hash, _) = hash(&path)?;
        text.push_str(&format!("{} = \"{hash}\"\n", toml::Value::String(name.clone())));
    }
    let path = folder.join(MANIFEST_FILE);
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    File::open(&path)?.sync_all()?;
    Ok(File::open(folder)?.sync_all()?)
}

/// Holds the files of a folder against its manifest; `progress` is called after
/// each with how many are done, and how many there are.
///
/// # Errors
///
/// Names a file that is missing or not as it was packed.
pub fn check_files(
    folder: &Path,
    progress: &mut dyn FnMut(usize, usize),
) -> anyhow::Result<Checked> {
    let path = folder.join(MANIFEST_FILE);
    if !path.is_file() {
        return Ok(Checked::Unknown);
    }
    let length = path.metadata()?.len();
    ensure!(length <= BYTES_MAX, "{} has {length} bytes, limit {BYTES_MAX}", path.display());
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let known: BTreeMap<String, String> =
        toml::from_str(&text).with_context(|| path.display().to_string())?;
    let (total, mut bytes) = (known.len(), 0);
    for (done, (name, expected)) in known.iter().enumerate() {
        let plain = Path::new(name).file_name().is_some_and(|last| last == name.as_str());
        ensure!(plain, "{} names {name:?}, which is no file of it", path.display());
        let file = folder.join(name);
        let (got, length) = hash(&file)?;
        if got != *expected {
            bail!(
                "{} is not as it was packed (BLAKE3 {got}, {expected} then): copy the folder again, \
                 or pack again",
                file.display()
            );
        }
        bytes += length;
        progress(done + 1, total);
    }
    Ok(Checked::Whole { files: total, bytes })
}

/// May a file be edited after it was packed?
fn may_change(name: &str) -> bool {
    [MANIFEST_FILE, PLAN_FILE, TIMING_FILE].contains(&name)
}

/// BLAKE3 of a file, in hexadecimal digits, and its length.
fn hash(path: &Path) -> anyhow::Result<(String, u64)> {
    let read = || {
        let (mut file, mut hasher) = (File::open(path)?, blake3::Hasher::new());
        let (mut chunk, mut length) = (vec![0; CHUNK], 0);
        loop {
            let bytes = file.read(&mut chunk)?;
            if bytes == 0 {
                return std::io::Result::Ok((hasher.finalize().to_string(), length));
            }
            hasher.update(&chunk[..bytes]);
            length += bytes as u64;
        }
    };
    read().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.onnx", "weights.bin", "plan.toml", "timing.toml"] {
            std::fs::write(folder.path().join(name), name.repeat(1000)).unwrap();
        }
        write(folder.path()).unwrap();
        folder
    }

    fn said(folder: &Path) -> String {
        match check_files(folder, &mut |_, _| ()) {
            Ok(checked) => format!("{checked:?}"),
            Err(error) => format!("{error:#}").replace(folder.to_str().unwrap(), "FOLDER"),
        }
    }

    #[test]
    fn a_changed_file_is_named() {
        let folder = packed();
        let path = |name: &str| folder.path().join(name);
        assert_eq!(said(folder.path()), "Whole { files: 2, bytes: 17000 }");
        // Addresses may be edited, and times measured.
        std::fs::write(path("plan.toml"), "another").unwrap();
        std::fs::write(path("timing.toml"), "another").unwrap();
        assert!(said(folder.path()).starts_with("Whole"));
        let mut weights = std::fs::read(path("weights.bin")).unwrap();
        weights[5000] ^= 1;
        std::fs::write(path("weights.bin"), weights).unwrap();
        assert!(said(folder.path()).starts_with("FOLDER/weights.bin is not as it was packed"));
        std::fs::remove_file(path("a.onnx")).unwrap();
        assert!(said(folder.path()).starts_with("FOLDER/a.onnx: No such file"));
        std::fs::remove_file(path("files.toml")).unwrap();
        assert_eq!(said(folder.path()), "Unknown");
    }

    #[test]
    fn a_manifest_leads_nowhere_else() {
        let folder = packed();
        for name in ["../a.onnx", "/etc/passwd", "..", ""] {
            let text = format!("\"{name}\" = \"00\"\n");
            std::fs::write(folder.path().join(MANIFEST_FILE), text).unwrap();
            assert!(said(folder.path()).contains("which is no file of it"), "{name}");
        }
    }
}
