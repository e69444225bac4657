//! Worst-case amplification of the codes that coded computation knows, in one
//! table.
//!
//! All are brought to systematic form with evenly spread parity positions, and
//! measured alike: over all patterns of M losses and all recovered shards, the
//! largest root of the sum of squares of the decoding coefficients, those of
//! parity shards multiplied by the norm of their generator row. With G the
//! generator, S = G G*, D its diagonal, A = G at the received parities and the
//! missing shards, its square is the largest element on the diagonal of
//! `A^-1 (S + D) A^-* - 1`.
//!
//! | column | code |
//! | --- | --- |
//! | mds, bch-dft | of `quorate-code` |
//! | vandermonde | parity j of data i is `(i + 1)^j` |
//! | chebyshev | polynomials `T_0 .. T_(N-1)` at the N + M Chebyshev points |
//! | cauchy | `1 / (x - y)`, x and y from the N + M Chebyshev points |
//! | gaussian | normal coefficients, median of five seeds |
//! | rotation | rotations by `2 pi i / q`, q >= N + M odd, as points (Ramamoorthy and Tang, arXiv 1910.06515): complex numbers on a circle |
//! | circulant | powers of the cyclic shift of q, a prime, as points (the same): roots of unity, root mean square over all q - 1 of them but 1 |

use std::f64::consts::PI;
use std::io::{self, Write};

use quorate_code::{Code, CodeError, Patterns, ShardSet};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Prints the table for these counts of data shards and 1 to `m_max` parity
/// shards.
///
/// # Errors
///
/// What `out` reports.
pub fn print_table(n_list: &[usize], m_max: usize, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "| N | M | {} |", NAMES.join(" | "))?;
    writeln!(out, "|{}", " ---: |".repeat(2 + NAMES.len()))?;
    for m in 1..=m_max {
        for &n in n_list {
            let row = table_row(n, m).map_err(io::Error::other)?;
            let cells: Vec<String> = row.iter().map(|&worst| cell(worst)).collect();
            writeln!(out, "| {n} | {m} | {} |", cells.join(" | "))?;
        }
    }
    Ok(())
}

/// The codes of [`table_row`].
const NAMES: [&str; 8] =
    ["mds", "bch-dft", "vandermonde", "chebyshev", "cauchy", "gaussian", "rotation", "circulant"];

/// The worst-case amplification of each code of [`NAMES`].
///
/// # Errors
///
/// Counts that `quorate-code` does not support.
fn table_row(n: usize, m: usize) -> Result<[f64; 8], CodeError> {
    let mut gaussians: Vec<f64> = (0..5).map(|seed| worst(&[gaussian(n, m, seed)])).collect();
    gaussians.sort_by(f64::total_cmp);
    Ok([
        worst(&[Generator::of(&Code::mds(n, m)?)]),
        worst(&[Generator::of(&Code::bch_dft(n, m)?)]),
        worst(&[vandermonde(n, m)]),
        worst(&[chebyshev(n, m)]),
        worst(&[cauchy(n, m)]),
        gaussians[2],
        worst(&[roots_of_unity(n, m, (n + m) | 1, 1)]),
        worst(&circulant(n, m)),
    ])
}

fn cell(worst: f64) -> String {
    match worst {
        w if w < 100.0 => format!("{w:.2}"),
        w if w < 1e5 => format!("{w:.0}"),
        w => format!("{w:.0e}"),
    }
}

/// A complex number.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Complex {
    re: f64,
    im: f64,
}

impl Complex {
    const ZERO: Self = Self::real(0.0);
    const ONE: Self = Self::real(1.0);

    const fn real(re: f64) -> Self {
        Self { re, im: 0.0 }
    }

    /// The point of the unit circle at `part` of its circumference.
    fn unit(part: f64) -> Self {
        let (im, re) = (2.0 * PI * part).sin_cos();
        Self { re, im }
    }

    fn square(self) -> f64 {
        self.re * self.re + self.im * self.im
    }

    fn inverse(self) -> Self {
        let square = self.square();
        Self { re: self.re / square, im: -self.im / square }
    }

    fn minus(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }

