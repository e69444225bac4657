//! What came later than it should have.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

/// What a machine may be late by before that counts: its scheduler's doing.
const SLACK: Duration = Duration::from_millis(1);

/// Notes what comes later than on the emulated device, because this machine
/// was too slow.
#[derive(Clone, Debug)]
pub struct Overruns(Option<Arc<File>>);

impl Overruns {
    /// Notes each as a line of the file at `path`, if there is one.
    pub(super) fn open(path: Option<&Path>) -> anyhow::Result<Overruns> {
        let open = |path: &Path| {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            file.with_context(|| format!("writing {}", path.display())).map(Arc::new)
        };
        Ok(Overruns(path.map(open).transpose()?))
    }

    /// Something was `late`.
    pub(super) fn check(&self, late: Duration, what: impl FnOnce() -> String) {
        if late <= SLACK {
            return;
        }
        let what = what();
        tracing::debug!("{what} is {} us late", late.as_micros());
        if let Some(file) = &self.0 {
            // One write, so that lines of several threads stay whole.
            let line = format!("{} {what}\n", late.as_micros());
            if let Err(error) = (&**file).write_all(line.as_bytes()) {
                tracing::warn!("noting an overrun: {error}");
            }
        }
    }
}

/// The overruns noted in the file at `path`: how many, and the longest. None
/// where there is no such file.
pub fn count_overruns(path: &Path) -> anyhow::Result<(usize, Duration)> {
    if !path.exists() {
        return Ok((0, Duration::ZERO));
    }
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let late = text.lines().filter_map(|line| line.split(' ').next()?.parse().ok());
    let late: Vec<u64> = late.collect();
    let longest = late.iter().copied().max().unwrap_or(0);
    Ok((late.len(), Duration::from_micros(longest)))
}
