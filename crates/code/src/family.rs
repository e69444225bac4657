//! Constructors of the codes, and the names that plan files call them by.

use alloc::{string::ToString, vec, vec::Vec};

use crate::{Code, CodeError, SHARDS_MAX, mds};

/// The names that [`Code::by_name`] knows.
const NAMES: &str = "none, sum, mds, bch-dft, groups, overlapping, hamming, replication";

/// Most parity shards of the codes that repair any M losses. With more, decoding
/// neighbouring losses costs more digits than single precision has.
const PARITY_MAX: usize = 8;

impl Code {
    /// No parity shards: every data shard is needed.
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`] for none or more than [`SHARDS_MAX`] shards.
    pub fn uncoded(n: usize) -> Result<Self, CodeError> {
        check_counts("none", n, 0, 0, 0)?;
        Ok(Self::new("none", n, 0, Vec::new()))
    }

    /// One parity shard, the sum of all data shards: repairs any one loss
    /// (arXiv 2104.04447, equations 6 to 12).
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`] for none or more than `SHARDS_MAX - 1`.
    pub fn sum(n: usize) -> Result<Self, CodeError> {
        check_counts("sum", n, 1, 1, 1)?;
        Ok(Self::new("sum", n, 1, vec![1.0; n]))
    }

    /// The code with the smallest worst-case amplification known that repairs
    /// any M losses, up to M = 8: the [`sum`](Self::sum)'s generator for
    /// M = 1, one found by the program `examples/search_mds.rs` where that is
    /// better, else the [`bch_dft`](Self::bch_dft) code's.
    ///
    /// The generator of given counts never changes from version to version,
    /// since parity weights outlive programs.
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`], [`CodeError::ParityShards`].
    pub fn mds(n: usize, m: usize) -> Result<Self, CodeError> {
        check_counts("mds", n, m, 1, PARITY_MAX)?;
        let generator = match (n, m) {
            (_, 1) => vec![1.0; n],
            // Shards that are all copies of one are exact.
            (1, _) => vec![1.0; m],
            _ => mds::found(n, m).unwrap_or_else(|| mds::bch_dft(n, m)),
        };
        Ok(Self::new("mds", n, m, generator))
    }

    /// The real BCH-DFT code with evenly spread parity positions: repairs any
    /// M losses, up to M = 8.
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`], [`CodeError::ParityShards`].
    pub fn bch_dft(n: usize, m: usize) -> Result<Self, CodeError> {
        check_counts("bch-dft", n, m, 1, PARITY_MAX)?;
        Ok(Self::new("bch-dft", n, m, mds::bch_dft(n, m)))
    }

    /// M parity shards, each the sum of a group of data shards of its own: any
    /// one loss, and several in different groups. After the sum the next of
    /// the paper's set-ups in order of tolerance (arXiv 2104.04447, figure 18).
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`], [`CodeError::ParityShards`] for more parity
    /// than data shards.
    pub fn groups(n: usize, m: usize) -> Result<Self, CodeError> {
        check_counts("groups", n, m, 1, n.max(1))?;
        let generator = zero_one(n, m, |parity, data| data * m / n == parity);
        Ok(Self::with_tolerance_tried("groups", n, generator))
    }

    /// M parity shards that are sums over windows of the data shards, each
    /// window overlapping the next by half: any one loss, and nearly all of
    /// two with M = 2 ("almost complete": arXiv 2104.04447, section 7 and
    /// figure 18, the last set-up). Window `j` holds the data shards from
    /// `j n / (m + 1)` to `(j + 2) n / (m + 1)`.
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`], [`CodeError::ParityShards`] for more parity
    /// than data shards.
    pub fn overlapping(n: usize, m: usize) -> Result<Self, CodeError> {
        check_counts("overlapping", n, m, 1, n.max(1))?;
        // Data shard i lies at (2 i + 1) / 2 n of the whole.
        let at = |data: usize| (2 * data + 1) * (m + 1);
        let generator = zero_one(n, m, |parity, data| {
            (2 * n * parity..2 * n * (parity + 2)).contains(&at(data)) || (m == 1)
        });
        Ok(Self::with_tolerance_tried("overlapping", n, generator))
    }

    /// Any two losses with sums only: the fewest parity shards M with
    /// `2^M - M - 1 >= n`, each data shard in a set of two or more parities of
    /// its own (the "Hamming-style coverage" of arXiv 2104.04447, footnote 1).
    ///
    /// Two lost data shards have different columns of zeros and ones, neither
    /// zero, so the columns are independent over the reals; and a column with
    /// two ones survives the loss of one parity.
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`] if data and parity shards are too many.
    pub fn hamming(n: usize) -> Result<Self, CodeError> {
        check_counts("hamming", n, 2, 2, 2)?;
        let m = (2..).find(|&m| (1 << m) - m > n).unwrap_or(SHARDS_MAX);
        if n + m > SHARDS_MAX {
            return Err(CodeError::DataShards { code: "hamming", data: n, max: SHARDS_MAX - 6 });
        }
        // Columns with few ones come first: less to add up.
        let mut columns: Vec<u64> = (1u64..1 << m).filter(|c| c.count_ones() >= 2).collect();
        columns.sort_by_key(|c| (c.count_ones(), *c));
        let generator = zero_one(n, m, |parity, data| columns[data] >> parity & 1 == 1);
        Ok(Self::with_tolerance_tried("hamming", n, generator))
    }

    /// `copies` more of every data shard: repairs any `copies` losses with
    /// `n * copies` parity shards. What coding is to be compared with.
    /// Parity shard `c * n + i` is a copy of data shard `i`.
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`], [`CodeError::ParityShards`].
    pub fn replication(n: usize, copies: usize) -> Result<Self, CodeError> {
        check_counts("replication", n, n.saturating_mul(copies), n.max(1), SHARDS_MAX)?;
        let generator = zero_one(n, n * copies, |parity, data| parity % n == data);
        Ok(Self::new("replication", n, copies, generator))
    }

    /// The code with this generator, rows of `n` coefficients one after the
    /// other. Its tolerance is found by trying all patterns.
    ///
    /// # Errors
    ///
    /// [`CodeError::DataShards`], [`CodeError::ParityShards`],
    /// [`CodeError::GeneratorLength`], [`CodeError::GeneratorValue`],
    /// [`CodeError::GeneratorRow`].
    pub fn from_generator(n: usize, rows: &[f64]) -> Result<Self, CodeError> {
        check_counts("custom", n, 0, 0, SHARDS_MAX)?;
        if !rows.len().is_multiple_of(n) {
            return Err(CodeError::GeneratorLength { got: rows.len(), data: n });
        }
        check_counts("custom", n, rows.len() / n, 0, SHARDS_MAX)?;
        if let Some(index) = rows.iter().position(|c| !c.is_finite()) {
            return Err(CodeError::GeneratorValue { index });
        }
        if let Some(parity) = rows.chunks(n).position(|row| row.iter().all(|&c| c == 0.0)) {
            return Err(CodeError::GeneratorRow { parity });
        }
        Ok(Self::with_tolerance_tried("custom", n, rows.to_vec()))
    }

    /// The code with this [`name`](Self::name) and these numbers of data and
    /// parity shards: how a plan file names a code.
    ///
    /// # Errors
    ///
    /// [`CodeError::UnknownName`], or counts that the code does not support.
    pub fn by_name(name: &str, n: usize, m: usize) -> Result<Self, CodeError> {
        let code = match name {
            "none" => Self::uncoded(n)?,
            "sum" => Self::sum(n)?,
            "mds" => Self::mds(n, m)?,
            "bch-dft" => Self::bch_dft(n, m)?,
            "groups" => Self::groups(n, m)?,
            "overlapping" => Self::overlapping(n, m)?,
            "hamming" => Self::hamming(n)?,
            "replication" => Self::replication(n, m.checked_div(n).unwrap_or(0))?,
            _ => return Err(CodeError::UnknownName { name: name.to_string(), known: NAMES }),
        };
        check_counts(code.static_name(), n, m, code.parity_shards(), code.parity_shards())?;
        Ok(code)
    }
}

