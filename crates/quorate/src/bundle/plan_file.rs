//! A plan file.

use std::path::Path;

use anyhow::{Context, ensure};
use quorate_core::plan::{Plans, file::BYTES_MAX};

/// Reads a plan file.
pub fn read_plan(path: &Path) -> anyhow::Result<Plans> {
    let what = || format!("{}", path.display());
    let length = std::fs::metadata(path).with_context(what)?.len();
    ensure!(length <= BYTES_MAX as u64, "{}: {length} bytes, limit {BYTES_MAX}", what());
    let text = std::fs::read_to_string(path).with_context(what)?;
    Plans::parse(&text).with_context(what)
}
