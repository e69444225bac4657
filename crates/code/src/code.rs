//! A systematic linear code: which parity shards there are and what they
//! repair.

use alloc::{string::ToString, vec, vec::Vec};

use crate::{CodeError, Decoder, SHARDS_MAX, ShardSet, solve::Matrix};

/// The names that [`Code::by_name`] knows.
const NAMES: &str = "none, sum";

/// A systematic linear code: N data shards, and M parity shards that are
/// linear combinations of them with the coefficients of the *generator*.
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    name: &'static str,
    data: usize,
    tolerance: usize,
    /// M rows of N coefficients.
    generator: Vec<f64>,
}

impl Code {
    /// No parity shards: every data shard is needed.
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`] for none or more than [`SHARDS_MAX`] shards.
    pub fn uncoded(n: usize) -> Result<Self, CodeError> {
        check_counts("none", n, 0, 0, 0)?;
        Ok(Self { name: "none", data: n, tolerance: 0, generator: Vec::new() })
    }

    /// One parity shard, the sum of all data shards: repairs any one loss
    /// (arXiv 2104.04447, equations 6 to 12).
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`] for none or more than `SHARDS_MAX - 1`.
    pub fn sum(n: usize) -> Result<Self, CodeError> {
        check_counts("sum", n, 1, 1, 1)?;
        Ok(Self { name: "sum", data: n, tolerance: 1, generator: vec![1.0; n] })
    }

    /// The code with this [`name`](Self::name) and these numbers of data and
    /// parity shards: how a plan file names a code.
    ///
    /// # Errors
    ///
    /// [`CodeError::UnknownName`], or counts that the code does not support.
    pub fn by_name(name: &str, n: usize, m: usize) -> Result<Self, CodeError> {
        match name {
            "none" => check_counts("none", n, m, 0, 0).and_then(|()| Self::uncoded(n)),
            "sum" => check_counts("sum", n, m, 1, 1).and_then(|()| Self::sum(n)),
            _ => Err(CodeError::UnknownName { name: name.to_string(), known: NAMES }),
        }
    }

    /// The code's name, such as `sum`.
    pub fn name(&self) -> &str {
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

    /// The largest number of losses of which any are repaired.
    pub fn tolerance(&self) -> usize {
        self.tolerance
    }

    /// True if every data shard is among `received` or can be computed from
    /// it. Indices that the code does not have are ignored.
    pub fn is_decodable(&self, received: ShardSet) -> bool {
        let (missing, parities) = self.erasures(received);
        if missing.len() > parities.len() {
            return false;
        }
        let lost = self.shards() - received.intersection(ShardSet::first(self.shards())).len();
        missing.is_empty()
            || lost <= self.tolerance
            || self.square(missing, parities).rank() == missing.len()
    }

    /// The coefficients that recover the missing data shards.
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
        let solved = if self.is_decodable(received) { self.solve(missing, parities) } else { None };
        let Some(terms) = solved else {
            return Err(CodeError::NotDecodable {
                name: self.name,
                missing,
                received,
                lost: all.without(received),
                shards: self.shards(),
            });
        };
        Ok(Decoder::new(self.data, missing, terms))
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
        let mut worst = 0.0f64;
        for missing in decoder.missing() {
            let squares =
                decoder.terms(missing).iter().map(|&(shard, c)| c * c * self.noise(shard));
            worst = worst.max(squares.sum::<f64>().sqrt());
        }
        Ok(worst)
    }

    /// The worst [`amplification`](Self::amplification) of any
    /// [`tolerance`](Self::tolerance) losses.
    pub fn worst_amplification(&self) -> f64 {
        if self.tolerance == 0 {
            return 0.0;
        }
        let all = ShardSet::first(self.shards());
        let each = (0..self.shards()).map(|lost| all.without(ShardSet::from_iter([lost])));
        each.filter_map(|received| self.amplification(received).ok()).fold(0.0, f64::max)
    }

    /// The variance of a shard's rounding error, a data shard's being 1.
    fn noise(&self, shard: usize) -> f64 {
        if shard < self.data {
            1.0
        } else {
            self.generator_row(shard - self.data).iter().map(|c| c * c).sum()
        }
    }

    /// The missing data shards, and the received parity shards as rows of the
    /// generator.
    fn erasures(&self, received: ShardSet) -> (ShardSet, ShardSet) {
        let received = received.intersection(ShardSet::first(self.shards()));
        let data = ShardSet::first(self.data);
        (data.without(received), received.without(data))
    }

    /// The generator's rows `parities` and columns `missing`.
    fn square(&self, missing: ShardSet, parities: ShardSet) -> Matrix {
        let rows: Vec<usize> = parities.iter().collect();
        let cols: Vec<usize> = missing.iter().collect();
        Matrix::from_fn(rows.len(), cols.len(), |r, c| {
            self.generator_row(rows[r] - self.data)[cols[c]]
        })
    }

    fn solve(&self, missing: ShardSet, parities: ShardSet) -> Option<Vec<Vec<(usize, f64)>>> {
        let rows: Vec<usize> = parities.iter().take(missing.len()).collect();
        let rows_set: ShardSet = rows.iter().copied().collect();
        let present = ShardSet::first(self.data).without(missing);
        let sources: Vec<usize> = present.iter().chain(rows.iter().copied()).collect();
        let right = Matrix::from_fn(rows.len(), sources.len(), |r, s| match sources[s] {
            data if data < self.data => -self.generator_row(rows[r] - self.data)[data],
            parity => f64::from(u8::from(parity == rows[r])),
        });
        let solved = self.square(missing, rows_set).solve(right)?;
        let list = |r: usize| {
            let pairs = sources.iter().copied().zip(solved.row(r).iter().copied());
            pairs.filter(|&(_, c)| c != 0.0).collect()
        };
        Some((0..missing.len()).map(list).collect())
    }
}

/// Refuses counts of shards that code `code` does not support.
pub(crate) fn check_counts(
    code: &'static str,
    data: usize,
    parity: usize,
    min: usize,
    max: usize,
) -> Result<(), CodeError> {
    let data_max = SHARDS_MAX - min;
    if data == 0 || data > data_max {
        return Err(CodeError::DataShards { code, data, max: data_max });
    }
    let max = max.min(SHARDS_MAX - data);
    if parity < min || parity > max {
        return Err(CodeError::ParityShards { code, data, parity, min, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
            (
                Code::by_name("sum", 4, 2).unwrap_err(),
                "code sum over 4 data shards takes 1 to 1 parity shards, got 2",
            ),
            (
                Code::by_name("raid", 4, 2).unwrap_err(),
                "no code is called \"raid\"; there are none, sum",
            ),
            (Code::uncoded(65).unwrap_err(), "code none takes 1 to 64 data shards, got 65"),
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
    fn worst_amplification_of_the_sum() {
        // sqrt(N - 1 + N): N - 1 data shards and a parity of norm sqrt(N).
        assert!((Code::sum(8).unwrap().worst_amplification() - 15f64.sqrt()).abs() < 1e-12);
    }
}
