//! A layer's value without some of its shards, and what stands in for them.

use std::fmt;
use std::ops::Range;

use quorate_code::ShardSet;
use serde::{Deserialize, Serialize};

/// What stands in for a shard that never arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Substitute {
    /// Zeros.
    Zero,
    /// What each of its rows is on average.
    Mean,
    /// The nearest shard that did arrive; zeros where none did.
    Nearest,
}

impl Substitute {
    /// All of them.
    pub(crate) const ALL: [Substitute; 3] =
        [Substitute::Zero, Substitute::Mean, Substitute::Nearest];
}

impl fmt::Display for Substitute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Substitute::Zero => "zero",
            Substitute::Mean => "mean",
            Substitute::Nearest => "nearest shard",
        })
    }
}

/// How a layer's value is divided: shards are rows along one dimension.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// Product of the dimensions before the rows.
    pub(super) outer: usize,
    /// All rows.
    pub(super) count: usize,
    /// Values of a row: product of the dimensions behind.
    pub(super) inner: usize,
    /// The rows of each shard, which together are all.
    pub(super) shards: Vec<Range<usize>>,
}

impl Rows {
    /// A value of this shape with rows along `axis`.
    pub(super) fn new(shape: &[usize], axis: usize, shards: Vec<Range<usize>>) -> Rows {
        let (outer, inner) = (shape[..axis].iter().product(), shape[axis + 1..].iter().product());
        Rows { outer, count: shape[axis], inner, shards }
    }

    /// The share of the value that these shards are.
    pub(super) fn share(&self, lost: ShardSet) -> f64 {
        let rows: usize = lost.iter().map(|shard| self.shards[shard].len()).sum();
        rows as f64 / self.count as f64
    }

    /// Adds each row's values up, onto `sums`.
    pub(super) fn add_up(&self, values: &[f32], sums: &mut [f64]) {
        for (row, values) in values.chunks_exact(self.inner).enumerate() {
            let sum: f64 = values.iter().map(|value| f64::from(*value)).sum();
            sums[row % self.count] += sum;
        }
    }

    /// Puts `substitute` in place of the lost shards of `values`; `means` are
    /// the rows' means.
    pub(super) fn damage(
        &self,
        values: &mut [f32],
        lost: ShardSet,
        substitute: Substitute,
        means: &[f32],
    ) {
        for outer in 0..self.outer {
            let values = &mut values[outer * self.count * self.inner..][..self.count * self.inner];
            for shard in lost.iter() {
                let rows = &self.shards[shard];
                match substitute {
                    Substitute::Zero => self.fill(values, rows, |_| 0.0),
                    Substitute::Mean => self.fill(values, rows, |row| means[row]),
                    Substitute::Nearest => match self.nearest(shard, lost) {
                        Some(from) => self.copy(values, &self.shards[from], rows),
                        None => self.fill(values, rows, |_| 0.0),
                    },
                }
            }
        }
    }

    /// The nearest shard that arrived, the lower one of two.
    fn nearest(&self, shard: usize, lost: ShardSet) -> Option<usize> {
        let arrived = (0..self.shards.len()).filter(|other| !lost.contains(*other));
        arrived.min_by_key(|other| other.abs_diff(shard))
    }

    fn fill(&self, values: &mut [f32], rows: &Range<usize>, with: impl Fn(usize) -> f32) {
        for row in rows.clone() {
            values[row * self.inner..][..self.inner].fill(with(row));
        }
    }

    /// Copies row for row; where the source has fewer, its last one again.
    fn copy(&self, values: &mut [f32], from: &Range<usize>, to: &Range<usize>) {
        for (index, row) in to.clone().enumerate() {
            let source = from.start + index.min(from.len() - 1);
            values.copy_within(source * self.inner..(source + 1) * self.inner, row * self.inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two times five rows of two values, in shards of two, two and one.
    fn rows() -> Rows {
        Rows::new(&[2, 5, 2], 1, vec![0..2, 2..4, 4..5])
    }

    #[test]
    fn each_substitute_stands_in_for_lost_rows_alone() {
        let means = [-1.0, -2.0, -3.0, -4.0, -5.0];
        let whole: [f32; 10] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        let cases: [(Substitute, &[usize], [f32; 10]); 8] = [
            (Substitute::Zero, &[], whole),
            (Substitute::Zero, &[1], [1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 9.0, 10.0]),
            (Substitute::Zero, &[0, 1, 2], [0.0; 10]),
            (Substitute::Mean, &[0, 2], [-1.0, -1.0, -2.0, -2.0, 5.0, 6.0, 7.0, 8.0, -5.0, -5.0]),
            (Substitute::Nearest, &[1], [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0, 9.0, 10.0]),
            (Substitute::Nearest, &[2], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 5.0, 6.0]),
            (Substitute::Nearest, &[0, 1], [9.0, 10.0, 9.0, 10.0, 9.0, 10.0, 9.0, 10.0, 9.0, 10.0]),
            (Substitute::Nearest, &[0, 1, 2], [0.0; 10]),
        ];
        for (substitute, lost, expected) in cases {
            let lost: ShardSet = lost.iter().copied().collect();
            let mut values = [whole, whole.map(|v| v + 100.0)].concat();
            rows().damage(&mut values, lost, substitute, &means);
            assert_eq!(values[..10], expected, "{substitute} {lost:?}");
            // Every outer part is damaged alike.
            let mut other = whole.map(|v| v + 100.0).to_vec();
            let one = Rows { outer: 1, ..rows() };
            one.damage(&mut other, lost, substitute, &means);
            assert_eq!(values[10..], other, "{substitute} {lost:?}");
        }
    }

    #[test]
    fn shares_and_sums_are_by_row() {
        let shares = [(vec![], 0.0), (vec![0], 0.4), (vec![1, 2], 0.6), (vec![0, 1, 2], 1.0)];
        for (lost, share) in shares {
            assert_eq!(rows().share(lost.into_iter().collect()), share);
        }
        let mut sums = [0.0; 5];
        let values: Vec<f32> = (0..20u8).map(f32::from).collect();
        rows().add_up(&values, &mut sums);
        assert_eq!(sums, [22.0, 30.0, 38.0, 46.0, 54.0]);
    }
}
