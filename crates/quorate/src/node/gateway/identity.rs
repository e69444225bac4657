//! Who a gateway is, over restarts: so that devices know a run of it for the next
//! one, and work for the one before no longer.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::Context;
use quorate_core::id::GatewayRun;
use serde::{Deserialize, Serialize};

/// Name of the file, in the gateway's folder.
const IDENTITY_FILE: &str = "identity.toml";
/// Longest file that is read.
const BYTES_MAX: u64 = 4096;

/// A run of a gateway; no other process takes its name while this is kept.
pub(super) struct Identity {
    pub(super) run: GatewayRun,
    /// Locked, unless the run has a name that only it knows.
    _file: Option<File>,
}

/// What is kept of a gateway between its runs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// Its name, in hexadecimal digits.
    gateway: String,
    /// The number of its last run.
    epoch: u64,
}

impl Identity {
    /// The next run of the gateway of `folder`. Where another process is that one
    /// now, or nothing can be written there, the run of one that is new.
    pub(super) fn take(folder: &Path) -> Identity {
        let path = folder.join(IDENTITY_FILE);
        match next(&path) {
            Ok((run, file)) => Identity { run, _file: Some(file) },
            Err(error) => {
                tracing::debug!("{}: {error:#}", path.display());
                Identity { run: GatewayRun { gateway: random(), epoch: micros() }, _file: None }
            }
        }
    }
}

fn next(path: &Path) -> anyhow::Result<(GatewayRun, File)> {
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = open?;
    file.try_lock().context("in use")?;
    let mut text = String::new();
    // What is no identity is replaced by one.
    let _ = (&mut file).take(BYTES_MAX).read_to_string(&mut text);
    let kept: Option<Kept> = toml::from_str(&text).ok();
    let known = kept.and_then(|k| Some((u64::from_str_radix(&k.gateway, 16).ok()?, k.epoch)));
    let (gateway, last) = known.unwrap_or((random(), 0));
    // By the clock as well: a folder may have been copied, and two runs that have
    // name and number in common would be taken for one.
    let run = GatewayRun { gateway, epoch: micros().max(last.saturating_add(1)) };
    let kept = Kept { gateway: format!("{:016x}", run.gateway), epoch: run.epoch };
    let text = format!("# Who this gateway is.\n{}", toml::to_string(&kept)?);
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok((run, file))
}

fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

fn micros() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_and_numbers_grow() {
        let folder = tempfile::tempdir().unwrap();
        let first = Identity::take(folder.path());
        // While that one runs, another has another name.
        let beside = Identity::take(folder.path());
        assert_ne!(first.run.gateway, beside.run.gateway);
        let run = first.run;
        drop(first);
        let second = Identity::take(folder.path());
        assert_eq!(second.run.gateway, run.gateway);
        assert!(second.run.epoch > run.epoch);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let ahead = u64::MAX / 4;
        let text = format!("gateway = \"00000000000000ff\"\nepoch = {ahead}\n");
        std::fs::write(folder.path().join(IDENTITY_FILE), text).unwrap();
        let run = Identity::take(folder.path()).run;
        assert_eq!(run, GatewayRun { gateway: 255, epoch: ahead + 1 });
    }

    #[test]
    fn what_is_no_identity_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "gateway = 7", "gateway = \"xyz\"\nepoch = 1\n", "\u{0}\u{0}"] {
            std::fs::write(folder.path().join(IDENTITY_FILE), text).unwrap();
            let run = Identity::take(folder.path()).run;
            assert_eq!(Identity::take(folder.path()).run.gateway, run.gateway, "{text:?}");
        }
        let nowhere = Identity::take(&folder.path().join("nowhere"));
        assert!(nowhere.run.epoch > 0);
    }
}
