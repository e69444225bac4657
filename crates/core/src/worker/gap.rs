//! How long one device has waited for rosters, lately.

use std::time::Duration;

use crate::latest::Latest;

/// Gaps remembered.
const WINDOW: usize = 256;

/// The latest times between the first shards that sufficed for a value and its
/// whole roster.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps(Latest<WINDOW>);

impl Gaps {
    /// Remembers one.
    pub(super) fn add(&mut self, gap: Duration) {
        self.0.add(gap);
    }

    /// The gap that nine of ten do not exceed; zero before any was seen.
    pub(super) fn percentile_90(&self) -> Duration {
        let at = self.0.count().saturating_sub(1) * 9 / 10;
        self.0.ranked(at).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_of_ten() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.percentile_90(), Duration::ZERO);
        (1..=100).for_each(|ms| gaps.add(Duration::from_millis(ms)));
        assert_eq!(gaps.percentile_90(), Duration::from_millis(90));
        (0..WINDOW).for_each(|_| gaps.add(Duration::from_millis(7)));
        assert_eq!(gaps.percentile_90(), Duration::from_millis(7));
    }
}
