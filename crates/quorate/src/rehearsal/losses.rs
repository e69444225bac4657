//! Patterns of lost shards to try.

use quorate_code::{Patterns, ShardSet};

use crate::random::SplitMix;

/// Most patterns tried for one number of lost shards; where there are more,
/// so many are drawn.
const LOSSES_MAX: u64 = 1_000;
const LOSSES_SEED: u64 = 1;

/// Patterns of up to `most` lost shards of `n`. For each number of lost
/// shards, all patterns if there are at most [`LOSSES_MAX`], else a sample
/// that is always the same.
pub(super) fn losses(n: usize, most: usize) -> Vec<ShardSet> {
    let mut random = SplitMix::new(LOSSES_SEED);
    let mut all = Vec::new();
    for size in 0..=most.min(n) {
        match Patterns::count(n, size) {
            0..=LOSSES_MAX => all.extend(Patterns::new(n, size)),
            _ => all.extend((0..LOSSES_MAX).map(|_| random_subset(&mut random, n, size))),
        }
    }
    all
}

/// The lost shards in words.
pub(super) fn list(set: ShardSet) -> String {
    if set.is_empty() {
        return "nothing".to_owned();
    }
    let word = if set.len() == 1 { "shard" } else { "shards" };
    format!("{word} {}", set.iter().map(|shard| shard.to_string()).collect::<Vec<_>>().join(", "))
}

/// `size` different members of `0..n`.
pub(super) fn random_subset(random: &mut SplitMix, n: usize, size: usize) -> ShardSet {
    let mut set = ShardSet::new();
    while set.len() < size.min(n) {
        set.insert(random.below(n));
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_all_of_them_or_a_sample() {
        let sampled = 1 + 24 + 276 + 2 * LOSSES_MAX as usize;
        for (n, most, count) in [(5, 0, 1), (5, 1, 6), (5, 2, 16), (3, 9, 8), (24, 4, sampled)] {
            let sets = losses(n, most);
            assert_eq!(sets.len(), count);
            assert!(sets.iter().all(|set| set.len() <= most));
        }
        let different: std::collections::BTreeSet<_> = losses(5, 2).into_iter().collect();
        assert_eq!(different.len(), 16);
    }
}
