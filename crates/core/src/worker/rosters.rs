//! What one device has learned of rosters that others complete: how long that
//! takes, and for whom there is no use in waiting.

use std::time::Duration;

use crate::id::DeviceSet;
use crate::latest::Latest;

/// Gaps remembered.
const WINDOW: usize = 256;
/// A learned wait is at most this part of what the stage took until then: what is
/// always late is hidden by the spares, not waited for.
const SHARE: u32 = 4;

/// The latest times between the first shards that sufficed for a value and its
/// whole roster, and the devices that did not complete one.
#[derive(Clone, Debug, Default)]
pub(super) struct Rosters {
    gaps: Latest<WINDOW>,
    /// Devices that a wait was in vain for, and that have sent no shard since.
    missed: DeviceSet,
}

impl Rosters {
    /// Remembers a gap.
    pub(super) fn add(&mut self, gap: Duration) {
        self.gaps.add(gap);
    }

    /// The gap that nine of ten do not exceed; zero before any was seen.
    pub(super) fn percentile_90(&self) -> Duration {
        let at = self.gaps.count().saturating_sub(1) * 9 / 10;
        self.gaps.ranked(at).unwrap_or_default()
    }

    /// Devices that are not worth waiting for.
    pub(super) fn missed(&self) -> DeviceSet {
        self.missed
    }

    /// A wait for these was in vain.
    pub(super) fn miss(&mut self, devices: DeviceSet) {
        self.missed = self.missed.union(devices);
    }

    /// A shard of these devices came.
    pub(super) fn hear(&mut self, devices: DeviceSet) {
        self.missed = self.missed.without(devices);
    }
}

/// How long gathers stay with their roster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// This long.
    Fixed(Duration),
    /// This long, as others took it, and no longer than pays.
    Learned(Duration),
}

impl Wait {
    /// How long where the shards sufficed after the stage `took` so long.
    pub(super) fn after(self, took: Duration) -> Duration {
        match self {
            Wait::Fixed(wait) => wait,
            Wait::Learned(wait) => wait.min(took / SHARE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::DeviceId;

    #[test]
    fn nine_of_ten() {
        let mut rosters = Rosters::default();
        assert_eq!(rosters.percentile_90(), Duration::ZERO);
        (1..=100).for_each(|ms| rosters.add(Duration::from_millis(ms)));
        assert_eq!(rosters.percentile_90(), Duration::from_millis(90));
        (0..WINDOW).for_each(|_| rosters.add(Duration::from_millis(7)));
        assert_eq!(rosters.percentile_90(), Duration::from_millis(7));
    }

    #[test]
    fn missed_until_heard_of() {
        let of = |ids: &[u8]| -> DeviceSet { ids.iter().map(|id| DeviceId(*id)).collect() };
        let mut rosters = Rosters::default();
        rosters.miss(of(&[1, 3]));
        rosters.hear(of(&[2, 3]));
        assert_eq!(rosters.missed(), of(&[1]));
    }

    #[test]
    fn learned_waits_are_a_part_of_the_stage() {
        let ms = Duration::from_millis;
        assert_eq!(Wait::Fixed(ms(20)).after(ms(8)), ms(20));
        assert_eq!(Wait::Learned(ms(20)).after(ms(8)), ms(2));
        assert_eq!(Wait::Learned(ms(1)).after(ms(8)), ms(1));
    }
}
