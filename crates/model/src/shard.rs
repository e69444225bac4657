//! Which output rows of a layer a device computes.

use std::ops::Range;

use crate::layer::Layer;

/// Why rows cannot be divided as asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ShardError {
    /// More shards than rows, or none.
    #[error("layer {layer} splits into at most {limit} shards, plan asks for {got}")]
    Count {
        /// The layer.
        layer: String,
        /// Shards asked for.
        got: usize,
        /// Rows there are.
        limit: usize,
    },
    /// A range is empty or beyond the layer's rows.
    #[error("rows {start}..{end} are none of layer {layer}'s {rows} rows")]
    Rows {
        /// The layer.
        layer: String,
        /// First row asked for.
        start: usize,
        /// One past the last row asked for.
        end: usize,
        /// Rows there are.
        rows: usize,
    },
    /// A parity of nothing, or with a coefficient that is no number.
    #[error("parity of layer {layer} has {what}")]
    Parity {
        /// The layer.
        layer: String,
        /// What is wrong.
        what: &'static str,
    },
}

/// The part of a layer that a task computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Some rows as they are; all of them make the whole layer.
    Data {
        /// The rows.
        rows: Range<usize>,
    },
    /// The sum of several ranges of rows, each times its coefficient. Shorter
    /// ranges count as padded with zeros to the longest.
    Parity {
        /// Coefficient and rows of each data shard.
        terms: Vec<(f64, Range<usize>)>,
    },
}

impl Part {
    /// All rows of `layer`.
    pub fn whole(layer: &Layer) -> Part {
        Part::Data { rows: 0..layer.rows }
    }

    /// The parity of `shards` with one coefficient each.
    pub fn parity(coefficients: &[f64], shards: &[Range<usize>]) -> Part {
        Part::Parity { terms: coefficients.iter().copied().zip(shards.iter().cloned()).collect() }
    }

    /// Rows of its output.
    pub fn rows(&self) -> usize {
        match self {
            Part::Data { rows } => rows.len(),
            Part::Parity { terms } => terms.iter().map(|(_, r)| r.len()).max().unwrap_or(0),
        }
    }

    /// Floating-point operations of this part of `layer`.
    pub fn flops(&self, layer: &Layer) -> u64 {
        layer.flops / (layer.rows.max(1) as u64) * self.rows() as u64
    }

    /// Size of its weights without bias, in bytes.
    pub fn weight_bytes(&self, layer: &Layer) -> u64 {
        (self.rows() as u64).saturating_mul(layer.row_len as u64).saturating_mul(4)
    }

    /// Whether it is a part of `layer`.
    pub fn check(&self, layer: &Layer) -> Result<(), ShardError> {
        let name = || layer.name.clone();
        let fits = |rows: &Range<usize>| {
            if rows.start < rows.end && rows.end <= layer.rows {
                return Ok(());
            }
            let (start, end) = (rows.start, rows.end);
            Err(ShardError::Rows { layer: name(), start, end, rows: layer.rows })
        };
        match self {
            Part::Data { rows } => fits(rows),
            Part::Parity { terms } => {
                if terms.is_empty() {
                    return Err(ShardError::Parity { layer: name(), what: "no shards" });
                }
                if terms.iter().any(|(c, _)| !c.is_finite()) {
                    let what = "a coefficient that is no number";
                    return Err(ShardError::Parity { layer: name(), what });
                }
                terms.iter().try_for_each(|(_, rows)| fits(rows))
            }
        }
    }
}

/// `n` ranges that cover `rows`: contiguous, lengths at most 1 apart, the
/// longer ones first. `None` unless 1 <= n <= rows.
pub fn even(rows: usize, n: usize) -> Option<Vec<Range<usize>>> {
    if n == 0 || n > rows {
        return None;
    }
    let (each, longer) = (rows / n, rows % n);
    let start = |i: usize| i * each + i.min(longer);
    Some((0..n).map(|i| start(i)..start(i + 1)).collect())
}

/// Divides the rows of `layer` evenly into `n` shards, as [`even`] does.
pub fn even_rows(layer: &Layer, n: usize) -> Result<Vec<Range<usize>>, ShardError> {
    even(layer.rows, n).ok_or_else(|| ShardError::Count {
        layer: layer.name.clone(),
        got: n,
        limit: layer.rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_ranges() {
        let cases = [
            (10, 4, Some(vec![0..3, 3..6, 6..8, 8..10])),
            (4, 4, Some(vec![0..1, 1..2, 2..3, 3..4])),
            (3, 4, None),
            (3, 0, None),
            (7, 1, Some(std::iter::once(0..7).collect())),
            (6, 2, Some(vec![0..3, 3..6])),
        ];
        for (rows, n, expected) in cases {
            assert_eq!(even(rows, n), expected, "{rows} rows in {n}");
        }
    }
}
