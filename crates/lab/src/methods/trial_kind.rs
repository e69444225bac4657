//! Kinds of layers, and the ways to divide each.

use std::fmt;

use quorate_model::division::method::Method;
use quorate_model::layer::{Layer, LayerKind};
use quorate_model::stage::Staged;

use super::way::Way;

/// What a model has layers of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialKind {
    /// Convolutions over so many dimensions.
    Conv {
        /// 1, 2 or 3 mostly.
        dims: usize,
    },
    /// Convolutions in groups.
    Grouped,
    /// Fully connected layers.
    Fc,
    /// LSTM, GRU or RNN.
    Recurrent,
}

impl fmt::Display for TrialKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrialKind::Conv { dims } => write!(f, "conv {dims}-D"),
            TrialKind::Grouped => f.write_str("groups"),
            TrialKind::Fc => f.write_str("fc"),
            TrialKind::Recurrent => f.write_str("recurrent"),
        }
    }
}

impl TrialKind {
    /// What `staged` has layers of: convolutions by their dimensions, then the
    /// others.
    pub(super) fn all_of(staged: &Staged) -> Vec<TrialKind> {
        let layers = || staged.stages.iter().filter_map(|stage| stage.layer());
        let has = |kind: &TrialKind| match kind {
            TrialKind::Recurrent => !staged.model.graph.cells.is_empty(),
            kind => layers().any(|layer| kind.is(layer)),
        };
        let convs = (1..=3).map(|dims| TrialKind::Conv { dims });
        convs.chain([TrialKind::Grouped, TrialKind::Fc, TrialKind::Recurrent]).filter(has).collect()
    }

    pub(super) fn is(self, layer: &Layer) -> bool {
        match layer.kind {
            LayerKind::Fc => self == TrialKind::Fc,
            LayerKind::Conv { .. } if layer.groups > 1 => self == TrialKind::Grouped,
            LayerKind::Conv { dims } => self == TrialKind::Conv { dims },
        }
    }

    /// What it is divided by where nothing else is asked for.
    pub(super) fn default(self) -> Option<Method> {
        match self {
            TrialKind::Conv { .. } => Some(Method::Channel),
            TrialKind::Grouped => Some(Method::Group),
            TrialKind::Fc => Some(Method::Output),
            TrialKind::Recurrent => None,
        }
    }

    /// The ways to divide it, with the most spares that each is tried with:
    /// codes with two, replicas with one.
    pub(super) fn ways(self) -> &'static [(Way, usize)] {
        match self {
            TrialKind::Conv { .. } => &[
                (Way::Method(Method::Channel), 2),
                (Way::Method(Method::Spatial), 2),
                (Way::Method(Method::Filter), 1),
                (Way::Method(Method::Whole), 1),
            ],
            TrialKind::Grouped => &[
                (Way::Method(Method::Group), 1),
                (Way::Method(Method::Spatial), 2),
                (Way::Method(Method::Whole), 1),
            ],
            TrialKind::Fc => &[
                (Way::Method(Method::Output), 2),
                (Way::Method(Method::Input), 1),
                (Way::Method(Method::Whole), 1),
            ],
            TrialKind::Recurrent => &[(Way::CellWhole, 1), (Way::ByStep, 2)],
        }
    }
}
