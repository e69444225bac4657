//! The part of a stage that one shard is: a data shard of its division, or a
//! combination of all of them.
//!
//! ```text
//! coded offline      weights combined, input whole
//! coded at run time  weights whole, inputs combined for each request
//! ```

use std::ops::Range;
use std::sync::Arc;

use quorate_code::Code;

use crate::division::{self, Codable, Division, InputBox, Misfit, Slice};
use crate::layer::Layer;
use crate::region::{Region, shape, whole};
use crate::stage::Stage;

/// Why a stage does not have such a part.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PartError {
    /// No data shard of that number.
    #[error("{what} {got} of {limit} of layer {layer}")]
    Shard {
        /// The layer.
        layer: String,
        /// Which kind of shard.
        what: &'static str,
        /// The number.
        got: usize,
        /// How many there are.
        limit: usize,
    },
    /// A range is empty or beyond what the layer has.
    #[error("{noun} {start}..{end} are none of layer {layer}'s {limit} {noun}")]
    Range {
        /// The layer.
        layer: String,
        /// What it is a range of.
        noun: &'static str,
        /// First asked for.
        start: usize,
        /// One past the last asked for.
        end: usize,
        /// How many there are.
        limit: usize,
    },
    /// A data shard that is none of the layer's.
    #[error("{shard} of layer {layer}: {what}")]
    Slice {
        /// The layer.
        layer: String,
        /// The shard.
        shard: String,
        /// What is wrong.
        what: String,
    },
    /// Shards that cannot be combined.
    #[error("parity of layer {layer} has {what}")]
    Parity {
        /// The layer.
        layer: String,
        /// What is wrong.
        what: &'static str,
    },
    /// A stage that cannot be divided so at all.
    #[error("{stage} cannot be divided by {noun}: {why}")]
    Stage {
        /// The stage.
        stage: String,
        /// What it was to be divided by.
        noun: &'static str,
        /// Why not.
        why: &'static str,
    },
    /// A part of an area that cannot be computed alone.
    #[error("{stage} cannot be divided by bands: {why}")]
    Area {
        /// The stage.
        stage: String,
        /// Why not.
        why: String,
    },
}

/// The part of a stage that a task computes.
#[derive(Clone, Debug)]
pub struct Part {
    division: Arc<dyn Division>,
    shard: Shard,
}

/// Which shard: one of the data shards as it is, or their combination with the
/// coefficients of a row of the code's generator.
#[derive(Clone, Debug, PartialEq)]
enum Shard {
    Data(usize),
    Parity { code: Arc<Code>, parity: usize },
}

/// The weights of a part, by rows.
#[derive(Clone, Debug)]
pub(crate) enum Weights<'a> {
    /// As they are in the layer.
    Slice(Slice),
    /// A parity of ranges of rows.
    Parity(ParityRows<'a>),
}

/// A parity of ranges of rows, one for each data shard; shorter ones count as
/// padded with zeros to the longest.
#[derive(Clone, Debug)]
pub(crate) struct ParityRows<'a> {
    pub code: &'a Code,
    pub parity: usize,
    pub rows: Vec<Range<usize>>,
}

/// The bias of a part, by rows.
#[derive(Clone, Debug)]
pub(crate) enum Bias<'a> {
    /// As it is in the layer.
    Rows(Range<usize>),
    /// A parity of these rows, as of the weights.
    Parity(ParityRows<'a>),
}

/// What a part reads of its layer's input.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// A box of it, or all.
    Box(InputBox),
    /// The sum of boxes of one size, each times its coefficient.
    Sum(Vec<(f64, InputBox)>),
}

impl PartialEq for Part {
    fn eq(&self, other: &Part) -> bool {
        *self.division == *other.division && self.shard == other.shard
    }
}

impl Part {
    /// All of a stage.
    #[cfg(test)]
    pub(crate) fn whole() -> Part {
        Part::data(Arc::new(crate::division::whole::Whole), 0)
    }

    /// A data shard.
    pub fn data(division: Arc<dyn Division>, shard: usize) -> Part {
        Part { division, shard: Shard::Data(shard) }
    }

    /// A parity shard of `code`, whose data shards are the division's.
    pub fn parity(division: Arc<dyn Division>, code: Arc<Code>, parity: usize) -> Part {
        Part { division, shard: Shard::Parity { code, parity } }
    }

