//! Small dense linear algebra: elimination with pivoting.

use alloc::vec::Vec;

/// Pivots below this part of the largest element of the matrix count as zero.
const RANK_TOLERANCE: f64 = 1e-9;

/// A dense matrix, row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// The matrix whose element at row `r` and column `c` is `value(r, c)`.
    pub fn from_fn(rows: usize, cols: usize, mut value: impl FnMut(usize, usize) -> f64) -> Self {
        let mut values = Vec::with_capacity(rows * cols);
        for r in 0..rows {
            for c in 0..cols {
                values.push(value(r, c));
            }
        }
        Self { rows, cols, values }
    }

    /// Row `r`.
    pub fn row(&self, r: usize) -> &[f64] {
        &self.values[r * self.cols..(r + 1) * self.cols]
    }

    /// The element at row `r` and column `c`.
    pub fn at(&self, r: usize, c: usize) -> f64 {
        self.values[r * self.cols + c]
    }

    fn largest(&self) -> f64 {
        self.values.iter().fold(0.0, |most, v| f64::max(most, v.abs()))
    }

    fn swap_rows(&mut self, a: usize, b: usize) {
        if a != b {
            for c in 0..self.cols {
                self.values.swap(a * self.cols + c, b * self.cols + c);
            }
        }
    }

    /// Subtracts `factor` times row `from` from row `to`.
    fn subtract_row(&mut self, from: usize, to: usize, factor: f64) {
        for c in 0..self.cols {
            self.values[to * self.cols + c] -= factor * self.values[from * self.cols + c];
        }
    }

    /// `self^-1 * right`, or nothing if the square matrix `self` is singular.
    pub fn solve(mut self, mut right: Matrix) -> Option<Matrix> {
        let n = self.rows;
        debug_assert!(self.cols == n && right.rows == n);
        let least = self.largest() * RANK_TOLERANCE;
        for k in 0..n {
            let pivot =
                (k..n).max_by(|&a, &b| self.at(a, k).abs().total_cmp(&self.at(b, k).abs()))?;
            if self.at(pivot, k).abs() <= least {
                return None;
            }
            self.swap_rows(k, pivot);
            right.swap_rows(k, pivot);
            for r in (0..n).filter(|&r| r != k) {
                let factor = self.at(r, k) / self.at(k, k);
                if factor != 0.0 {
                    self.subtract_row(k, r, factor);
                    right.subtract_row(k, r, factor);
                }
            }
        }
        for r in 0..n {
            let pivot = self.at(r, r);
            for c in 0..right.cols {
                right.values[r * right.cols + c] /= pivot;
            }
        }
        Some(right)
    }

    /// The number of independent columns.
    pub fn rank(mut self) -> usize {
        let least = self.largest() * RANK_TOLERANCE;
        let mut rank = 0;
        for c in 0..self.cols {
            let Some(pivot) = (rank..self.rows)
                .max_by(|&a, &b| self.at(a, c).abs().total_cmp(&self.at(b, c).abs()))
            else {
                break;
            };
            if self.at(pivot, c).abs() <= least {
                continue;
            }
            self.swap_rows(rank, pivot);
            for r in rank + 1..self.rows {
                let factor = self.at(r, c) / self.at(rank, c);
                if factor != 0.0 {
                    self.subtract_row(rank, r, factor);
                }
            }
            rank += 1;
        }
        rank
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_of_small_matrices() {
        let cases: [(&[[f64; 3]], usize); 4] = [
            (&[[1.0, 1.0, 1.0]], 1),
            (&[[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]], 1),
            (&[[0.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.0]], 3),
            (&[[0.0, 0.0, 1.0], [0.0, 0.0, 2.0], [0.0, 1.0, 5.0]], 2),
        ];
        for (rows, rank) in cases {
            let m = Matrix::from_fn(rows.len(), 3, |r, c| rows[r][c]);
            assert_eq!(m.rank(), rank, "{rows:?}");
        }
    }

    #[test]
    fn solve_inverts() {
        let a = [[0.0, 2.0, 1.0], [1.0, -1.0, 0.0], [3.0, 0.0, 1.0]];
        let x = [[1.0], [-2.0], [0.5]];
        let a = Matrix::from_fn(3, 3, |r, c| a[r][c]);
        let b = Matrix::from_fn(3, 1, |r, _| (0..3).map(|k| a.at(r, k) * x[k][0]).sum());
        let got = a.solve(b).unwrap();
        for (r, x) in x.iter().enumerate() {
            assert!((got.at(r, 0) - x[0]).abs() < 1e-12);
        }
        assert_eq!(
            Matrix::from_fn(2, 2, |_, c| c as f64).solve(Matrix::from_fn(2, 1, |_, _| 1.0)),
            None
        );
    }
}
