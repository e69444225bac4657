//! Which part of a stage a device computes.

use std::ops::Range;

use crate::layer::Layer;
use crate::window::Tile;

/// Why a layer cannot be divided as asked.
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
    /// A range is empty or beyond what the layer has.
    #[error("{what} {start}..{end} are none of layer {layer}'s {limit} {what}")]
    Range {
        /// The layer.
        layer: String,
        /// What is divided: rows, columns.
        what: &'static str,
        /// First asked for.
        start: usize,
        /// One past the last asked for.
        end: usize,
        /// How many there are.
        limit: usize,
    },
    /// A parity of nothing, or with a coefficient that is no number.
    #[error("parity of layer {layer} has {what}")]
    Parity {
        /// The layer.
        layer: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A tile that is none of the layer's.
    #[error("tile {tile} of layer {layer}: {what}")]
    Tile {
        /// The layer.
        layer: String,
        /// The tile.
        tile: String,
        /// What is wrong.
        what: String,
    },
    /// A stage that cannot be divided by this method at all.
    #[error("{stage} cannot be divided by {method}: {why}")]
    Method {
        /// The stage.
        stage: String,
        /// The method's name.
        method: &'static str,
        /// Why not.
        why: String,
    },
}

/// The part of a stage that a task computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// All of it.
    Whole,
    /// Some rows of the layer as they are; all of them make the whole layer.
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
    /// A box of a convolution's output, all rows of it.
    Tile {
        /// The box.
        tile: Tile,
    },
    /// The sum of boxes of one size, each times its coefficient: their inputs
    /// are added up for each request, then convolved once.
    TileParity {
        /// Coefficient and box of each data shard.
        terms: Vec<(f64, Tile)>,
    },
    /// A term of the sum over the layer's inputs: what some of its columns
    /// add to every output. The first columns bring the bias.
    Term {
        /// The columns.
        columns: Range<usize>,
    },
}

impl Part {
    /// The parity of `shards` with one coefficient each.
    pub fn parity(coefficients: &[f64], shards: &[Range<usize>]) -> Part {
        Part::Parity { terms: coefficients.iter().copied().zip(shards.iter().cloned()).collect() }
    }

    /// Shape of its output, where the whole stage's is `shape` and rows lie
    /// along `axis`.
    pub fn output_shape(&self, shape: &[usize], axis: usize) -> Vec<usize> {
        let mut shape = shape.to_vec();
        match self {
            Part::Whole | Part::Term { .. } => {}
            Part::Data { rows } => shape[axis] = rows.len(),
            Part::Parity { terms } => shape[axis] = longest(terms),
            Part::Tile { tile } => set_box(&mut shape[axis + 1..], tile),
            Part::TileParity { terms } => {
                terms.iter().take(1).for_each(|(_, tile)| set_box(&mut shape[axis + 1..], tile));
            }
        }
        shape
    }

    /// Rows of the layer's weights that it needs.
    pub fn rows(&self, layer: &Layer) -> usize {
        match self {
            Part::Data { rows } => rows.len(),
            Part::Parity { terms } => longest(terms),
            _ => layer.rows,
        }
    }

    /// Floating-point operations of this part of `layer`; of a run-time
    /// parity also those that add its inputs up.
    pub fn flops(&self, layer: &Layer) -> u64 {
        let share = |part: usize, of: usize| {
            (u128::from(layer.flops) * part as u128 / of.max(1) as u128) as u64
        };
        let area = |tile: &Tile| {
            let outputs = tile.iter().map(|r| r.len()).product();
            share(outputs, layer.output_shape[2..].iter().product())
        };
        match self {
            Part::Whole => layer.flops,
            Part::Data { .. } | Part::Parity { .. } => share(self.rows(layer), layer.rows),
            Part::Tile { tile } => area(tile),
            Part::TileParity { terms } => {
                let inputs: usize = layer.input_shape.iter().product();
                terms.first().map_or(0, |(_, tile)| area(tile)) + 2 * inputs as u64
            }
            Part::Term { columns } => share(columns.len(), layer.columns),
        }
    }

