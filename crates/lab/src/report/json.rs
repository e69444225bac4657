//! JSON files, and how files of a report are written.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::whole_file;

/// Reads a JSON file, if there is one.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .with_context(|| format!("reading {}", path.display())),
    }
}

/// Writes a JSON file that can be read back.
pub(super) fn write_json<T: Serialize + DeserializeOwned>(
    path: &Path,
    value: &T,
) -> anyhow::Result<()> {
    let text = || -> anyhow::Result<String> {
        let text = serde_json::to_string_pretty(value)? + "\n";
        serde_json::from_str::<T>(&text)
            .context("it does not come back from JSON, which knows finite numbers alone")?;
        Ok(text)
    };
    let text = text().with_context(|| format!("writing {}", path.display()))?;
    write_file(path, text.as_bytes())
}

/// Writes a file: all of it, or nothing.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    whole_file::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}
