//! What a device can do.
//!
//! One type for all who ask: the planner compares plans by it, the simulator
//! lets virtual time pass by it, an emulated worker answers by it.

use std::time::Duration;

use quorate_model::work::{Work, WorkKind};
use serde::Deserialize;

use super::delay::Delay;
use super::figure::{Figure, FigureError, duration_us, positive};

/// What a device can do.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Its name: letters, digits and `-`.
    pub name: String,
    /// What it is, for people.
    pub what: String,
    /// How fast it computes.
    pub rates: Rates,
    /// Memory for weights, in bytes.
    pub memory_bytes: u64,
    /// Bytes a second at which weights are loaded from where they are stored.
    pub storage_bytes_per_s: f64,
    /// What each message costs its sender and its receiver beyond its bytes.
    pub message_cost: Duration,
    /// What a computed result waits before it goes out: the device's own
    /// scheduler, software and radio.
    pub answer_delay: Delay,
}

/// How fast a device computes, by kind of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Multiply-accumulates a second in convolutions of 3x3 windows by
    /// Winograd's algorithm, counted as the plain ones they stand for. Zero
    /// where the device's engine has no such kernel.
    pub winograd_macs_per_s: f64,
    /// Multiply-accumulates a second in other dense convolutions.
    pub conv_macs_per_s: f64,
    /// Multiply-accumulates a second in depthwise convolutions.
    pub depthwise_macs_per_s: f64,
    /// Multiply-accumulates a second in matrix products.
    pub fc_macs_per_s: f64,
    /// Bytes a second at which weights and values are read from memory.
    pub memory_bytes_per_s: f64,
    /// What each node costs beyond that.
    pub node_overhead: Duration,
}

/// Winograd's transformed 3x3 weights take four times their room (6x6 tiles:
/// 36 numbers for 9).
const WINOGRAD_WEIGHTS: f64 = 4.0;

impl Rates {
    /// How long a node takes, alone on the device.
    pub fn time(&self, work: &Work) -> Duration {
        let macs = work.macs as f64;
        let weights = work.weight_bytes as f64 / self.memory_bytes_per_s;
        let seconds = match work.kind {
            WorkKind::Winograd => {
                let plain = macs / self.conv_macs_per_s + weights;
                let fast = macs / self.winograd_macs_per_s + WINOGRAD_WEIGHTS * weights;
                if self.winograd_macs_per_s > 0.0 { plain.min(fast) } else { plain }
            }
            WorkKind::Conv => macs / self.conv_macs_per_s + weights,
            WorkKind::Depthwise => macs / self.depthwise_macs_per_s + weights,
            // One column: weights are streamed while they are used.
            WorkKind::Product => (macs / self.fc_macs_per_s).max(weights),
            WorkKind::Moving => work.moved_bytes as f64 / self.memory_bytes_per_s,
            WorkKind::Fused => return Duration::ZERO,
        };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX) + self.node_overhead
    }
}

impl Profile {
    /// How long nodes take one after the other, alone on the device.
    pub fn time(&self, work: &[Work]) -> Duration {
        let add = |sum: Duration, work| sum.saturating_add(self.rates.time(work));
        work.iter().fold(Duration::ZERO, add)
    }