    /// The division that it is a part of.
    #[cfg(test)]
    pub(crate) fn division(&self) -> &dyn Division {
        &*self.division
    }

    /// The number of a data shard; 0 for parity.
    #[cfg(test)]
    pub(crate) fn number(&self) -> usize {
        if let Shard::Data(shard) = self.shard { shard } else { 0 }
    }

    /// Of a parity shard: the coefficients that are not zero, and whose they
    /// are.
    pub fn terms(&self) -> Option<Vec<(f64, usize)>> {
        let Shard::Parity { code, parity } = &self.shard else { return None };
        let row = code.generator_row(*parity).iter().copied();
        Some(row.zip(0..).filter(|(coefficient, _)| *coefficient != 0.0).collect())
    }

    /// The box of the stage's area that it is, where it is one of several layers.
    pub(crate) fn area(&self) -> Option<&Region> {
        match self.shard {
            Shard::Data(shard) => self.division.area(shard),
            Shard::Parity { .. } => None,
        }
    }

    /// Where it lies in the stage's value, which has this shape; parity lies nowhere.
    pub(crate) fn region(&self, whole: &[usize], axis: usize) -> Region {
        match self.shard {
            Shard::Data(shard) => self.division.region(whole, axis, shard),
            Shard::Parity { .. } => Region::new(),
        }
    }

    /// Shape of its output, where the whole stage's is `shape` and rows lie
    /// along `axis`.
    pub fn output_shape(&self, whole: &[usize], axis: usize) -> Vec<usize> {
        match self.shard {
            Shard::Data(shard) => shape(&self.division.region(whole, axis, shard)),
            Shard::Parity { .. } => division::parity_shape(&*self.division, whole, axis),
        }
    }