/// M rows of N coefficients that are 1 where `has` says so.
fn zero_one(n: usize, m: usize, has: impl Fn(usize, usize) -> bool) -> Vec<f64> {
    let at = (0..m).flat_map(|parity| (0..n).map(move |data| (parity, data)));
    at.map(|(parity, data)| f64::from(u8::from(has(parity, data)))).collect()
}

/// Refuses counts of shards that code `code` does not support.
pub(crate) fn check_counts(
    code: &'static str,
    data: usize,
    parity: usize,
    min: usize,
    max: usize,
) -> Result<(), CodeError> {
    let data_max = SHARDS_MAX.saturating_sub(min);
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
    use crate::ShardSet;

    /// Decodable by definition: the rows that are left, unit rows and rows of
    /// the generator, have rank N, found in exact arithmetic over integers
    /// modulo a large prime.
    fn has_full_rank(code: &Code, received: ShardSet) -> bool {
        const PRIME: i128 = (1 << 61) - 1;
        let n = code.data_shards();
        let row = |shard: usize| -> Vec<i128> {
            if shard < n {
                (0..n).map(|c| i128::from(c == shard)).collect()
            } else {
                code.generator_row(shard - n)
                    .iter()
                    .map(|&c| (c as i128).rem_euclid(PRIME))
                    .collect()
            }
        };
        let inverse = |value: i128| {
            let (mut power, mut base, mut exponent) = (1, value, PRIME - 2);
            while exponent > 0 {
                if exponent & 1 == 1 {
                    power = power * base % PRIME;
                }
                base = base * base % PRIME;
                exponent >>= 1;
            }
            power
        };
        let mut rows: Vec<Vec<i128>> = received.iter().map(row).collect();
        for c in 0..n {
            let Some(pivot) = (c..rows.len()).find(|&r| rows[r][c] != 0) else { return false };
            rows.swap(c, pivot);
            let scale = inverse(rows[c][c]);
            let top: Vec<i128> = rows[c].iter().map(|v| v * scale % PRIME).collect();
            for row in &mut rows[c + 1..] {
                let factor = row[c];
                row.iter_mut()
                    .zip(&top)
                    .for_each(|(v, t)| *v = (*v - factor * t % PRIME + PRIME) % PRIME);
            }
        }
        true
    }

    #[test]
    fn decodable_agrees_with_the_rank_of_the_rows_that_are_left() {
        let custom =
            Code::from_generator(4, &[1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 1.0, 1.0, 5.0, 0.0, -2.0, 0.0]);
        let mut codes = vec![custom.unwrap()];
        for n in 1..=7 {
            codes.push(Code::uncoded(n).unwrap());
            codes.push(Code::sum(n).unwrap());
            codes.push(Code::hamming(n).unwrap());
            for m in 1..=n.min(4) {
                codes.push(Code::groups(n, m).unwrap());
                codes.push(Code::overlapping(n, m).unwrap());
            }
            codes.push(Code::replication(n.min(5), 2).unwrap());
        }
        for code in codes {
            let (all, mut tolerance) = (ShardSet::first(code.shards()), None);
            for bits in 0..1 << code.shards() {
                let lost = ShardSet::from_bits(bits);
                let repaired = code.is_decodable(all.without(lost));
                assert_eq!(
                    repaired,
                    has_full_rank(&code, all.without(lost)),
                    "{} {lost}",
                    code.name()
                );
                assert_eq!(repaired, code.decoder(all.without(lost)).is_ok());
                if !repaired {
                    tolerance =
                        Some(tolerance.map_or(lost.len() - 1, |t: usize| t.min(lost.len() - 1)));
                }
            }
            assert_eq!(
                code.tolerance(),
                tolerance.unwrap_or(0),
                "{} over {}",
                code.name(),
                code.data_shards()
            );
        }
    }

    #[test]
    fn set_ups_of_figure_18_in_order_of_tolerance() {
        let two = |code: Result<Code, CodeError>| code.unwrap().coverage(2);
        let shares = [
            two(Code::sum(4)),
            two(Code::groups(4, 2)),
            two(Code::overlapping(4, 2)),
            two(Code::hamming(4)),
            two(Code::mds(4, 2)),
        ];
        let seen: Vec<_> = shares.iter().map(|s| (s.repaired, s.patterns)).collect();
        assert_eq!(seen, [(0, 10), (9, 15), (12, 15), (21, 21), (15, 15)]);
        let lost: Vec<_> =
            Code::overlapping(4, 2).unwrap().repaired(2).map(|p| p.to_string()).collect();
        assert!(!lost.contains(&"{1, 2}".to_string()) && lost.contains(&"{0, 1}".to_string()));
    }

    #[test]
    fn hamming_takes_the_fewest_parities() {
        for (n, m) in [(1, 2), (2, 3), (4, 3), (5, 4), (11, 4), (12, 5), (26, 5), (27, 6), (57, 6)]
        {
            let code = Code::hamming(n).unwrap();
            assert_eq!(code.parity_shards(), m, "N = {n}");
            assert!(code.tolerance() >= 2);
        }
        assert!(Code::hamming(58).is_err());
    }

    #[test]
    fn names_lead_back() {
        let codes = [
            Code::uncoded(4),
            Code::sum(4),
            Code::mds(4, 3),
            Code::bch_dft(4, 2),
            Code::groups(4, 2),
            Code::overlapping(4, 2),
            Code::hamming(4),
            Code::replication(4, 2),
        ];
        for code in codes.map(Result::unwrap) {
            let again = Code::by_name(code.name(), code.data_shards(), code.parity_shards());
            assert_eq!(again.as_ref(), Ok(&code));
            assert!(NAMES.split(", ").any(|name| name == code.name()));
        }
    }

    #[test]
    fn wrong_counts_are_errors() {
        let cases = [
            (
                Code::by_name("sum", 4, 2),
                "code sum over 4 data shards takes 1 to 1 parity shards, got 2",
            ),
            (
                Code::by_name("none", 4, 1),
                "code none over 4 data shards takes 0 to 0 parity shards, got 1",
            ),
            (
                Code::by_name("hamming", 4, 4),
                "code hamming over 4 data shards takes 3 to 3 parity shards, got 4",
            ),
            (
                Code::by_name("replication", 4, 6),
                "code replication over 4 data shards takes 4 to 4 parity shards, got 6",
            ),
            (
                Code::by_name("replication", 0, 6),
                "code replication takes 1 to 63 data shards, got 0",
            ),
            (
                Code::by_name("mds", 60, 8),
                "code mds over 60 data shards takes 1 to 4 parity shards, got 8",
            ),
            (Code::mds(4, 9), "code mds over 4 data shards takes 1 to 8 parity shards, got 9"),
            (
                Code::groups(2, 3),
                "code groups over 2 data shards takes 1 to 2 parity shards, got 3",
            ),
            (Code::uncoded(65), "code none takes 1 to 64 data shards, got 65"),
            (
                Code::from_generator(3, &[1.0; 4]),
                "generator has 4 coefficients, 3 data shards need a multiple of 3",
            ),
            (Code::from_generator(2, &[1.0, f64::NAN]), "generator coefficient 1 is not finite"),
            (Code::from_generator(2, &[1.0, 1.0, 0.0, 0.0]), "generator row 1 is all zeros"),
        ];
        for (code, text) in cases {
            assert_eq!(code.unwrap_err().to_string(), text);
        }
        assert!(
            Code::by_name("raid", 4, 2)
                .unwrap_err()
                .to_string()
                .starts_with("no code is called \"raid\"")
        );
    }
}
