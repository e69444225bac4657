//! The plan file: TOML, made by the planner, edited by hand.
//!
//! ```text
//! text -> entry (its form) -> read (a draft) -> Plans::build (its meaning)
//! ```
//!
//! Whichever step finds a mistake, the error names the line that is at fault.

mod entry;
mod lengths;
mod read;
mod write;

use super::plans::Plans;
use entry::PlanFile;

/// Longest plan file that is read.
pub const BYTES_MAX: usize = 16 << 20;

/// Why a plan file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("plan line {line}: {message}")]
pub struct PlanError {
    /// Line of the file, from 1.
    pub line: usize,
    /// What is wrong: what, got, limit.
    pub message: String,
}

impl Plans {
    /// Reads and checks a plan file.
    pub fn parse(text: &str) -> Result<Plans, PlanError> {
        if text.len() > BYTES_MAX {
            let message = format!("file has {} bytes, limit {BYTES_MAX}", text.len());
            return Err(PlanError { line: 1, message });
        }
        let error = |offset, message| PlanError { line: line_of(text, offset), message };
        let file: PlanFile = toml::from_str(text).map_err(|wrong| {
            let offset = wrong.span().map_or(0, |span| span.start);
            error(offset, wrong.message().replace('\n', ", "))
        })?;
        let draft = read::draft(&file).map_err(|wrong| error(wrong.offset, wrong.message))?;
        Plans::build(draft).map_err(|wrong| error(read::offset(&file, &wrong.at), wrong.message))
    }
}

/// Line of a byte offset, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count() + 1
}