    fn plus_product(self, a: Self, b: Self) -> Self {
        Self { re: self.re + a.re * b.re - a.im * b.im, im: self.im + a.re * b.im + a.im * b.re }
    }

    fn times(self, other: Self) -> Self {
        Self::ZERO.plus_product(self, other)
    }
}

type Rows = Vec<Vec<Complex>>;

/// `a^-1 b`, nothing if `a` is singular.
fn solve(mut a: Rows, mut b: Rows) -> Option<Rows> {
    for k in 0..a.len() {
        let pivot = (k..a.len()).max_by(|&x, &y| a[x][k].square().total_cmp(&a[y][k].square()))?;
        if a[pivot][k].square() < 1e-26 {
            return None;
        }
        a.swap(k, pivot);
        b.swap(k, pivot);
        let scale = a[k][k].inverse();
        let (row_a, row_b) = (a[k].clone(), b[k].clone());
        for r in (0..a.len()).filter(|&r| r != k) {
            let factor = Complex::ZERO.minus(a[r][k].times(scale));
            a[r].iter_mut().zip(&row_a).for_each(|(v, top)| *v = v.plus_product(factor, *top));
            b[r].iter_mut().zip(&row_b).for_each(|(v, top)| *v = v.plus_product(factor, *top));
        }
        b[k].iter_mut().for_each(|v| *v = v.times(scale));
        a[k].iter_mut().for_each(|v| *v = v.times(scale));
    }
    Some(b)
}

/// M rows of N coefficients.
struct Generator {
    n: usize,
    rows: Rows,
}

impl Generator {
    fn of(code: &Code) -> Self {
        let row = |p| code.generator_row(p).iter().map(|&v| Complex::real(v)).collect();
        Self { n: code.data_shards(), rows: (0..code.parity_shards()).map(row).collect() }
    }

    /// The systematic form of the code whose shard at point `i` is the sum of
    /// the data times `value(i, 0..n)`.
    fn systematic(n: usize, m: usize, value: impl Fn(usize, usize) -> Complex) -> Self {
        let (data, parity) = positions(n, m);
        // G V_data = V_parity, transposed to solve for G.
        let columns = |points: &[usize]| -> Rows {
            (0..n).map(|j| points.iter().map(|&i| value(i, j)).collect()).collect()
        };
        let rows = match solve(columns(&data), columns(&parity)) {
            Some(columns) => (0..m).map(|p| columns.iter().map(|c| c[p]).collect()).collect(),
            None => vec![vec![Complex::ZERO; n]; m],
        };
        Self { n, rows }
    }

    /// The squares of the amplifications of a pattern's missing shards.
    fn squares(&self, lost: ShardSet) -> Option<Vec<f64>> {
        let missing: Vec<usize> = (0..self.n).filter(|&i| lost.contains(i)).collect();
        let parities: Vec<&Vec<Complex>> = self
            .rows
            .iter()
            .enumerate()
            .filter(|(p, _)| !lost.contains(self.n + p))
            .map(|(_, row)| row)
            .collect();
        let a = parities.iter().map(|row| missing.iter().map(|&c| row[c]).collect()).collect();
        let size = missing.len();
        let identity = (0..size)
            .map(|r| (0..size).map(|c| if r == c { Complex::ONE } else { Complex::ZERO }).collect())
            .collect();
        let inverse = solve(a, identity)?;
        let square = |x: &Vec<Complex>| {
            let decoded = (0..self.n).map(|c| {
                x.iter()
                    .zip(&parities)
                    .fold(Complex::ZERO, |sum, (x, row)| sum.plus_product(*x, row[c]))
                    .square()
            });
            let norms = parities.iter().map(|row| row.iter().map(|v| v.square()).sum::<f64>());
            // The missing shards' own columns add up to one.
            decoded.sum::<f64>()
                + x.iter().zip(norms).map(|(x, norm)| x.square() * norm).sum::<f64>()
                - 1.0
        };
        Some(inverse.iter().map(square).collect())
    }
}

