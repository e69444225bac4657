//! How long one device has waited for rosters, lately.

use std::time::Duration;

/// Gaps remembered.
const WINDOW: usize = 256;

/// The latest times between the first shards that sufficed for a value and its
/// whole roster.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps {
    ring: Vec<Duration>,
    next: usize,
}

impl Gaps {
    /// Remembers one.
    pub(super) fn add(&mut self, gap: Duration) {
        if self.ring.len() < WINDOW {
            self.ring.push(gap);
        } else {
            self.ring[self.next] = gap;
        }
        self.next = (self.next + 1) % WINDOW;
    }

    /// The gap that nine of ten do not exceed; zero before any was seen.
    pub(super) fn percentile_90(&self) -> Duration {
        let mut sorted = self.ring.clone();
        if sorted.is_empty() {
            return Duration::ZERO;
        }
        let at = (sorted.len() - 1) * 9 / 10;
        *sorted.select_nth_unstable(at).1
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