    /// Size of its weights without bias, in bytes.
    pub fn weight_bytes(&self, layer: &Layer) -> u64 {
        let row_len = match self {
            Part::Term { columns } => layer.row_len / layer.columns.max(1) * columns.len(),
            _ => layer.row_len,
        };
        (self.rows(layer) as u64).saturating_mul(row_len as u64).saturating_mul(4)
    }

    /// Whether it is a part of `layer`.
    pub fn check(&self, layer: &Layer) -> Result<(), ShardError> {
        match self {
            Part::Whole => Ok(()),
            Part::Data { rows } => within(layer, "rows", rows, layer.rows),
            Part::Parity { terms } => {
                coefficients(layer, terms)?;
                terms.iter().try_for_each(|(_, rows)| within(layer, "rows", rows, layer.rows))
            }
            Part::Tile { tile } => check_tile(layer, tile),
            Part::TileParity { terms } => {
                coefficients(layer, terms)?;
                let lengths = |tile: &Tile| tile.iter().map(|r| r.len()).collect::<Vec<_>>();
                if terms.iter().any(|(_, tile)| lengths(tile) != lengths(&terms[0].1)) {
                    let what = "tiles of unlike sizes";
                    return Err(ShardError::Parity { layer: layer.name.clone(), what });
                }
                terms.iter().try_for_each(|(_, tile)| check_tile(layer, tile))
            }
            Part::Term { columns } => within(layer, "columns", columns, layer.columns),
        }
    }
}

fn longest(terms: &[(f64, Range<usize>)]) -> usize {
    terms.iter().map(|(_, r)| r.len()).max().unwrap_or(0)
}

fn set_box(shape: &mut [usize], tile: &Tile) {
    shape.iter_mut().zip(tile).for_each(|(length, range)| *length = range.len());
}

fn within(
    layer: &Layer,
    what: &'static str,
    range: &Range<usize>,
    limit: usize,
) -> Result<(), ShardError> {
    if range.start < range.end && range.end <= limit {
        return Ok(());
    }
    let (layer, start, end) = (layer.name.clone(), range.start, range.end);
    Err(ShardError::Range { layer, what, start, end, limit })
}

fn coefficients<T>(layer: &Layer, terms: &[(f64, T)]) -> Result<(), ShardError> {
    let wrong = |what| Err(ShardError::Parity { layer: layer.name.clone(), what });
    if terms.is_empty() {
        return wrong("no shards");
    }
    if terms.iter().any(|(c, _)| !c.is_finite()) {
        return wrong("a coefficient that is no number");
    }
    Ok(())
}

/// A tile as people write it: `0..4 x 0..28`.
pub fn show_tile(tile: &Tile) -> String {
    let ranges = tile.iter().map(|r| format!("{}..{}", r.start, r.end));
    ranges.collect::<Vec<_>>().join(" x ")
}

fn check_tile(layer: &Layer, tile: &Tile) -> Result<(), ShardError> {
    let wrong = |what: String| {
        let (layer, tile) = (layer.name.clone(), show_tile(tile));
        Err(ShardError::Tile { layer, tile, what })
    };
    let Some(window) = &layer.window else {
        return wrong("only convolutions are divided into tiles".to_owned());
    };
    let output = &layer.output_shape[2..];
    let fits = tile.len() == output.len()
        && tile.iter().zip(output).all(|(r, &length)| r.start < r.end && r.end <= length);
    if !fits {
        return wrong(format!("none of its {output:?} outputs"));
    }
    for (d, range) in tile.iter().enumerate() {
        if window.reach(d, range, layer.input_shape[2 + d]).is_none() {
            return wrong("it reads nothing but padding".to_owned());
        }
    }
    Ok(())
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
