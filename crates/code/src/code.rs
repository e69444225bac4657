//! A systematic linear code: which parity shards there are, and what they
//! repair.

use alloc::vec::Vec;

use crate::{
    CodeError, Decoder, ShardSet,
    pattern::{Coverage, Patterns},
    solve::{Matrix, root},
};

/// A systematic linear code: N data shards, and M parity shards that are
/// linear combinations of them with the coefficients of the *generator*.
///
/// Two codes are equal if their names and generators are.
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    name: &'static str,
    data: usize,
    tolerance: usize,
    /// M rows of N coefficients.
    generator: Vec<f64>,
}

impl Code {
    /// A code of a generator that was checked.
    pub(crate) fn new(
        name: &'static str,
        data: usize,
        tolerance: usize,
        generator: Vec<f64>,
    ) -> Self {
        Self { name, data, tolerance, generator }
    }

    /// A code of a generator that was checked; its tolerance is found by trying
    /// loss patterns.
    pub(crate) fn with_tolerance_tried(
        name: &'static str,
        data: usize,
        generator: Vec<f64>,
    ) -> Self {
        let mut code = Self::new(name, data, 0, generator);
        code.tolerance = code.try_tolerance();
        code
    }

    /// The code's name, such as `sum`.
    pub fn name(&self) -> &str {
        self.name
    }

