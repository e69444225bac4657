//! The profiles that come with the program.

use std::path::Path;

use anyhow::{Context, bail};
use quorate_core::cluster::{Network, Profile};

macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../../profiles/", $name, ".toml")))
    };
}

/// Names and files of the devices that come with the program.
pub const PROFILES: &[(&str, &str)] = &[
    file!("pi-3b-plus"),
    file!("pi-4"),
    file!("pi-5"),
    file!("laptop"),
    file!("paper"),
    file!("paper-literal"),
];

/// Names and files of the networks that come with the program.
pub const NETWORKS: &[(&str, &str)] =
    &[file!("networks/wifi-94"), file!("networks/lan-94"), file!("networks/lan-1000")];

/// The device of this name, or of a file (`.toml`).
pub fn profile(name: &str) -> anyhow::Result<Profile> {
    let text = find(PROFILES, "device", name)?;
    Profile::parse(&text).with_context(|| format!("device {name}"))
}

/// The network of this name, or of a file (`.toml`).
pub fn network(name: &str) -> anyhow::Result<Network> {
    let text = find(NETWORKS, "network", name)?;
    Network::parse(&text).with_context(|| format!("network {name}"))
}

/// Longest profile file that is read.
const BYTES_MAX: u64 = 1 << 20;

fn find(known: &[(&str, &str)], what: &str, name: &str) -> anyhow::Result<String> {
    let short = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    if let Some((_, text)) = known.iter().find(|(path, _)| short(path) == name) {
        return Ok((*text).to_owned());
    }
    let path = Path::new(name);
    if path.extension().is_none_or(|ending| ending != "toml") {
        let names: Vec<String> = known.iter().map(|(path, _)| short(path)).collect();
        bail!("no {what} {name}: there are {}, or name a .toml file", names.join(", "));
    }
    let length = std::fs::metadata(path).with_context(|| format!("{what} {name}"))?.len();
    if length > BYTES_MAX {
        bail!("{what} {name} has {length} bytes, limit {BYTES_MAX}");
    }
    std::fs::read_to_string(path).with_context(|| format!("{what} {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_can_be_read_and_bear_their_names() {
        for (path, _) in PROFILES {
            let known = profile(path).unwrap();
            assert_eq!(known.name, *path);
        }
        for (path, _) in NETWORKS {
            let name = path.trim_start_matches("networks/");
            assert_eq!(network(name).unwrap().name, name);
        }
    }

    /// 50 ms of computing and 3 on the network are not in the delay.
    #[test]
    fn both_readings_of_the_papers_first_figure() {
        let below = |name: &str, ms: u64| {
            let delay = profile(name).unwrap().answer_delay;
            (delay.share_below(std::time::Duration::from_millis(ms - 53)) * 1e3).round() / 1e3
        };
        assert_eq!((below("paper", 75), below("paper", 100)), (0.42, 0.66));
        assert_eq!((below("paper-literal", 100), below("paper-literal", 150)), (0.34, 0.42));
    }

    #[test]
    fn unknown_names_are_told_what_there_is() {
        let said = profile("pi-9").unwrap_err().to_string();
        assert!(said.starts_with("no device pi-9: there are pi-3b-plus, pi-4"), "{said}");
        assert!(network("lan-9").unwrap_err().to_string().contains("wifi-94"));
        assert!(profile("nowhere.toml").is_err());
    }
}
