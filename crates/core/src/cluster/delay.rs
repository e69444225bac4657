//! How long something takes that does not always take equally long.

use std::time::Duration;

/// A shifted Weibull distribution: `least + scale * w`, where w exceeds x with
/// probability `exp(-x^shape)`. A shape of 1 is a shifted exponential, which
/// coded computing takes for stragglers (Lee et al. 2018); below 1 the tail is
/// longer. A scale of zero is a constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// The least that there is.
    pub least: Duration,
    /// What the rest is measured by: a share of 1 - 1/e lies below it.
    pub scale: Duration,
    /// How long the tail is: the smaller, the longer. Positive.
    pub shape: f64,
}

impl Delay {
    /// Always the same.
    pub const fn constant(least: Duration) -> Delay {
        Delay { least, scale: Duration::ZERO, shape: 1.0 }
    }

    /// The distribution of which a share of `first.1` lies below `first.0`
    /// above `least`, and `second.1` below `second.0` above it. `None` where
    /// no such distribution is: both must grow, shares within (0, 1).
    pub fn through(
        least: Duration,
        first: (Duration, f64),
        second: (Duration, f64),
    ) -> Option<Delay> {
        let hazard = |share: f64| -(1.0 - share).ln();
        let inside = |share: f64| share > 0.0 && share < 1.0;
        let grows = first.0 > Duration::ZERO && second.0 > first.0 && second.1 > first.1;
        if !inside(first.1) || !inside(second.1) || !grows {
            return None;
        }
        let (x1, x2) = (first.0.as_secs_f64(), second.0.as_secs_f64());
        let shape = (hazard(second.1) / hazard(first.1)).ln() / (x2 / x1).ln();
        let scale = x1 / hazard(first.1).powf(1.0 / shape);
        let scale = Duration::try_from_secs_f64(scale).ok()?;
        Some(Delay { least, scale, shape })
    }

    /// The delay below which a share of `share` of all lie; `share` within
    /// [0, 1). Equally distributed shares give delays of this distribution.
    pub fn quantile(&self, share: f64) -> Duration {
        if self.scale.is_zero() {
            return self.least;
        }
        let share = share.clamp(0.0, 1.0 - f64::EPSILON);
        let rest = self.scale.as_secs_f64() * (-(1.0 - share).ln()).powf(1.0 / self.shape);
        let rest = Duration::try_from_secs_f64(rest).unwrap_or(Duration::MAX);
        self.least.saturating_add(rest)
    }

    /// The share of delays below `delay`.
    pub fn share_below(&self, delay: Duration) -> f64 {
        let Some(rest) = delay.checked_sub(self.least) else { return 0.0 };
        if self.scale.is_zero() {
            return 1.0;
        }
        1.0 - (-(rest.as_secs_f64() / self.scale.as_secs_f64()).powf(self.shape)).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn goes_through_both_points() {
        for (first, second) in [((50, 0.34), (100, 0.42)), ((25, 0.42), (50, 0.66))] {
            let at = |(ms, share): (u64, f64)| (MS(ms), share);
            let delay = Delay::through(MS(50), at(first), at(second)).unwrap();
            for (ms, share) in [first, second] {
                let found = delay.share_below(MS(50 + ms));
                assert!((found - share).abs() < 1e-6, "{found}, expected {share}");
                let back = delay.quantile(share).as_secs_f64() * 1e3;
                assert!((back - (50 + ms) as f64).abs() < 1e-3, "{back}");
            }
            assert_eq!(delay.share_below(MS(49)), 0.0);
            assert_eq!(delay.quantile(0.0), MS(50));
        }
    }

    #[test]
    fn points_without_a_distribution() {
        let cases = [((50, 0.0), (100, 0.4)), ((50, 0.4), (50, 0.5)), ((50, 0.5), (100, 0.4))];
        for ((a, p), (b, q)) in cases {
            assert_eq!(Delay::through(MS(0), (MS(a), p), (MS(b), q)), None);
        }
        assert_eq!(Delay::constant(MS(3)).quantile(0.999), MS(3));
        assert_eq!(Delay::constant(MS(3)).share_below(MS(3)), 1.0);
    }
}
