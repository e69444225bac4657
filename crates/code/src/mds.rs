//! Generators of codes over the reals that repair any M losses: the real
//! BCH-DFT code, and better ones that a search found.
//!
//! [`algorithm`](crate::algorithm#the-real-bch-dft-code) says why they do.

mod found;

use alloc::vec::Vec;

use crate::{angle::cos_sin, solve::Matrix};

/// The systematic generator of the real BCH-DFT code, M rows of N.
///
/// Rows of the parity-check matrix over the points `j` of `n = N + M`: for
/// odd M the constant, and cosine and sine of `2 pi k j / n` for k from 1 to
/// (M - 1) / 2; for even M those of `2 pi (k + 1/2) j / n` for k from 0 to
/// M / 2 - 1. Parity shard `i` is the point `round((i + 1/2) n / M - 1/2)`.
/// Rows are scaled so that their largest coefficient has the size 1.
pub(crate) fn bch_dft(n: usize, m: usize) -> Vec<f64> {
    let total = n + m;
    let check = |row: usize, point: usize| {
        // The frequency times two, so that halves stay whole numbers.
        let (twice, is_cos) = if m % 2 == 1 {
            (row.div_ceil(2) * 2, row == 0 || row % 2 == 1)
        } else {
            (row / 2 * 2 + 1, row.is_multiple_of(2))
        };
        let (cos, sin) = cos_sin(twice * point, 2 * total);
        if is_cos { cos } else { sin }
    };
    let parities: Vec<usize> = (0..m).map(|i| (2 * i + 1) * total / (2 * m)).collect();
    let data: Vec<usize> = (0..total).filter(|point| !parities.contains(point)).collect();
    let left = Matrix::from_fn(m, m, |r, c| check(r, parities[c]));
    let right = Matrix::from_fn(m, n, |r, c| -check(r, data[c]));
    // Any M columns are independent, so there is always a solution.
    let rows = left.solve(right).unwrap_or_else(|| Matrix::from_fn(m, n, |_, _| 0.0));
    (0..m).flat_map(|r| scaled(rows.row(r))).collect()
}

/// `row` with a largest size of 1 and a positive first coefficient.
fn scaled(row: &[f64]) -> impl Iterator<Item = f64> {
    let largest = row.iter().fold(0.0, |most, v| f64::max(most, v.abs()));
    let scale = if row[0] < 0.0 { -largest } else { largest };
    row.iter().map(move |v| v / scale)
}

/// The generator that the search found, if it is better than the BCH-DFT
/// code's: M rows of N.
pub(crate) fn found(n: usize, m: usize) -> Option<Vec<f64>> {
    let table = match m {
        2 => found::TWO,
        3 => found::THREE,
        4 => found::FOUR,
        _ => return None,
    };
    let coefficients = table.get(n.checked_sub(2)?)?;
    let generator = coefficients.iter().map(|&c| f64::from(c) / found::UNIT);
    (!coefficients.is_empty()).then(|| generator.collect())
}
