//! Finding silent corruption where more shards arrived than decoding needs.
//!
//! Spare shards give equations that hold up to rounding. One that is off by more
//! proves corruption; a shard is a suspect if all of them hold without it. With
//! two spare shards or more, one corrupt shard is usually the only suspect.
//! [`algorithm`](crate::algorithm#silent-corruption) has the equations and their
//! bounds.

use alloc::{vec, vec::Vec};

use crate::{
    Code, CodeError, ShardSet,
    kernel::{Residual, combine},
    solve::root,
};

/// What checking found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A shard could not be checked: decoding needs it, whatever it says.
    Unchecked,
    /// All checks hold within rounding, and every shard is in one.
    Clean,
    /// A check does not hold.
    Corrupt {
        /// The first row where one does not.
        row: usize,
        /// The shards without which all checks hold: one of them is corrupt
        /// if only one shard is. Empty if more than one must be.
        suspects: ShardSet,
    },
}

impl Verdict {
    /// The corrupt shard, if it is known which. Decoding from the others
    /// repairs it.
    pub fn located(self) -> Option<usize> {
        match self {
            Self::Corrupt { suspects, .. } if suspects.len() == 1 => suspects.iter().next(),
            _ => None,
        }
    }
}

/// Bounds for the rounding errors of a linear layer's outputs.
///
/// An inner product of k products in arithmetic with unit roundoff u, in any
/// order of summation, fused or not, differs from the exact one by at most
/// `g_k |w| |x|`, `g_k = k u / (1 - k u)` (Higham, Accuracy and Stability of
/// Numerical Algorithms, 2nd edition, section 3.1; with Cauchy and Schwarz
/// for the norms). Two more roundings cover the bias and parity weights that
/// were rounded once when they were made. Not covered: Winograd and FFT
/// convolutions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rounding {
    relative: f64,
    input_norm: f64,
    input_error: f64,
}

impl Rounding {
    /// For f32 outputs that are sums of `inner` products with an input of
    /// Euclidean norm `input_norm` (for a convolution: of the window with the
    /// largest norm). A bias counts as one more weight, with an input of 1.
    pub fn f32(inner: usize, input_norm: f64) -> Self {
        const UNIT: f64 = 1.0 / (1 << 24) as f64;
        let errors = (inner as f64 + 2.0) * UNIT;
        let relative = if errors < 0.5 { errors / (1.0 - errors) } else { f64::INFINITY };
        Self { relative, input_norm, input_error: 0.0 }
    }

    /// The sharper bound that holds with a high probability if rounding errors
    /// are independent: `exp(l sqrt(k) u + k u^2 / (1 - u)) - 1` in the place
    /// of `g_k`, for one sum with a probability of at least
    /// `1 - 2 k exp(-l^2 (1 - u)^2 / 2)` (Higham and Mary, A new approach to
    /// probabilistic rounding error analysis, 2019, theorem 2.4). With
    /// `lambda` 9, that fails in one of 10^13 sums of 10^4 products.
    pub fn likely(inner: usize, input_norm: f64, lambda: f64) -> Self {
        const UNIT: f64 = 1.0 / (1 << 24) as f64;
        let certain = Self::f32(inner, input_norm);
        let inner = inner as f64 + 2.0;
        let exponent = lambda * root(inner) * UNIT + inner * UNIT * UNIT * 1.1;
        // exp(t) - 1 <= t + t^2 for t up to 1.
        Self { relative: certain.relative.min(exponent + exponent * exponent), ..certain }
    }

    /// Allows for inputs that differ from device to device by at most
    /// `norm`, because they decoded different shards.
    pub fn with_input_error(self, norm: f64) -> Self {
        Self { input_error: norm, ..self }
    }

    /// The most by which an output may be off, given the Euclidean norm of its
    /// row of weights (for several outputs: the largest).
    pub fn error(&self, row_norm: f64) -> f64 {
        row_norm * (self.relative * self.input_norm + self.input_error)
    }
}

