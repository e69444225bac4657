//! Which shards are lost.

use quorate::random::SplitMix;
use quorate_code::{Patterns, ShardSet};

/// `lost` different ones of `0..of`.
pub(super) fn subset(random: &mut SplitMix, of: usize, lost: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..of).collect();
    random.shuffle(&mut all);
    all.truncate(lost);
    all
}

/// Different sets of `lost` of `shards` shards: `draws` of them, or all where
/// there are not more.
pub(super) fn patterns(seed: u64, shards: usize, lost: usize, draws: usize) -> Vec<ShardSet> {
    if Patterns::count(shards, lost) <= draws as u64 {
        return Patterns::new(shards, lost).collect();
    }
    let mut random = SplitMix::new(seed);
    let mut drawn: Vec<ShardSet> = Vec::new();
    while drawn.len() < draws {
        let set = subset(&mut random, shards, lost).into_iter().collect();
        if !drawn.contains(&set) {
            drawn.push(set);
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_differ_and_are_of_one_size() {
        for (shards, lost, draws, count) in
            [(10, 1, 3, 3), (10, 5, 40, 40), (3, 2, 9, 3), (4, 4, 2, 1)]
        {
            let drawn = patterns(1, shards, lost, draws);
            let different: std::collections::BTreeSet<_> = drawn.iter().collect();
            assert_eq!((drawn.len(), different.len()), (count, count));
            let within = |set: &ShardSet| set.len() == lost && set.iter().all(|s| s < shards);
            assert!(drawn.iter().all(within), "{drawn:?}");
        }
        assert_eq!(patterns(1, 10, 4, 3), patterns(1, 10, 4, 3));
        assert_ne!(patterns(1, 10, 4, 3), patterns(2, 10, 4, 3));
    }
}
