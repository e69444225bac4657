//! Looks for generators with a smaller worst-case amplification than the real
//! BCH-DFT code's, and prints those found as the constants of `src/mds/found.rs`.
//!
//! ```text
//! cargo run --release -p quorate-code --example search_mds -- M N_MIN N_MAX STARTS ROUNDS
//! ```
//!
//! Each start is a generator (the BCH-DFT code at other parity positions, the
//! best of N - 1 with a column more, the best so far disturbed, or noise),
//! improved by Adam on the p-norm of the squared amplifications of all loss
//! patterns, p rising from 8 to 600. Seeded: the same arguments give the same
//! constants.
//!
//! With S = G Gᵀ, D = diag(S), P the received parity rows and E the missing
//! data columns, A = G[P, E], the amplification of the i-th missing shard is
//! `sqrt(xᵀ (S + D)[P, P] x - 1)`, x the i-th row of the inverse of A.

use std::f64::consts::PI;

use quorate_code::{Code, Patterns, ShardSet};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

const MOST: usize = 4;
/// Coefficients are printed as multiples of 1 / UNIT.
const UNIT: f64 = 8192.0;

type Small = [[f64; MOST]; MOST];

fn main() {
    let args: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let &[m, n_min, n_max, starts, rounds] = args.as_slice() else {
        eprintln!("usage: search_mds M N_MIN N_MAX STARTS ROUNDS (M from 2 to 4)");
        std::process::exit(2);
    };
    let mut rng = Random(SplitMix64::seed_from_u64(m as u64));
    let mut smaller = Generator::of(&Code::mds(n_min.max(2) - 1, m).expect("counts in range"));
    for n in n_min..=n_max {
        let dft = Generator::of(&Code::bch_dft(n, m).expect("counts in range"));
        let search = Search { patterns: patterns(n, m), rounds };
        let known = search.worst(&dft);
        let mut best = search.improve(dft.clone(), known);
        for start in 0..starts {
            let generator = match start % 4 {
                0 => dft.rotated(&mut rng),
                1 => search.grown(&smaller, n, &mut rng),
                2 => best.1.disturbed(&mut rng),
                _ => Generator::noise(n, m, &mut rng),
            };
            let found = search.improve(generator, best.0);
            if found.0 < best.0 {
                best = found;
            }
        }
        let rounded = best.1.rounded();
        let worst = search.worst(&rounded);
        eprintln!("({n}, {m}): BCH-DFT {:.3}, found {:.3}", known.sqrt(), worst.sqrt());
        if worst < 0.98 * known {
            println!(
                "// ({n}, {m}): amplification {:.3}, BCH-DFT {:.3}",
                worst.sqrt(),
                known.sqrt()
            );
            println!(
                "&{:?},",
                rounded.values.iter().map(|v| (v * UNIT) as i16).collect::<Vec<_>>()
            );
        } else {
            println!("// ({n}, {m}): nothing better than BCH-DFT {:.3}\n&[],", known.sqrt());
        }
        smaller = best.1;
    }
}

struct Random(SplitMix64);

impl Random {
    fn unit(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Normally distributed, variance 1.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (2.0 * PI * self.unit()).cos()
    }
}

/// M rows of N coefficients.
#[derive(Clone)]
struct Generator {
    n: usize,
    m: usize,
    values: Vec<f64>,
}

impl Generator {
    fn of(code: &Code) -> Self {
        let (n, m) = (code.data_shards(), code.parity_shards());
        Self { n, m, values: (0..m).flat_map(|p| code.generator_row(p).to_vec()).collect() }
    }

    fn noise(n: usize, m: usize, rng: &mut Random) -> Self {
        Self { n, m, values: (0..n * m).map(|_| rng.normal()).collect() }
    }

    fn row(&self, parity: usize) -> &[f64] {
        &self.values[parity * self.n..(parity + 1) * self.n]
    }

    /// Each row scaled to the norm sqrt(N), which changes no amplification.
    fn normalised(mut self) -> Self {
        for parity in 0..self.m {
            let norm = self.row(parity).iter().map(|v| v * v).sum::<f64>().sqrt();
            let scale = (self.n as f64).sqrt() / norm;
            self.values[parity * self.n..(parity + 1) * self.n]
                .iter_mut()
                .for_each(|v| *v *= scale);
        }
        self
    }

    fn disturbed(&self, rng: &mut Random) -> Self {
        let size = 0.5 * rng.unit() * rng.unit();
        Self { values: self.values.iter().map(|v| v + size * rng.normal()).collect(), ..*self }
    }

