//! The files of a report.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::csv::csv;
use super::json::{write_file, write_json};
use super::record::Record;
use crate::drawing::svg;

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
    for chart in &record.outcome.charts {
        write_file(&folder.join(named(&chart.name, "svg")?), svg(chart)?.as_bytes())?;
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
