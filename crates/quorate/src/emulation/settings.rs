//! What a process emulates.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use quorate_core::cluster::{Network, Profile};

/// What a process emulates.
#[derive(Clone, Debug)]
pub struct Emulation {
    /// The device that it is.
    pub profile: Profile,
    /// The network that it is on; all processes of a cluster must be on one.
    pub network: Network,
    /// How many times slower everything is than it says, at least 1.
    pub dilation: f64,
    /// Decides delays that are drawn.
    pub seed: u64,
    /// Where the [`Medium`](super::Medium) of a shared network listens.
    pub medium: Option<String>,
    /// File to which overruns are noted.
    pub overruns: Option<PathBuf>,
}

/// No emulation is slower.
const DILATION_MAX: f64 = 1000.0;

impl Emulation {
    /// A device on a network, as fast as it is.
    pub fn new(profile: Profile, network: Network) -> Emulation {
        let (dilation, seed) = (1.0, 1);
        Emulation { profile, network, dilation, seed, medium: None, overruns: None }
    }

    /// Can this be emulated?
    pub fn check(&self) -> anyhow::Result<()> {
        let got = self.dilation;
        ensure!(
            (1.0..=DILATION_MAX).contains(&got),
            "dilation {got}, must be within [1, {DILATION_MAX}]"
        );
        let name = &self.network.name;
        ensure!(
            !self.network.shared || self.medium.is_some(),
            "network {name} is shared: start `quorate medium` and name its address (--medium)"
        );
        ensure!(
            cfg!(unix),
            "devices are emulated by a clock that all processes share, which only Unix has"
        );
        Ok(())
    }

    /// How long something that takes `time` on the device takes here.
    pub(crate) fn stretch(&self, time: Duration) -> Duration {
        Duration::try_from_secs_f64(time.as_secs_f64() * self.dilation).unwrap_or(Duration::MAX)
    }
}
