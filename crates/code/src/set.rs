//! A set of shard indices.

use core::fmt;

use crate::SHARDS_MAX;

/// Set of shard indices: `0..N` are data shards, `N..N + M` parity shards.
///
/// Holds the indices 0 to 63 in one word, so that it is `Copy` and a key for
/// caches. It iterates in rising order.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardSet(u64);

impl ShardSet {
    /// The empty set.
    pub const fn new() -> Self {
        Self(0)
    }

    /// The empty set.
    pub const fn empty() -> Self {
        Self(0)
    }

    /// The shards `0..n`.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`SHARDS_MAX`].
    pub const fn first(n: usize) -> Self {
        assert!(n <= SHARDS_MAX, "a shard set holds 64 shards");
        if n == SHARDS_MAX { Self(u64::MAX) } else { Self((1 << n) - 1) }
    }

    /// The set whose bit `i` stands for shard `i`.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// One bit a shard.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Adds `shard`; true if it was not there.
    ///
    /// # Panics
    ///
    /// If `shard` is [`SHARDS_MAX`] or more.
    pub const fn insert(&mut self, shard: usize) -> bool {
        assert!(shard < SHARDS_MAX, "a shard set holds the shards 0 to 63");
        let new = !self.contains(shard);
        self.0 |= 1 << shard;
        new
    }

    /// Takes `shard` out; true if it was there.
    pub const fn remove(&mut self, shard: usize) -> bool {
        let was = self.contains(shard);
        if was {
            self.0 &= !(1 << shard);
        }
        was
    }

    /// True if `shard` is in the set.
    pub const fn contains(self, shard: usize) -> bool {
        shard < SHARDS_MAX && self.0 >> shard & 1 == 1
    }

    /// How many shards there are.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// True if there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// All shards of both.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The shards that are in both.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// This set's shards that are not in `other`.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// True if every shard of this set is in `other`.
    pub const fn is_subset(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// How many shards of the set are smaller than `shard`.
    pub(crate) const fn rank(self, shard: usize) -> usize {
        Self(self.0 & Self::first(shard).0).len()
    }

    /// The shards in rising order.
    pub const fn iter(self) -> Iter {
        Iter(self.0)
    }
}

/// The shards of a [`ShardSet`] in rising order.
#[derive(Clone, Debug)]
pub struct Iter(u64);

impl Iterator for Iter {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let shard = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(shard)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.0.count_ones() as usize;
        (len, Some(len))
    }
}

impl ExactSizeIterator for Iter {}

impl IntoIterator for ShardSet {
    type Item = usize;
    type IntoIter = Iter;

    fn into_iter(self) -> Iter {
        self.iter()
    }
}

impl FromIterator<usize> for ShardSet {
    fn from_iter<I: IntoIterator<Item = usize>>(shards: I) -> Self {
        let mut set = Self::new();
        for shard in shards {
            set.insert(shard);
        }
        set
    }
}

impl fmt::Display for ShardSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, shard) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{shard}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for ShardSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec::Vec};

    use super::*;

    #[test]
    fn operations() {
        let a: ShardSet = [0, 3, 63].into_iter().collect();
        let b: ShardSet = [3, 4].into_iter().collect();
        assert_eq!(a.len(), 3);
        assert_eq!(a.iter().collect::<Vec<_>>(), [0, 3, 63]);
        assert_eq!(a.union(b).to_string(), "{0, 3, 4, 63}");
        assert_eq!(a.intersection(b).to_string(), "{3}");
        assert_eq!(a.without(b).to_string(), "{0, 63}");
        assert_eq!(a.rank(63), 2);
        assert!(!a.contains(64) && !a.contains(200));
        assert_eq!(ShardSet::from_bits(a.bits()), a);
    }

    #[test]
    fn first_covers_the_edges() {
        assert!(ShardSet::first(0).is_empty());
        assert_eq!(ShardSet::first(64).len(), 64);
        assert_eq!(ShardSet::first(5).to_string(), "{0, 1, 2, 3, 4}");
    }

    #[test]
    fn insert_and_remove_tell_what_changed() {
        let mut set = ShardSet::empty();
        assert!(set.insert(5) && !set.insert(5));
        assert!(set.remove(5) && !set.remove(5) && !set.remove(99));
        assert!(set.is_empty());
    }
}
