//! Small dense linear algebra: elimination with pivoting.

use alloc::vec::Vec;

/// Pivots below this part of the largest element make a system unsolvable.
const PIVOT_LEAST: f64 = 1e-14;
/// Pivots below this part of the largest element of the matrix count as zero.
const RANK_TOLERANCE: f64 = 1e-9;

/// A dense matrix, row after row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matrix {
    rows: usize,
    cols: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// The matrix whose element at row `r` and column `c` is `value(r, c)`.
    pub(crate) fn from_fn(
        rows: usize,
        cols: usize,
        mut value: impl FnMut(usize, usize) -> f64,
    ) -> Self {
        let mut values = Vec::with_capacity(rows * cols);
        for r in 0..rows {
            for c in 0..cols {
                values.push(value(r, c));
            }
        }
        Self { rows, cols, values }
    }

    /// Ones on the diagonal.
    pub(crate) fn identity(n: usize) -> Self {
        Self::from_fn(n, n, |r, c| if r == c { 1.0 } else { 0.0 })
    }

    /// `self * right`.
    pub(crate) fn times(&self, right: &Self) -> Self {
        debug_assert_eq!(self.cols, right.rows);
        Self::from_fn(self.rows, right.cols, |r, c| {
            (0..self.cols).map(|k| self.at(r, k) * right.at(k, c)).sum()
        })
    }

    /// Row `r` multiplied by `factors[r]`.
    pub(crate) fn scaled_rows(&self, factors: &[f64]) -> Self {
        Self::from_fn(self.rows, self.cols, |r, c| self.at(r, c) * factors[r])
    }

    /// Row `r`.
    pub(crate) fn row(&self, r: usize) -> &[f64] {
        &self.values[r * self.cols..(r + 1) * self.cols]
    }

    /// The element at row `r` and column `c`.
    pub(crate) fn at(&self, r: usize, c: usize) -> f64 {
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
    pub(crate) fn solve(mut self, mut right: Matrix) -> Option<Matrix> {
        let n = self.rows;
        debug_assert!(self.cols == n && right.rows == n);
        let least = self.largest() * PIVOT_LEAST;
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

    /// With the covariance C = `self`: `(A' C^-1 A)^-1 A' C^-1`, or nothing if
    /// the columns of `a` are dependent.
    ///
    /// C = L L' and L^-1 A = Q R, so the result is `R^-1 Q' L^-1`: nothing is
    /// squared, and the columns may be nearly dependent.
    pub(crate) fn least_squares(&self, a: &Matrix) -> Option<Matrix> {
        let lower = self.cholesky()?;
        let inverse = lower.solve(Self::identity(self.rows))?;
        let (q, r) = inverse.times(a).orthogonal();
        let transposed = Self::from_fn(q.cols, q.rows, |i, k| q.at(k, i));
        r.solve(transposed.times(&inverse))
    }

    /// The lower triangle L with L L' = `self`.
    fn cholesky(&self) -> Option<Matrix> {
        let n = self.rows;
        let mut lower = Self::from_fn(n, n, |_, _| 0.0);
        for r in 0..n {
            for c in 0..=r {
                let known: f64 = (0..c).map(|k| lower.at(r, k) * lower.at(c, k)).sum();
                let rest = self.at(r, c) - known;
                lower.values[r * n + c] = if r == c { root(rest) } else { rest / lower.at(c, c) };
            }
            if lower.at(r, r) <= 0.0 {
                return None;
            }
        }
        Some(lower)
    }

    /// Q with orthonormal columns and the upper triangle R, Q R = `self`, by
    /// Gram and Schmidt's way done twice. A column that depends on those
    /// before it becomes zeros.
    pub(crate) fn orthogonal(&self) -> (Matrix, Matrix) {
        let (rows, cols) = (self.rows, self.cols);
        let mut q = self.clone();
        let mut r = Self::from_fn(cols, cols, |_, _| 0.0);
        let column = |q: &Matrix, c: usize| -> Vec<f64> { (0..rows).map(|k| q.at(k, c)).collect() };
        let norm = |v: &[f64]| root(v.iter().map(|x| x * x).sum());
        for c in 0..cols {
            let before = norm(&column(&q, c));
            for _ in 0..2 {
                for earlier in 0..c {
                    let part: f64 = (0..rows).map(|k| q.at(k, earlier) * q.at(k, c)).sum();
                    r.values[earlier * cols + c] += part;
                    for k in 0..rows {
                        q.values[k * cols + c] -= part * q.values[k * cols + earlier];
                    }
                }
            }
            let size = norm(&column(&q, c));
            let independent = size > before * 1e-13;
            r.values[c * cols + c] = if independent { size } else { 0.0 };
            for k in 0..rows {
                q.values[k * cols + c] = if independent { q.at(k, c) / size } else { 0.0 };
            }
        }
        (q, r)
    }

    /// The number of independent columns.
    pub(crate) fn rank(mut self) -> usize {
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

/// The square root, 0 of what is not positive.
///
/// Newton's way from a guess with half the exponent: `core` has no root, and
/// this one is the same to the bit everywhere.
pub(crate) fn root(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return 0.0;
    }
    if x.is_infinite() {
        return x;
    }
    let mut y = f64::from_bits((x.to_bits() >> 1) + (1023 << 51));
    for _ in 0..6 {
        y = 0.5 * (y + x / y);
    }
    y
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
    fn roots() {
        for x in [1.0, 2.0, 15.0, 1e-300, 3e300, 0.25, 1e-9, 12345.678] {
            assert!((root(x) / f64::sqrt(x) - 1.0).abs() < 3e-16, "{x}");
        }
        assert_eq!((root(0.0), root(-1.0), root(f64::NAN)), (0.0, 0.0, 0.0));
    }

    #[test]
    fn least_squares_is_a_left_inverse() {
        let a =
            Matrix::from_fn(4, 2, |r, c| (r as f64 + 1.0) * (c as f64 + 1.0) + f64::from(r == c));
        let covariance = Matrix::from_fn(4, 4, |r, c| if r == c { 2.0 + r as f64 } else { 0.5 });
        let product = covariance.least_squares(&a).unwrap().times(&a);
        for r in 0..2 {
            for c in 0..2 {
                assert!((product.at(r, c) - f64::from(r == c)).abs() < 1e-12);
            }
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