    /// The same code with M other of its N + M points as parity shards.
    fn rotated(&self, rng: &mut Random) -> Self {
        let total = self.n + self.m;
        let column = |j: usize| -> Vec<f64> {
            (0..self.m)
                .map(|p| if j < self.n { self.row(p)[j] } else { f64::from(p == j - self.n) })
                .collect()
        };
        let mut order: Vec<usize> = (0..total).collect();
        for i in 0..self.m {
            order.swap(i, i + (rng.0.next_u64() % (total - i) as u64) as usize);
        }
        let mut square = [[0.0; MOST]; MOST];
        for (c, &j) in order[..self.m].iter().enumerate() {
            column(j).iter().enumerate().for_each(|(r, v)| square[r][c] = *v);
        }
        let Some(inverse) = inverse(square, self.m) else { return self.disturbed(rng) };
        let mut out = Self { n: self.n, m: self.m, values: vec![0.0; self.n * self.m] };
        for (c, &j) in order[self.m..].iter().enumerate() {
            let column = column(j);
            for (r, row) in inverse.iter().enumerate().take(self.m) {
                out.values[r * self.n + c] = row.iter().zip(&column).map(|(a, b)| a * b).sum();
            }
        }
        out.normalised().disturbed(rng)
    }

    /// N columns: this generator's first ones, the others noise.
    fn grown(&self, n: usize, rng: &mut Random) -> Self {
        let old = self.clone().normalised();
        let value = |p: usize, c: usize, rng: &mut Random| {
            if c < old.n { old.row(p)[c] } else { rng.normal() }
        };
        let at = (0..self.m).flat_map(|p| (0..n).map(move |c| (p, c)));
        Self { n, m: self.m, values: at.map(|(p, c)| value(p, c, rng)).collect() }
    }

    fn rounded(&self) -> Self {
        let values = self.clone().normalised().values;
        Self { values: values.iter().map(|v| (v * UNIT).round() / UNIT).collect(), ..*self }
    }
}

/// Missing data columns and received parity rows, equally many.
struct Pattern {
    len: usize,
    missing: [usize; MOST],
    parities: [usize; MOST],
}

/// All patterns of M losses that take a data shard.
fn patterns(n: usize, m: usize) -> Vec<Pattern> {
    let pattern = |lost: ShardSet| {
        let mut out = Pattern { len: 0, missing: [0; MOST], parities: [0; MOST] };
        for (slot, shard) in (0..n).filter(|&shard| lost.contains(shard)).enumerate() {
            out.missing[slot] = shard;
            out.len = slot + 1;
        }
        for (slot, parity) in (0..m).filter(|parity| !lost.contains(n + parity)).enumerate() {
            out.parities[slot] = parity;
        }
        out
    };
    Patterns::new(n + m, m).map(pattern).filter(|p| p.len > 0).collect()
}

fn inverse(mut a: Small, len: usize) -> Option<Small> {
    let mut b = [[0.0; MOST]; MOST];
    (0..len).for_each(|i| b[i][i] = 1.0);
    for k in 0..len {
        let pivot = (k..len).max_by(|&x, &y| a[x][k].abs().total_cmp(&a[y][k].abs()))?;
        if a[pivot][k].abs() < 1e-13 {
            return None;
        }
        a.swap(k, pivot);
        b.swap(k, pivot);
        let scale = 1.0 / a[k][k];
        for c in 0..len {
            a[k][c] *= scale;
            b[k][c] *= scale;
        }
        for r in (0..len).filter(|&r| r != k) {
            let factor = a[r][k];
            for c in 0..len {
                a[r][c] -= factor * a[k][c];
                b[r][c] -= factor * b[k][c];
            }
        }
    }
    Some(b)
}

struct Search {
    patterns: Vec<Pattern>,
    rounds: usize,
}

/// One pattern's squared amplifications, and what their gradients need.
struct Solved {
    squares: [f64; MOST],
    /// Rows of the inverse of A.
    x: Small,
    /// `inverse(A) * Q * x` of each row.
    image: Small,
}

impl Search {
    /// `smaller` with the best of many random columns more.
    fn grown(&self, smaller: &Generator, n: usize, rng: &mut Random) -> Generator {
        let mut best = (f64::INFINITY, smaller.grown(n, rng));
        for _ in 0..60 {
            let generator = smaller.grown(n, rng);
            let worst = self.worst(&generator);
            if worst < best.0 {
                best = (worst, generator);
            }
        }
        best.1
    }

    /// The square of the worst amplification.
    fn worst(&self, generator: &Generator) -> f64 {
        let q = quadratic(generator);
        let each = self.patterns.iter().map(|pattern| match solve(generator, &q, pattern) {
            Some(solved) => solved.squares[..pattern.len].iter().copied().fold(0.0, f64::max),
            None => f64::INFINITY,
        });
        each.fold(0.0, f64::max)
    }

