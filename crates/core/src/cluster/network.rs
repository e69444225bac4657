//! What connects devices.

use std::time::Duration;

use serde::Deserialize;

use super::figure::{Figure, FigureError, duration_us, positive};

/// What connects devices.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Its name: letters, digits and `-`.
    pub name: String,
    /// What it is, for people.
    pub what: String,
    /// Bytes a second: of each device each way, or of all together where the
    /// medium is shared.
    pub bytes_per_s: f64,
    /// Is one message under way at a time, as by radio?
    pub shared: bool,
    /// How long a message is under way beyond its bytes.
    pub latency: Duration,
}

impl Network {
    /// How long `bytes` take on the wire.
    pub fn time(&self, bytes: u64) -> Duration {
        Duration::try_from_secs_f64(bytes as f64 / self.bytes_per_s).unwrap_or(Duration::MAX)
    }

    /// Reads a network file: TOML, each figure with its source.
    pub fn parse(text: &str) -> Result<Network, FigureError> {
        let file: File = toml::from_str(text)?;
        Ok(Network {
            name: file.name,
            what: file.what,
            bytes_per_s: positive("bytes_per_s", &file.bytes_per_s)?,
            shared: file.shared,
            latency: duration_us("latency_us", &file.latency_us)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    what: String,
    shared: bool,
    bytes_per_s: Figure,
    latency_us: Figure,
}
