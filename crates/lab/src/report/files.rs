//! The files of a report.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::csv::csv;
use super::record::Record;

/// The folder of an experiment in that of a report.
fn folder_of(report: &Path, name: &str) -> PathBuf {
    report.join(name)
}

/// The folder of an experiment's steps in that of a report.
pub fn steps_of(report: &Path, name: &str) -> PathBuf {
    folder_of(report, name).join("steps")
}

/// Removes what a run of before has left of an experiment, but for its steps.
pub fn clear(report: &Path, name: &str) -> anyhow::Result<()> {
    let folder = folder_of(report, name);
    let clear = || -> anyhow::Result<()> {
        for entry in folder.read_dir()? {
            let path = entry?.path();
            let extension = path.extension().unwrap_or_default();
            let ours = path.file_name() == Some(format!("{name}.json").as_ref())
                || extension == "csv"
                || extension == "svg";
            if ours {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    };
    clear().with_context(|| format!("clearing {}", folder.display()))
}

/// Writes a record with its tables and charts.
pub fn write_record(report: &Path, record: &Record) -> anyhow::Result<()> {
    let folder = folder_of(report, &record.name);
    for table in &record.outcome.tables {
        write_file(&folder.join(named(&table.name, "csv")?), csv(table).as_bytes())?;
    }
    write_json(&folder.join(named(&record.name, "json")?), record)
}

/// The file `stem.extension`, where `stem` is a plain name.
fn named(stem: &str, extension: &str) -> anyhow::Result<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure!(
        !stem.is_empty() && stem.chars().all(plain),
        "\"{stem}\" names no file: lower-case letters, digits and - are needed"
    );
    Ok(format!("{stem}.{extension}"))
}

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

/// Writes a JSON file.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)
        .with_context(|| format!("writing {}", path.display()))?;
    write_file(path, (text + "\n").as_bytes())
}

/// Writes a file: all of it, or nothing.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("writing {}", path.display()))
}
