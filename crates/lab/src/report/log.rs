//! When, where and how long experiments ran: `run.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::date;
use super::json::{read_json, write_json};
use super::machine::Machine;

/// How an experiment ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// There is a record.
    Done,
    /// Why there is none.
    Failed(String),
}

/// The last run of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it ended.
    pub date: String,
    /// How long it took, in seconds; since it was gone on with, if it was.
    pub seconds: f64,
    /// Was it gone on with after a stop?
    pub resumed: bool,
    /// Was it the quick run?
    pub quick: bool,
    /// The seed, if another than the spec's was asked for.
    pub seed: Option<u64>,
    /// How it ended.
    pub ended: Ended,
    /// Where it ran.
    pub machine: Machine,
}

impl Entry {
    /// An entry of this moment.
    pub fn now(machine: &Machine, ended: Ended) -> Entry {
        let (date, machine) = (date::now(), machine.clone());
        Entry { date, seconds: 0.0, resumed: false, quick: false, seed: None, ended, machine }
    }
}

/// The last run of each experiment in a report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Log {
    /// By the experiment's name.
    pub experiments: BTreeMap<String, Entry>,
}

impl Log {
    /// The log in the folder of a report; an empty one where there is none.
    pub fn read(folder: &Path) -> anyhow::Result<Log> {
        Ok(read_json(&path(folder))?.unwrap_or_default())
    }

    /// Writes it there.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        write_json(&path(folder), self)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("run.json")
}
