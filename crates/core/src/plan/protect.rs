//! How a plan meets a loss.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How a plan meets a loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protect {
    /// Spare work is done for every request, and a loss costs nothing.
    #[default]
    Always,
    /// Every device does its share and nothing is done twice: a request that meets a
    /// loss moves to the plan for those left.
    OnDemand,
}

/// Silence after which a device is suspected where nobody stands in for it: four
/// heartbeats.
const SILENCE: Duration = Duration::from_millis(100);

impl Protect {
    /// Silence after which a device is suspected, where it would be `usual`.
    pub(crate) fn silence(self, usual: Duration) -> Duration {
        match self {
            Protect::Always => usual,
            Protect::OnDemand => usual.min(SILENCE),
        }
    }
}

impl fmt::Display for Protect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protect::Always => "always",
            Protect::OnDemand => "on-demand",
        })
    }
}

impl FromStr for Protect {
    type Err = String;

    fn from_str(word: &str) -> Result<Protect, String> {
        match word {
            "always" => Ok(Protect::Always),
            "on-demand" => Ok(Protect::OnDemand),
            _ => Err(format!("\"{word}\" is neither always nor on-demand")),
        }
    }
}