    /// Reads a profile file: TOML, each figure with its source.
    pub fn parse(text: &str) -> Result<Profile, FigureError> {
        let file: File = toml::from_str(text)?;
        let Compute { winograd, conv, depthwise, fc, memory, node } = &file.compute;
        let rates = Rates {
            winograd_macs_per_s: winograd.at_least("compute.winograd_macs_per_s", 0.0)?,
            conv_macs_per_s: positive("compute.conv_macs_per_s", conv)?,
            depthwise_macs_per_s: positive("compute.depthwise_macs_per_s", depthwise)?,
            fc_macs_per_s: positive("compute.fc_macs_per_s", fc)?,
            memory_bytes_per_s: positive("compute.memory_bytes_per_s", memory)?,
            node_overhead: duration_us("compute.node_overhead_us", node)?,
        };
        Ok(Profile {
            name: file.name,
            what: file.what,
            rates,
            memory_bytes: positive("memory_bytes", &file.memory_bytes)? as u64,
            storage_bytes_per_s: positive("storage_bytes_per_s", &file.storage_bytes_per_s)?,
            message_cost: duration_us("message_cost_us", &file.message_cost_us)?,
            answer_delay: match file.answer_delay {
                Some(delay) => delay.read("answer_delay")?,
                None => Delay::constant(Duration::ZERO),
            },
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    what: String,
    memory_bytes: Figure,
    storage_bytes_per_s: Figure,
    message_cost_us: Figure,
    compute: Compute,
    answer_delay: Option<DelayFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Compute {
    #[serde(rename = "winograd_macs_per_s")]
    winograd: Figure,
    #[serde(rename = "conv_macs_per_s")]
    conv: Figure,
    #[serde(rename = "depthwise_macs_per_s")]
    depthwise: Figure,
    #[serde(rename = "fc_macs_per_s")]
    fc: Figure,
    #[serde(rename = "memory_bytes_per_s")]
    memory: Figure,
    #[serde(rename = "node_overhead_us")]
    node: Figure,
}

/// A distribution in a file: two points that it goes through.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DelayFile {
    first_us: Figure,
    first_share: Figure,
    second_us: Figure,
    second_share: Figure,
}

impl DelayFile {
    fn read(&self, name: &'static str) -> Result<Delay, FigureError> {
        let point = |us: &Figure, share: &Figure| -> Result<(Duration, f64), FigureError> {
            Ok((duration_us(name, us)?, positive(name, share)?))
        };
        let first = point(&self.first_us, &self.first_share)?;
        let second = point(&self.second_us, &self.second_share)?;
        Delay::through(Duration::ZERO, first, second).ok_or(FigureError::Points { name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PI_4: &str = include_str!("../../../../profiles/pi-4.toml");

    /// A node with this kind of work.
    fn work(kind: WorkKind, macs: u64, weight_bytes: u64) -> Work {
        Work { kind, macs, weight_bytes, moved_bytes: 4_000_000 }
    }

    #[test]
    fn time_by_kind() {
        let rates = Profile::parse(PI_4).unwrap().rates;
        let cases = [
            // 22 GMAC at 22 GMAC/s, and four times 4 MB at 4 GB/s.
            (work(WorkKind::Winograd, 22_000_000_000, 4_000_000), 1_004.02),
            // So few that plain is faster.
            (work(WorkKind::Winograd, 9_200_000, 40_000_000), 11.02),
            (work(WorkKind::Conv, 9_200_000_000, 4_000_000), 1_001.02),
            (work(WorkKind::Depthwise, 2_600_000_000, 0), 1_000.02),
            // Weights are the limit, or operations are.
            (work(WorkKind::Product, 9_200_000, 40_000_000), 10.02),
            (work(WorkKind::Product, 9_200_000_000, 4), 1_000.02),
            (work(WorkKind::Moving, 0, 0), 1.02),
            (work(WorkKind::Fused, 0, 0), 0.0),
        ];
        for (work, ms) in cases {
            let got = rates.time(&work).as_secs_f64() * 1e3;
            assert!((got - ms).abs() < 1e-6 * ms.max(1.0), "{work:?}: {got}, expected {ms}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let replaced = |from: &str, to: &str| {
            assert!(PI_4.contains(from), "{from}");
            Profile::parse(&PI_4.replacen(from, to, 1)).unwrap_err().to_string()
        };
        let said = replaced("value = 22e9", "value = -1");
        assert_eq!(said, "compute.winograd_macs_per_s = -1, must be zero or positive");
        assert!(replaced("value = 9.2e9", "value = 0").contains("must be positive"));
        assert!(replaced("value = 9.2e9", "value = nan").contains("must be positive"));
        assert!(replaced("value = 300", "value = 1e12").contains("an hour at most"));
        let unsourced = Profile::parse(&PI_4.replace("source = \"fitted", "source = \"\" #"));
        assert!(unsourced.is_err());
    }
}