    /// The best generator met on the way down from `start`, and the square of
    /// its worst amplification. Gives up after a third of the rounds if that is
    /// more than six times `known`.
    fn improve(&self, start: Generator, known: f64) -> (f64, Generator) {
        let mut at = start.normalised();
        let mut best = (self.worst(&at), at.clone());
        let (mut mean, mut square) = (vec![0.0; at.values.len()], vec![0.0; at.values.len()]);
        for round in 0..self.rounds {
            if round == self.rounds / 3 && best.0 > 6.0 * known {
                break;
            }
            let part = round as f64 / self.rounds as f64;
            let p = 8.0 * 75f64.powf((1.2 * part).min(1.0));
            let step = 0.02 * 1e-3f64.powf(part);
            let Some((worst, gradient)) = self.gradient(&at, p) else { break };
            if worst < best.0 {
                best = (worst, at.clone());
            }
            let age = round as i32 + 1;
            for (i, slope) in gradient.into_iter().enumerate() {
                mean[i] = 0.9 * mean[i] + 0.1 * slope;
                square[i] = 0.99 * square[i] + 0.01 * slope * slope;
                let size = (square[i] / (1.0 - 0.99f64.powi(age))).sqrt() + 1e-12;
                at.values[i] -= step * mean[i] / (1.0 - 0.9f64.powi(age)) / size;
            }
            at = at.normalised();
        }
        best
    }

    /// The square of the worst amplification, and the gradient of the
    /// logarithm of the p-norm of all of them.
    fn gradient(&self, generator: &Generator, p: f64) -> Option<(f64, Vec<f64>)> {
        let (n, m, q) = (generator.n, generator.m, quadratic(generator));
        let solved: Vec<Solved> = self
            .patterns
            .iter()
            .map(|pattern| solve(generator, &q, pattern))
            .collect::<Option<_>>()?;
        let squares = || self.patterns.iter().zip(&solved).flat_map(|(p, s)| &s.squares[..p.len]);
        let worst = squares().copied().fold(0.0, f64::max);
        let least = 1e-12f64.powf(1.0 / p);
        let power = |f: f64| if f < least * worst { 0.0 } else { (f / worst).powf(p) };
        let total: f64 = squares().map(|&f| power(f)).sum();
        let mut slopes = vec![0.0; n * m];
        let mut outer = [[0.0; MOST]; MOST];
        for (pattern, solved) in self.patterns.iter().zip(&solved) {
            for i in 0..pattern.len {
                let weight = power(solved.squares[i]) / total / solved.squares[i];
                if weight == 0.0 {
                    continue;
                }
                for r in 0..pattern.len {
                    let (row, x) = (pattern.parities[r], solved.x[i]);
                    for s in 0..pattern.len {
                        outer[row][pattern.parities[s]] += weight * x[r] * x[s];
                        slopes[row * n + pattern.missing[s]] -=
                            2.0 * weight * x[r] * solved.image[i][s];
                    }
                }
            }
        }
        for r in 0..m {
            for c in 0..n {
                let mixed: f64 = (0..m).map(|s| outer[r][s] * generator.row(s)[c]).sum();
                slopes[r * n + c] += 2.0 * (mixed + outer[r][r] * generator.row(r)[c]);
            }
        }
        Some((worst, slopes))
    }
}

/// `S + D` of the module's comment.
fn quadratic(generator: &Generator) -> Small {
    let mut q = [[0.0; MOST]; MOST];
    for (r, row) in q.iter_mut().enumerate().take(generator.m) {
        for (s, value) in row.iter_mut().enumerate().take(generator.m) {
            let dot: f64 = generator.row(r).iter().zip(generator.row(s)).map(|(a, b)| a * b).sum();
            *value = if r == s { 2.0 * dot } else { dot };
        }
    }
    q
}

fn solve(generator: &Generator, q: &Small, pattern: &Pattern) -> Option<Solved> {
    let mut a = [[0.0; MOST]; MOST];
    for (row, &parity) in a.iter_mut().zip(&pattern.parities[..pattern.len]) {
        for (value, &shard) in row.iter_mut().zip(&pattern.missing[..pattern.len]) {
            *value = generator.row(parity)[shard];
        }
    }
    // Row i of `inverse(a)` belongs to the i-th missing shard.
    let x = inverse(a, pattern.len)?;
    let mut out = Solved { squares: [0.0; MOST], x, image: [[0.0; MOST]; MOST] };
    for i in 0..pattern.len {
        let mut product = [0.0; MOST];
        for r in 0..pattern.len {
            let row = &q[pattern.parities[r]];
            product[r] = (0..pattern.len).map(|s| row[pattern.parities[s]] * x[i][s]).sum();
        }
        let dot =
            |row: &[f64; MOST]| -> f64 { (0..pattern.len).map(|r| row[r] * product[r]).sum() };
        out.squares[i] = dot(&x[i]) - 1.0;
        (0..pattern.len).for_each(|j| out.image[i][j] = dot(&x[j]));
    }
    Some(out)
}
