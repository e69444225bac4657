//! Makes the page of what is in the folder of a report.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::json::{read_json, write_file};
use super::log::{Ended, Entry, Log};
use super::page::page;
use super::record::Record;

/// Makes `index.html` anew, of the JSON files in the folder of a report, and
/// returns where it is. Experiments come in the order of `known`, names and
/// titles; others behind them.
pub fn write_page(report: &Path, known: &[(&str, &str)]) -> anyhow::Result<PathBuf> {
    let log = Log::read(report)?;
    let mut records = read_records(report)?;
    let place = |name: &str| known.iter().position(|(other, _)| *other == name);
    let order = |name: &str| (place(name).unwrap_or(known.len()), name.to_owned());
    records.sort_by_key(|record| order(&record.name));
    let is_failed = |(_, entry): &(&String, &Entry)| entry.ended != Ended::Done;
    let title = |name: &str| place(name).map_or(name, |at| known[at].1).to_owned();
    let mut failed: Vec<(String, String)> = (log.experiments.iter())
        .filter(is_failed)
        .filter(|(name, _)| records.iter().all(|record| record.name != **name))
        .map(|(name, _)| (name.clone(), title(name)))
        .collect();
    failed.sort_by_key(|(name, _)| order(name));
    let path = report.join("index.html");
    write_file(&path, page(&records, &failed, &log)?.as_bytes())?;
    Ok(path)
}

/// The records of all experiments in the folder of a report.
fn read_records(report: &Path) -> anyhow::Result<Vec<Record>> {
    let entries = report.read_dir().with_context(|| format!("reading {}", report.display()))?;
    let mut records = Vec::new();
    for entry in entries {
        let folder = entry.with_context(|| format!("reading {}", report.display()))?.path();
        let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { continue };
        if !folder.is_dir() {
            continue;
        }
        records.extend(read_json::<Record>(&folder.join(format!("{name}.json")))?);
    }
    Ok(records)
}
