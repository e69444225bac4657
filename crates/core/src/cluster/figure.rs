//! A number in a profile file, and where it comes from.

use std::time::Duration;

use serde::Deserialize;

/// A number, and where it comes from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Figure {
    value: f64,
    source: String,
}

/// Why a profile file cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FigureError {
    /// It is not the TOML that it should be.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A number is out of its bounds.
    #[error("{name} = {got}, must be {expected}")]
    Value {
        /// Which.
        name: &'static str,
        /// What the file says.
        got: f64,
        /// What it may be.
        expected: &'static str,
    },
    /// A number without a source.
    #[error("{name} has no source: say where the number comes from")]
    Source {
        /// Which.
        name: &'static str,
    },
    /// No distribution goes through the two points.
    #[error("{name}: no delay has both shares; times and shares must grow, shares within (0, 1)")]
    Points {
        /// Which.
        name: &'static str,
    },
}

/// No figure of a device or a link is larger.
const MAX: f64 = 1e18;

impl Figure {
    /// The number, which must be `least` at least.
    pub(super) fn at_least(&self, name: &'static str, least: f64) -> Result<f64, FigureError> {
        if self.source.trim().is_empty() {
            return Err(FigureError::Source { name });
        }
        if !(self.value >= least && self.value <= MAX) {
            let expected = if least > 0.0 { "positive" } else { "zero or positive" };
            return Err(FigureError::Value { name, got: self.value, expected });
        }
        Ok(self.value)
    }
}

/// The number, which must be positive.
pub(super) fn positive(name: &'static str, figure: &Figure) -> Result<f64, FigureError> {
    figure.at_least(name, f64::MIN_POSITIVE)
}

/// A number of microseconds, at most an hour.
pub(super) fn duration_us(name: &'static str, figure: &Figure) -> Result<Duration, FigureError> {
    const HOUR_US: f64 = 3.6e9;
    let us = figure.at_least(name, 0.0)?;
    if us > HOUR_US {
        return Err(FigureError::Value { name, got: us, expected: "an hour at most" });
    }
    Ok(Duration::from_secs_f64(us * 1e-6))
}