/// The worst amplification, of the root mean square over the generators for
/// each pattern and shard.
fn worst(generators: &[Generator]) -> f64 {
    let (n, m) = (generators[0].n, generators[0].rows.len());
    let mut most = 0.0f64;
    for lost in Patterns::new(n + m, m) {
        let mut sums = vec![0.0; lost.intersection(ShardSet::first(n)).len()];
        for generator in generators {
            let Some(squares) = generator.squares(lost) else { return f64::INFINITY };
            sums.iter_mut().zip(squares).for_each(|(sum, square)| *sum += square);
        }
        most = sums.into_iter().fold(most, f64::max);
    }
    (most / generators.len() as f64).sqrt()
}

/// Which of N + M points are data shards and which parity shards.
fn positions(n: usize, m: usize) -> (Vec<usize>, Vec<usize>) {
    let parity: Vec<usize> = (0..m).map(|i| (2 * i + 1) * (n + m) / (2 * m)).collect();
    ((0..n + m).filter(|i| !parity.contains(i)).collect(), parity)
}

fn vandermonde(n: usize, m: usize) -> Generator {
    let row = |p: usize| (0..n).map(|i| Complex::real(((i + 1) as f64).powi(p as i32))).collect();
    Generator { n, rows: (0..m).map(row).collect() }
}

/// Chebyshev point `i` of `total`, as an angle.
fn angle(i: usize, total: usize) -> f64 {
    (2 * i + 1) as f64 * PI / (2 * total) as f64
}

fn chebyshev(n: usize, m: usize) -> Generator {
    Generator::systematic(n, m, |i, j| Complex::real((j as f64 * angle(i, n + m)).cos()))
}

fn cauchy(n: usize, m: usize) -> Generator {
    let (data, parity) = positions(n, m);
    let at = |i: &usize| angle(*i, n + m).cos();
    let row = |p: &usize| data.iter().map(|d| Complex::real(1.0 / (at(d) - at(p)))).collect();
    Generator { n, rows: parity.iter().map(row).collect() }
}

fn gaussian(n: usize, m: usize, seed: u64) -> Generator {
    let mut random = SplitMix64::seed_from_u64(seed);
    let mut unit = || ((random.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let mut normal = || (-2.0 * unit().ln()).sqrt() * (2.0 * PI * unit()).cos();
    Generator {
        n,
        rows: (0..m).map(|_| (0..n).map(|_| Complex::real(normal())).collect()).collect(),
    }
}

/// Points `exp(2 pi i step point / q)`.
fn roots_of_unity(n: usize, m: usize, q: usize, step: usize) -> Generator {
    Generator::systematic(n, m, |i, j| Complex::unit((i * j * step % q) as f64 / q as f64))
}

fn circulant(n: usize, m: usize) -> Vec<Generator> {
    let is_prime = |q: &usize| (2..*q).all(|d| !q.is_multiple_of(d));
    let q = (n + m..).find(is_prime).unwrap_or(n + m);
    // Steps t and q - t are conjugate: half of them say all.
    (1..=q / 2).map(|step| roots_of_unity(n, m, q, step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_crate() {
        for (n, m) in [(4, 1), (5, 2), (6, 3), (4, 4)] {
            let code = Code::mds(n, m).unwrap();
            let (own, seen) = (code.worst_amplification(), worst(&[Generator::of(&code)]));
            assert!((own / seen - 1.0).abs() < 1e-9, "({n}, {m}): {own} {seen}");
        }
    }

    #[test]
    fn the_crates_code_is_the_best_of_all() {
        for (n, m) in [(4, 1), (8, 2), (8, 3), (6, 4)] {
            let row = table_row(n, m).unwrap();
            let best = row.iter().copied().fold(f64::INFINITY, f64::min);
            assert!(row[0] <= best * (1.0 + 1e-9), "({n}, {m}): {row:?}");
        }
    }

    #[test]
    fn known_figures() {
        // Sum and integer Vandermonde at (8, 1) are both the plain sum.
        let row = table_row(8, 1).unwrap();
        assert!((row[0] - 15f64.sqrt()).abs() < 1e-9 && (row[2] - 15f64.sqrt()).abs() < 1e-9);
    }
}