    /// The weights of `layer` that it needs.
    pub(crate) fn weights(&self, layer: &Layer) -> Weights<'_> {
        match &self.shard {
            Shard::Data(shard) => Weights::Slice(self.division.weights(layer, *shard)),
            // Weights that are not divided are the same for every shard.
            Shard::Parity { .. } if self.division.codable() != Codable::Offline => {
                Weights::Slice(self.division.weights(layer, 0))
            }
            Shard::Parity { code, parity } => {
                let rows = |shard| match self.division.weights(layer, shard) {
                    Slice::Rows(rows) => rows,
                    Slice::Columns(_) => 0..layer.rows,
                };
                let rows = (0..self.division.shards()).map(rows).collect();
                Weights::Parity(ParityRows { code, parity: *parity, rows })
            }
        }
    }

    /// The rows of the layer's bias that it adds; `None` where it adds none.
    pub(crate) fn bias(&self, layer: &Layer) -> Option<Bias<'_>> {
        match &self.shard {
            Shard::Data(shard) => self.division.bias(layer, *shard).map(Bias::Rows),
            Shard::Parity { code, parity } => {
                let shards = 0..self.division.shards();
                let rows: Option<_> =
                    shards.map(|shard| self.division.bias(layer, shard)).collect();
                rows.map(|rows| Bias::Parity(ParityRows { code, parity: *parity, rows }))
            }
        }
    }

    /// What it reads; `None` where that is padding alone.
    pub(crate) fn input(&self, layer: &Layer) -> Option<Input> {
        let input = |shard| self.division.input(layer, shard);
        match self.shard {
            Shard::Data(shard) => input(shard).map(Input::Box),
            Shard::Parity { .. } if self.division.codable() == Codable::AtRunTime => {
                let term = |(coefficient, shard)| Some((coefficient, input(shard)?));
                self.terms()?.into_iter().map(term).collect::<Option<_>>().map(Input::Sum)
            }
            Shard::Parity { .. } => {
                Some(Input::Box(InputBox { region: whole(&layer.input_shape), pads: None }))
            }
        }
    }

    /// Rows of the layer's weights that it needs.
    pub(crate) fn rows(&self, layer: &Layer) -> usize {
        match self.weights(layer) {
            Weights::Slice(Slice::Rows(rows)) => rows.len(),
            Weights::Slice(Slice::Columns(_)) => layer.rows,
            Weights::Parity(ParityRows { rows, .. }) => longest(&rows),
        }
    }

    /// Columns of the layer's weights that it needs.
    pub(crate) fn columns(&self, layer: &Layer) -> usize {
        match self.weights(layer) {
            Weights::Slice(Slice::Columns(columns)) => columns.len(),
            _ => layer.columns,
        }
    }

    /// Floating-point operations of this part of `layer`; of a run-time
    /// parity also those that add its inputs up.
    pub fn flops(&self, layer: &Layer) -> u64 {
        let Shard::Data(shard) = self.shard else {
            let shards = 0..self.division.shards();
            let most = shards.map(|shard| self.division.flops(layer, shard)).max().unwrap_or(0);
            let inputs: usize = layer.input_shape.iter().product();
            let adding = self.division.codable() == Codable::AtRunTime;
            return most + if adding { 2 * inputs as u64 } else { 0 };
        };
        self.division.flops(layer, shard)
    }

    /// Size of its weights without bias, in bytes.
    pub fn weight_bytes(&self, layer: &Layer) -> u64 {
        let row_len = layer.row_len / layer.columns.max(1) * self.columns(layer);
        (self.rows(layer) as u64).saturating_mul(row_len as u64).saturating_mul(4)
    }

    /// What it is of the stage `name`, whose layer is `layer`: a sentence.
    pub(crate) fn explain(&self, name: &str, layer: Option<&Layer>) -> String {
        match self.shard {
            Shard::Data(shard) => self.division.explain(name, layer, shard),
            Shard::Parity { .. } => {
                let words = |shard| division::words(&*self.division, shard);
                let terms = self.terms().unwrap_or_default().into_iter();
                let terms: Vec<String> =
                    terms.map(|(c, shard)| format!("{c} * {}", words(shard))).collect();
                format!("parity of layer {name}: {}", terms.join(" + "))
            }
        }
    }

    /// Whether it is a part of `stage`, as far as that alone says.
    pub(crate) fn check(&self, stage: &Stage) -> Result<(), PartError> {
        let Some(layer) = stage.layer() else {
            let whole = self.division.shards() == 1 && self.division.ranges(0).is_empty();
            if whole || self.area().is_some() {
                return Ok(());
            }
            return self.cannot(stage, "it does not end in one layer");
        };
        let pools = !stage.tail.is_empty() && self.area().is_none();
        if pools && !self.division.commutes_with_pooling() {
            return self.cannot(stage, "pooling behind the layer reads across its shards");
        }
        self.check_layer(layer)
    }

    fn cannot(&self, stage: &Stage, why: &'static str) -> Result<(), PartError> {
        Err(PartError::Stage { stage: stage.name.clone(), noun: self.division.noun(), why })
    }

    /// Whether it is a part of `layer`.
    pub(crate) fn check_layer(&self, layer: &Layer) -> Result<(), PartError> {
        let shards = self.division.shards();
        let fits = |shard: usize| {
            let name = || layer.name.clone();
            if shard >= shards {
                let what = "data shard";
                return Err(PartError::Shard { layer: name(), what, got: shard, limit: shards });
            }
            self.division.fits(layer, shard).map_err(|misfit| match misfit {
                Misfit::Range { noun, range: Range { start, end }, limit } => {
                    PartError::Range { layer: name(), noun, start, end, limit }
                }
                Misfit::Other(what) => {
                    let shard = division::words(&*self.division, shard);
                    PartError::Slice { layer: name(), shard, what }
                }
            })
        };
        match &self.shard {
            Shard::Data(shard) => fits(*shard),
            Shard::Parity { code, .. } => {
                let wrong = |what| Err(PartError::Parity { layer: layer.name.clone(), what });
                if self.division.codable() == Codable::No {
                    return wrong("shards that no combination of weights or inputs stands for");
                }
                if code.data_shards() != shards {
                    return wrong("another number of shards than its code");
                }
                (0..shards).try_for_each(fits)?;
                let by_columns =
                    |shard| matches!(self.division.weights(layer, shard), Slice::Columns(_));
                if self.division.codable() == Codable::Offline && (0..shards).any(by_columns) {
                    return wrong("columns of weights, where only rows are combined");
                }
                let length = |shard: usize| shape(&self.division.ranges(shard));
                let alike = (1..shards).all(|shard| length(shard) == length(0));
                if self.division.codable() == Codable::AtRunTime && !alike {
                    return wrong("tiles of unlike sizes");
                }
                Ok(())
            }
        }
    }
}

fn longest(rows: &[Range<usize>]) -> usize {
    rows.iter().map(ExactSizeIterator::len).max().unwrap_or(0)
}
