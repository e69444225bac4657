//! Loss patterns: sets of shards that are lost together.

use crate::ShardSet;

/// All sets of `lost` out of `shards` shards.
#[derive(Clone, Debug)]
pub struct Patterns {
    next: Option<u64>,
    all: u64,
}

impl Patterns {
    /// All sets of `lost` out of the first `shards` shards.
    pub fn new(shards: usize, lost: usize) -> Self {
        let first = (lost <= shards).then(|| ShardSet::first(lost).bits());
        Self { next: first, all: ShardSet::first(shards).bits() }
    }

    /// The number of patterns, at most `u64::MAX`.
    pub fn count(shards: usize, lost: usize) -> u64 {
        if lost > shards {
            return 0;
        }
        let lost = lost.min(shards - lost) as u128;
        let count = (0..lost).fold(1u128, |count, i| count * (shards as u128 - i) / (i + 1));
        u64::try_from(count).unwrap_or(u64::MAX)
    }
}

impl Iterator for Patterns {
    type Item = ShardSet;

    /// The next larger word with as many bits (Gosper, HAKMEM item 175).
    fn next(&mut self) -> Option<ShardSet> {
        let bits = self.next?;
        let lowest = bits & bits.wrapping_neg();
        let (ripple, over) = bits.overflowing_add(lowest);
        let last = bits == 0 || over;
        let following = if last { 0 } else { ripple | (((bits ^ ripple) >> 2) / lowest) };
        self.next = (!last && following & !self.all == 0).then_some(following);
        Some(ShardSet::from_bits(bits))
    }
}

/// How many loss patterns of one size a code repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Patterns that are repaired.
    pub repaired: u64,
    /// All patterns of this size.
    pub patterns: u64,
}

impl Coverage {
    /// The share that is repaired, 1 if there are no patterns.
    pub fn share(self) -> f64 {
        if self.patterns == 0 { 1.0 } else { self.repaired as f64 / self.patterns as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_all_and_different() {
        for (shards, lost) in
            [(5, 0), (5, 1), (5, 5), (6, 3), (10, 4), (64, 1), (64, 2), (64, 64), (3, 4)]
        {
            let mut seen = 0;
            let mut before = None;
            for pattern in Patterns::new(shards, lost) {
                assert_eq!(pattern.len(), lost);
                assert!(pattern.is_subset(ShardSet::first(shards)));
                assert!(before < Some(pattern.bits()));
                before = Some(pattern.bits());
                seen += 1;
            }
            assert_eq!(seen, Patterns::count(shards, lost), "{lost} of {shards}");
        }
        assert_eq!(Patterns::count(36, 4), 58_905);
        assert_eq!(Patterns::count(64, 32), 1_832_624_140_942_590_534);
    }
}