impl Code {
    /// Checks shards against each other. `shard(i)` gives the values of
    /// received shard `i`, shorter ones counting as padded with zeros;
    /// `error(i)` the most by which one of its values may be off, such as
    /// [`Rounding::error`], and no less than half a unit in the last place of
    /// the largest. To use each row's own bound, pass ranges of rows.
    ///
    /// One spare parity detects; two locate one corrupt shard, which takes an
    /// error somewhat larger. Values that are not numbers never pass.
    ///
    /// # Errors
    ///
    /// As [`decoder`](Self::decoder), and [`CodeError::LongData`] where a data
    /// shard is longer than a parity shard.
    pub fn verify_f32<'a>(
        &self,
        received: ShardSet,
        shard: impl Fn(usize) -> &'a [f32],
        error: impl Fn(usize) -> f64,
    ) -> Result<Verdict, CodeError> {
        let shards = self.shards_that_fit(received, shard)?;
        let checked = self.checked(received);
        let Some(row) = self.first_excess(received, &shards, 0.0, &error) else {
            return Ok(if checked == received { Verdict::Clean } else { Verdict::Unchecked });
        };
        let fits = |rest| Ok(self.first_excess(rest, &shards, 0.0, &error).is_none());
        Ok(Verdict::Corrupt { row, suspects: suspects(received, checked, fits)? })
    }

    /// The first row where a check of [`verify_f32`](Self::verify_f32) does not
    /// hold; `None` where all do. For whoever looks for suspects in another way.
    /// Each value may be off by `rounded` of itself, too: what it travelled as has
    /// that unit roundoff.
    ///
    /// # Errors
    ///
    /// As [`verify_f32`](Self::verify_f32).
    pub fn first_excess_f32<'a>(
        &self,
        received: ShardSet,
        shard: impl Fn(usize) -> &'a [f32],
        rounded: f64,
        error: impl Fn(usize) -> f64,
    ) -> Result<Option<usize>, CodeError> {
        let shards = self.shards_that_fit(received, shard)?;
        Ok(self.first_excess(received, &shards, rounded, &error))
    }

    /// As [`by_shard`](Self::by_shard), where they suffice to decode and no data
    /// shard is longer than a parity shard.
    fn shards_that_fit<'a>(
        &self,
        received: ShardSet,
        shard: impl Fn(usize) -> &'a [f32],
    ) -> Result<Vec<&'a [f32]>, CodeError> {
        self.decoder(received)?;
        let shards = self.by_shard(received, shard);
        let parities = received.without(ShardSet::first(self.data_shards()));
        let len = parities.iter().map(|i| shards[i].len()).min().unwrap_or(usize::MAX);
        let data = received.without(parities);
        match data.iter().find(|&i| shards[i].len() > len) {
            Some(shard) => {
                Err(CodeError::LongData { shard, len: shards[shard].len(), parity: len })
            }
            None => Ok(shards),
        }
    }

    /// Those of `received` that the others determine, so that a corrupt one does
    /// not fit: all, where a code of independent parities has a shard to spare,
    /// but of copies only those that there are two of. None where `received` does
    /// not suffice to decode.
    pub fn checked(&self, received: ShardSet) -> ShardSet {
        let fewer = |shard: usize| received.without(ShardSet::from_iter([shard]));
        received.iter().filter(|shard| self.is_decodable(fewer(*shard))).collect()
    }

    /// By shard: the values of each that was received, nothing for the others.
    fn by_shard<'a>(
        &self,
        received: ShardSet,
        shard: impl Fn(usize) -> &'a [f32],
    ) -> Vec<&'a [f32]> {
        let values = |i| if received.contains(i) { shard(i) } else { &[] };
        (0..self.shards()).map(values).collect()
    }

    /// How far received shards are from fitting together: the largest residual
    /// of a check, beyond what each value may be off that was `rounded` to a unit
    /// roundoff of that, over the sum of its coefficients' absolute values, so
    /// that shards whose values are each off by at most `e` are at most `e` from
    /// it. Infinite where a value is not finite; `None` where there are no more
    /// shards than decoding needs. For whoever learns from healthy shards what
    /// `error` to give [`verify_f32`](Self::verify_f32).
    ///
    /// # Errors
    ///
    /// As [`decoder`](Self::decoder).
    pub fn discrepancy_f32<'a>(
        &self,
        received: ShardSet,
        shard: impl Fn(usize) -> &'a [f32],
        rounded: f64,
    ) -> Result<Option<f64>, CodeError> {
        self.decoder(received)?;
        if received.len() <= self.data_shards() {
            return Ok(None);
        }
        let shards = self.by_shard(received, shard);
        let len = shards.iter().map(|s| s.len()).max().unwrap_or(0);
        let (mut residual, mut expected) = (vec![0.0; len], vec![0.0; len]);
        let mut largest = 0f64;
        for check in self.checks(received) {
            combine::<Residual>(&[&check], &shards, &mut [&mut residual]);
            rounding(&check, &shards, rounded, &mut expected);
            let size: f64 = check.iter().map(|(_, c)| c.abs()).sum();
            for (r, expected) in residual.iter().zip(&expected) {
                let off = (r.abs() - expected).max(0.0) / size;
                largest = largest.max(if r.is_finite() { off } else { f64::INFINITY });
            }
        }
        Ok(Some(largest))
    }

    /// The first row where a check exceeds its bound.
    fn first_excess(
        &self,
        received: ShardSet,
        shards: &[&[f32]],
        rounded: f64,
        error: &impl Fn(usize) -> f64,
    ) -> Option<usize> {
        const ROWS: usize = 1024;
        let len = shards.iter().map(|s| s.len()).max().unwrap_or(0);
        let mut first: Option<usize> = None;
        let (mut residual, mut expected) = (vec![0.0; ROWS], vec![0.0; ROWS]);
        for check in self.checks(received) {
            // The sums' own rounding, in double precision, is far below a
            // millionth of what single precision does to the values.
            let bound: f64 =
                check.iter().map(|&(i, c)| c.abs() * error(i)).sum::<f64>() * 1.000_001;
            for start in (0..first.unwrap_or(len)).step_by(ROWS) {
                let stop = len.min(start + ROWS);
                let pieces: Vec<&[f32]> =
                    shards.iter().map(|s| &s[start.min(s.len())..stop.min(s.len())]).collect();
                let out = &mut residual[..stop - start];
                combine::<Residual>(&[&check], &pieces, &mut [out]);
                rounding(&check, &pieces, rounded, &mut expected[..stop - start]);
                let off =
                    |(r, expected): (&f64, &f64)| !r.is_finite() || r.abs() > bound + expected;
                let excess = residual[..stop - start].iter().zip(&expected).position(off);
                if let Some(row) = excess {
                    first = Some(first.map_or(start + row, |first| first.min(start + row)));
                    break;
                }
            }
        }
        first
    }

    /// Combinations of received shards that are zero.
    fn checks(&self, received: ShardSet) -> Vec<Vec<(usize, f64)>> {
        let (missing, parities) = self.erasures(received);
        let rows: Vec<usize> = parities.iter().collect();
        let scale: Vec<f64> = rows.iter().map(|&p| 1.0 / root(self.noise(p))).collect();
        let columns = self.columns(missing, parities).scaled_rows(&scale);
        let (q, _) = columns.orthogonal();
        let mut checks = Vec::new();
        for t in 0..rows.len() {
            // Row t of 1 - Q Q', back in the parities' own scale.
            let weight = |p: usize| {
                let shared: f64 = q.row(t).iter().zip(q.row(p)).map(|(a, b)| a * b).sum();
                (if t == p { 1.0 - shared } else { -shared }) * scale[p]
            };
            let weights: Vec<f64> = (0..rows.len()).map(weight).collect();
            if weights[t] / scale[t] < 1e-9 {
                continue;
            }
            let data = received.intersection(ShardSet::first(self.data_shards())).iter().map(|i| {
                let parts = rows.iter().zip(&weights);
                (i, parts.map(|(&p, w)| w * self.generator_row(p - self.data_shards())[i]).sum())
            });
            let parity = rows.iter().zip(&weights).map(|(&p, w)| (p, -w));
            checks
                .push(data.chain(parity).filter(|(_, c): &(usize, f64)| c.abs() > 1e-12).collect());
        }
        checks
    }
}

/// By row: what a check may be off where every value was `rounded`. Nothing is
/// written where none was: `out` begins as zeros.
fn rounding(check: &[(usize, f64)], shards: &[&[f32]], rounded: f64, out: &mut [f64]) {
    if rounded == 0.0 {
        return;
    }
    out.fill(0.0);
    // What is here is what was rounded: of the value itself it is more.
    let relative = rounded / (1.0 - rounded);
    for &(shard, coefficient) in check {
        let most = coefficient.abs() * relative;
        let values = out.iter_mut().zip(shards[shard]);
        values.for_each(|(out, value)| *out += most * f64::from(value.abs()));
    }
}

/// The shards of `checked`, which others of `received` determine, without which
/// what is left fits together.
pub(crate) fn suspects(
    received: ShardSet,
    checked: ShardSet,
    fits: impl Fn(ShardSet) -> Result<bool, CodeError>,
) -> Result<ShardSet, CodeError> {
    let mut suspects = ShardSet::new();
    for shard in checked {
        if fits(received.without(ShardSet::from_iter([shard])))? {
            suspects.insert(shard);
        }
    }
    Ok(suspects)
}
