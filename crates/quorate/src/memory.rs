//! How much memory a process may take for what requests bring and make.

mod allowance;

use std::fmt;
use std::path::Path;
use std::str::FromStr;

pub(crate) use allowance::Allowance;

/// The share of the machine's memory that a process takes by itself.
const SHARE: u64 = 4;
/// What is taken for the machine's memory where that is not known.
const UNKNOWN: u64 = 4 << 30;
/// The least that can be asked for.
const LEAST: u64 = 1 << 20;

/// Bytes of payload that one process may hold: half of it for requests, a
/// quarter for what comes in, and one for what waits to go out. A single request
/// that is larger passes all the same, and so do one or two frames a peer, as the
/// plan says how large they are; small frames are bounded by their number. Neither
/// weights nor what an engine takes while it computes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory(u64);

/// Why a text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no size from 1M on, such as 512M or 1.5G")]
pub struct SizeError(String);

impl Memory {
    /// So many bytes.
    pub const fn of(bytes: u64) -> Memory {
        Memory(bytes)
    }

    /// A quarter of the memory of this machine, or of what is given to the groups
    /// of processes that this one is in.
    pub fn of_machine() -> Memory {
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let group = limits(&groups).into_iter();
        let group = group.filter_map(|path| number(&std::fs::read_to_string(path).ok()?));
        let machine = std::fs::read_to_string("/proc/meminfo").ok();
        let machine = machine.as_deref().and_then(total).unwrap_or(UNKNOWN);
        Memory((group.fold(machine, u64::min) / SHARE).max(LEAST))
    }

    /// Bytes for requests.
    pub(crate) fn kept(self) -> usize {
        clamped(self.0 / 2)
    }

    /// Bytes for what comes in.
    pub(crate) fn incoming(self) -> usize {
        clamped(self.0 / 4)
    }

    /// Bytes for what waits to go out.
    pub(crate) fn outgoing(self) -> usize {
        clamped(self.0 / 4)
    }
}

fn clamped(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// Files with the limits of the groups that /proc/self/cgroup names, and of those
/// that they are in.
fn limits(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match kinds {
            "" => ("/sys/fs/cgroup", "memory.max"),
            kinds if kinds.split(',').any(|kind| kind == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        for group in Path::new(path).ancestors() {
            let group = group.display().to_string();
            files.push(format!("{root}{}/{file}", group.trim_end_matches('/')));
        }
    }
    files
}

/// `MemTotal` of /proc/meminfo, in bytes.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    number(line.strip_suffix("kB")?).map(|kb| kb * 1024)
}

impl FromStr for Memory {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Memory, SizeError> {
        let wrong = || SizeError(text.to_owned());
        let letters = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (digits, unit) = text.split_at(letters);
        let shift = match unit.trim().trim_end_matches(['B', 'b']).trim_end_matches('i') {
            "" => 0,
            "k" | "K" => 10,
            "m" | "M" => 20,
            "g" | "G" => 30,
            "t" | "T" => 40,
            _ => return Err(wrong()),
        };
        let bytes = digits.parse::<f64>().map_err(|_| wrong())? * (1u64 << shift) as f64;
        // Above that a number of bytes is none any more.
        if !(LEAST as f64..1e18).contains(&bytes) {
            return Err(wrong());
        }
        Ok(Memory(bytes as u64))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 10 << 30 => write!(f, "{}G", bytes >> 30),
            bytes => write!(f, "{}M", bytes >> 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let good = [
            ("1048576", 1 << 20),
            ("512M", 512 << 20),
            ("512MiB", 512 << 20),
            ("1.5G", 3 << 29),
            ("2g", 2 << 30),
            ("2 GB", 2 << 30),
        ];
        for (text, bytes) in good {
            assert_eq!(text.parse(), Ok(Memory(bytes)), "{text}");
        }
        for text in ["", "M", "5", "-1G", "1e3", "1..5G", "5X", "nan", "9999999999T", "1000000T"] {
            assert_eq!(text.parse::<Memory>(), Err(SizeError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_machine_says_what_it_has() {
        let text = "MemTotal:       24682884 kB\nMemFree:        20000000 kB\n";
        assert_eq!(total(text), Some(24_682_884 * 1024));
        assert_eq!(total("MemFree: 1 kB\n"), None);
        let groups = "5:cpu,memory:/a/b\n3:cpu:/c\n0::/user.slice\n";
        let files = [
            "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/user.slice/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(limits(groups), files);
        assert!(Memory::of_machine().0 >= LEAST);
        assert_eq!(Memory::of(512 << 20).to_string(), "512M");
        assert_eq!(Memory::of(24 << 30).to_string(), "24G");
    }
}
