//! One device's folder of a bundle, or the gateway's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use quorate_core::audit::Usual;
use quorate_core::packing::{PACKED_FILE, PLAN_FILE, read_packed};
use quorate_core::plan::Plans;
use quorate_engine::Engine;

use super::plan_file::read_plan;
use super::{audits, forms};

/// A folder of a bundle: the plan in it, still as packed.
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Its plan.
    pub plans: Arc<Plans>,
    /// For whom it was packed.
    pub name: String,
    /// How far apart healthy shards are; nothing where that was not measured.
    pub usual: Arc<Usual>,
}

impl Folder {
    /// Opens a folder and refuses it where its plan was edited in anything
    /// but addresses, `wait` and `tolerance` since it was packed.
    pub fn open(path: &Path) -> anyhow::Result<Folder> {
        ensure!(path.is_dir(), "{} is no folder: make one with `quorate pack`", path.display());
        let plans = read_plan(&path.join(PLAN_FILE))?;
        let packed_path = path.join(PACKED_FILE);
        let text = std::fs::read_to_string(&packed_path)
            .with_context(|| format!("{}", packed_path.display()))?;
        let (name, packed): (String, BTreeMap<String, String>) =
            read_packed(&text).with_context(|| format!("{}", packed_path.display()))?;
        let changed = plans.changed_since(&packed);
        if !changed.is_empty() {
            let some: Vec<&str> = changed.iter().take(5).map(String::as_str).collect();
            let more = changed.len() - some.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            bail!(
                "{} no longer matches what was packed: {}{more} changed; pack again",
                path.join(PLAN_FILE).display(),
                some.join("; ")
            );
        }
        let usual = Arc::new(audits::read(path, &plans)?);
        Ok(Folder { path: path.to_owned(), plans: Arc::new(plans), name, usual })
    }

    /// Refuses a folder whose tasks `engine` is not known to compute right.
    pub fn check_engine(&self, engine: &dyn Engine) -> anyhow::Result<()> {
        forms::check(&self.path, engine)
    }

    /// The same folder with `hosts`, in the order of the plan's devices, in
    /// place of the plan's addresses; as it is if there are none.
    pub fn with_hosts(mut self, hosts: &[String]) -> anyhow::Result<Folder> {
        if hosts.is_empty() {
            return Ok(self);
        }
        let moved = self.plans.at(hosts).context("--hosts")?;
        self.plans = Arc::new(moved);
        Ok(self)
    }
}