    pub(crate) fn static_name(&self) -> &'static str {
        self.name
    }

    /// N.
    pub fn data_shards(&self) -> usize {
        self.data
    }

    /// M.
    pub fn parity_shards(&self) -> usize {
        self.generator.len() / self.data
    }

    /// N + M.
    pub fn shards(&self) -> usize {
        self.data + self.parity_shards()
    }

    /// The N coefficients of parity shard `parity`, counted from 0.
    ///
    /// # Panics
    ///
    /// If there is no such parity shard.
    pub fn generator_row(&self, parity: usize) -> &[f64] {
        &self.generator[parity * self.data..(parity + 1) * self.data]
    }

    /// The largest number of losses that are repaired whichever shards they are.
    /// For a code of [`from_generator`](Self::from_generator) with too many loss
    /// patterns to try, the largest number that was tried.
    pub fn tolerance(&self) -> usize {
        self.tolerance
    }

    /// True if every data shard is among `received` or can be computed from
    /// it. Indices that the code does not have are ignored.
    pub fn is_decodable(&self, received: ShardSet) -> bool {
        let (missing, parities) = self.erasures(received);
        if missing.is_empty() {
            return true;
        }
        let lost = self.shards() - received.intersection(ShardSet::first(self.shards())).len();
        missing.len() <= parities.len()
            && (lost <= self.tolerance || self.columns(missing, parities).rank() == missing.len())
    }

    /// The coefficients that recover the missing data shards.
    ///
    /// Where more parities arrived than shards are missing, the coefficients
    /// are those of least squares, weighted with the size of each shard's
    /// rounding error and of what the data shards add to it: no other linear
    /// combination has a smaller [`amplification`](Self::amplification)
    /// (Gauss-Markov). A shard's replica is copied.
    ///
    /// # Errors
    ///
    /// [`CodeError::UnknownShard`], or [`CodeError::NotDecodable`] with the
    /// data shards that are missing.
    pub fn decoder(&self, received: ShardSet) -> Result<Decoder, CodeError> {
        let all = ShardSet::first(self.shards());
        if let Some(shard) = received.without(all).iter().next() {
            return Err(CodeError::UnknownShard { shard, shards: self.shards() });
        }
        let (missing, parities) = self.erasures(received);
        let solved = if self.is_decodable(received) { self.terms(missing, parities) } else { None };
        match solved {
            Some(terms) => Ok(Decoder::new(self.data, missing, terms)),
            None => Err(CodeError::NotDecodable {
                name: self.name,
                missing,
                received,
                lost: all.without(received),
                shards: self.shards(),
            }),
        }
    }

    /// The patterns of `lost` losses that the code repairs, as sets of lost
    /// shards.
    pub fn repaired(&self, lost: usize) -> impl Iterator<Item = ShardSet> {
        let all = ShardSet::first(self.shards());
        Patterns::new(self.shards(), lost)
            .filter(move |&pattern| self.is_decodable(all.without(pattern)))
    }

    /// How many of all patterns of `lost` losses the code repairs.
    pub fn coverage(&self, lost: usize) -> Coverage {
        Coverage {
            repaired: self.repaired(lost).count() as u64,
            patterns: Patterns::count(self.shards(), lost),
        }
    }

    /// The variance of a shard's rounding error, a data shard's being 1: the
    /// square of the norm of its row of the generator.
    pub(crate) fn noise(&self, shard: usize) -> f64 {
        if shard < self.data {
            1.0
        } else {
            self.generator_row(shard - self.data).iter().map(|c| c * c).sum()
        }
    }

    /// The missing data shards, and the parity shards received.
    pub(crate) fn erasures(&self, received: ShardSet) -> (ShardSet, ShardSet) {
        let received = received.intersection(ShardSet::first(self.shards()));
        let data = ShardSet::first(self.data);
        (data.without(received), received.without(data))
    }

    /// The generator's rows `parities` and columns `data`.
    pub(crate) fn columns(&self, data: ShardSet, parities: ShardSet) -> Matrix {
        let rows: Vec<usize> = parities.iter().collect();
        let cols: Vec<usize> = data.iter().collect();
        Matrix::from_fn(rows.len(), cols.len(), |r, c| {
            self.generator_row(rows[r] - self.data)[cols[c]]
        })
    }

    /// For each missing shard the received shards and their coefficients.
    fn terms(&self, missing: ShardSet, parities: ShardSet) -> Option<Vec<Vec<(usize, f64)>>> {
        let mut lists: Vec<Option<Vec<(usize, f64)>>> =
            missing.iter().map(|shard| self.replica(shard, parities)).collect();
        if lists.iter().any(Option::is_none) {
            let present = ShardSet::first(self.data).without(missing);
            let by_parity = self.left_inverse(missing, parities)?;
            let through = by_parity.times(&self.columns(present, parities));
            for (r, list) in lists.iter_mut().enumerate().filter(|(_, list)| list.is_none()) {
                let data = present.iter().zip(through.row(r)).map(|(shard, c)| (shard, -c));
                let parity = parities.iter().zip(by_parity.row(r).iter().copied());
                // What is left of an exact zero must not touch a shard.
                *list = Some(data.chain(parity).filter(|(_, c)| c.abs() > 1e-14).collect());
            }
        }
        lists.into_iter().collect()
    }

    /// A received parity that is nothing but a multiple of `shard`.
    fn replica(&self, shard: usize, parities: ShardSet) -> Option<Vec<(usize, f64)>> {
        let alone = |&parity: &usize| {
            let row = self.generator_row(parity - self.data);
            row[shard] != 0.0 && row.iter().filter(|&&c| c != 0.0).count() == 1
        };
        let parity = parities.iter().find(alone)?;
        Some(alloc::vec![(parity, 1.0 / self.generator_row(parity - self.data)[shard])])
    }

    /// The matrix X with X A = 1, A the generator's rows `parities` and
    /// columns `missing`: `A^-1`, or `(A' C^-1 A)^-1 A' C^-1` with C the
    /// covariance of the parities less the present data shards' part.
    fn left_inverse(&self, missing: ShardSet, parities: ShardSet) -> Option<Matrix> {
        let a = self.columns(missing, parities);
        if missing.len() == parities.len() {
            return a.solve(Matrix::identity(missing.len()));
        }
        let rows: Vec<usize> = parities.iter().collect();
        let present = self.columns(ShardSet::first(self.data).without(missing), parities);
        let covariance = Matrix::from_fn(rows.len(), rows.len(), |r, c| {
            let shared: f64 = present.row(r).iter().zip(present.row(c)).map(|(a, b)| a * b).sum();
            if r == c { shared + self.noise(rows[r]) } else { shared }
        });
        covariance.least_squares(&a)
    }

    /// Tries all patterns of one loss, of two, and so on, up to a bound on the
    /// number of patterns.
    fn try_tolerance(&self) -> usize {
        const PATTERNS_MAX: u64 = 100_000;
        let repairs_all = |lost: &usize| {
            let patterns = Patterns::count(self.shards(), *lost);
            patterns <= PATTERNS_MAX && self.coverage(*lost).repaired == patterns
        };
        (1..=self.parity_shards()).take_while(repairs_all).count()
    }

    /// How much decoding from `received` enlarges rounding errors: the root
    /// of the sum of squares of the decoding coefficients, those of parity
    /// shards multiplied by the norm of their generator row (a shard's
    /// rounding error grows with it); the worst recovered shard. 0 if nothing
    /// is missing.
    ///
    /// # Errors
    ///
    /// As [`decoder`](Self::decoder).
    pub fn amplification(&self, received: ShardSet) -> Result<f64, CodeError> {
        let decoder = self.decoder(received)?;
        let squares = decoder.missing().iter().map(|missing| self.square(&decoder, missing));
        Ok(root(squares.fold(0.0, f64::max)))
    }

    /// The worst [`amplification`](Self::amplification) of any
    /// [`tolerance`](Self::tolerance) losses. (Fewer losses are never worse.)
    ///
    /// Tries all patterns: 59 thousand for N = 32, M = 4.
    pub fn worst_amplification(&self) -> f64 {
        let all = ShardSet::first(self.shards());
        let each = Patterns::new(self.shards(), self.tolerance);
        each.map(|lost| self.amplification(all.without(lost)).unwrap_or(f64::INFINITY))
            .fold(0.0, f64::max)
    }

    /// The square of the amplification of one missing shard.
    pub(crate) fn square(&self, decoder: &Decoder, missing: usize) -> f64 {
        decoder.terms(missing).iter().map(|&(shard, c)| c * c * self.noise(shard)).sum()
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;

    #[test]
    fn sum_repairs_any_one_loss() {
        let code = Code::sum(4).unwrap();
        let shards: [&[f32]; 5] =
            [&[1.0, 2.0, 3.0], &[4.0, 5.0], &[7.0], &[8.0, 9.0, 10.0], &[20.0, 16.0, 13.0]];
        for lost in 0..4 {
            let mut received = ShardSet::first(5);
            received.remove(lost);
            assert!(code.is_decodable(received));
            let decoder = code.decoder(received).unwrap();
            let mut out = vec![0.0; shards[lost].len()];
            decoder.recover_f32(lost, |i| shards[i], &mut out).unwrap();
            assert_eq!(out, shards[lost]);
        }
    }

    #[test]
    fn errors_name_what_is_missing() {
        let code = Code::sum(3).unwrap();
        let cases = [
            (
                code.decoder(ShardSet::from_iter([0, 3])).unwrap_err(),
                "sum code cannot recover data shards {1, 2} from shards {0, 3}: lost {1, 2} of 4",
            ),
            (
                code.decoder(ShardSet::from_iter([0, 1, 2, 7])).unwrap_err(),
                "shard 7 is unknown, the code has 4 shards",
            ),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn uncoded_needs_everything() {
        let code = Code::uncoded(3).unwrap();
        assert!(code.is_decodable(ShardSet::first(3)));
        assert!(!code.is_decodable(ShardSet::first(2)));
        assert!(code.decoder(ShardSet::first(3)).unwrap().missing().is_empty());
        assert_eq!((code.tolerance(), code.worst_amplification()), (0, 0.0));
    }

    #[test]
    fn coefficients_of_the_sum_are_exact() {
        let decoder = Code::sum(3).unwrap().decoder(ShardSet::from_iter([0, 2, 3])).unwrap();
        assert_eq!(decoder.terms(1), [(0, -1.0), (2, -1.0), (3, 1.0)]);
        assert_eq!(decoder.terms(0), []);
    }

    #[test]
    fn more_parities_never_amplify_more() {
        for code in
            [Code::mds(6, 3).unwrap(), Code::hamming(6).unwrap(), Code::overlapping(6, 3).unwrap()]
        {
            let all = ShardSet::first(code.shards());
            for lost in Patterns::new(code.shards(), 2) {
                let Ok(more) = code.amplification(all.without(lost)) else { continue };
                for parity in all.without(ShardSet::first(6)).without(lost) {
                    let mut received = all.without(lost);
                    received.remove(parity);
                    if let Ok(fewer) = code.amplification(received) {
                        assert!(more <= fewer * (1.0 + 1e-9), "{} without {lost}", code.name());
                    }
                }
            }
        }
    }
}
