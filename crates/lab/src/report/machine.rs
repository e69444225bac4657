//! The machine that a report was made on, and the sources it was made of.

use std::path::Path;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

/// A machine and the sources on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Name of its processor.
    pub cpu: String,
    /// Processors that may be used.
    pub cores: usize,
    /// Main memory, in megabytes; 0 where that is not known.
    pub memory_mb: u64,
    /// Operating system and processor family.
    pub system: String,
    /// Commit of the sources, marked where they were changed since.
    pub commit: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        Machine {
            cpu: cpu(&cpus),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_mb: kilobytes(&memory, "MemTotal").unwrap_or(0) / 1024,
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
        }
    }
}

/// What follows `key` and a colon in a file of the kernel's.
fn entry<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
}

/// ARM kernels name the board, if anything.
fn cpu(cpuinfo: &str) -> String {
    let keys = ["model name", "Model", "Hardware"];
    let named = keys.iter().find_map(|key| entry(cpuinfo, key));
    named.unwrap_or("unknown processor").to_owned()
}

/// The kilobytes that a file of the kernel's tells of `key`.
pub(crate) fn kilobytes(text: &str, key: &str) -> Option<u64> {
    entry(text, key)?.strip_suffix(" kB")?.trim().parse().ok()
}

/// The commit that is checked out, if the sources are in a repository. What is
/// below `docs` does not count as a change: reports are kept there.
fn commit() -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&root).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed =
        !git(&["status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs"])?.is_empty();
    Some(if changed { format!("{commit} with changes") } else { commit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_and_memory_are_found_in_the_kernels_words() {
        let x86 = "processor\t: 0\nmodel name\t: Xeon @ 2.70GHz\nmodel\t\t: 1\n";
        let arm = "processor\t: 0\nBogoMIPS\t: 38.40\n\nModel\t\t: Raspberry Pi 4\n";
        for (text, name) in
            [(x86, "Xeon @ 2.70GHz"), (arm, "Raspberry Pi 4"), ("", "unknown processor")]
        {
            assert_eq!(cpu(text), name);
        }
        assert_eq!(
            kilobytes("MemTotal:        8052340 kB\nMemFree: 1 kB\n", "MemTotal"),
            Some(8_052_340)
        );
        assert_eq!(kilobytes("nothing", "MemTotal"), None);
    }
}
