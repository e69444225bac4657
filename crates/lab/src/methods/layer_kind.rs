//! Kinds of layers, and the ways to divide each.

use std::fmt;

use quorate_model::layer;
use quorate_model::method::Method;
use quorate_model::stage::Staged;

use super::way::Way;

/// What a model has layers of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// Convolutions over so many dimensions.
    Conv {
        /// 1, 2 or 3 mostly.
        dims: usize,
    },
    /// Fully connected layers.
    Fc,
    /// LSTM, GRU or RNN.
    Recurrent,
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerKind::Conv { dims } => write!(f, "conv {dims}-D"),
            LayerKind::Fc => f.write_str("fc"),
            LayerKind::Recurrent => f.write_str("recurrent"),
        }
    }
}

impl LayerKind {
    /// What `staged` has layers of: convolutions by their dimensions, then the
    /// others.
    pub(super) fn all_of(staged: &Staged) -> Vec<LayerKind> {
        let layers = || staged.stages.iter().filter_map(|stage| stage.layer.as_ref());
        let has = |kind: &LayerKind| match kind {
            LayerKind::Recurrent => !staged.model.graph.cells.is_empty(),
            kind => layers().any(|layer| kind.is(layer.kind)),
        };
        let convs = (1..=3).map(|dims| LayerKind::Conv { dims });
        convs.chain([LayerKind::Fc, LayerKind::Recurrent]).filter(has).collect()
    }

    pub(super) fn is(self, kind: layer::Kind) -> bool {
        match kind {
            layer::Kind::Fc => self == LayerKind::Fc,
            layer::Kind::Conv { dims } => self == LayerKind::Conv { dims },
        }
    }

    /// The ways to divide it, with the most spares that each is tried with:
    /// codes with two, replicas with one.
    pub(super) fn ways(self) -> &'static [(Way, usize)] {
        match self {
            LayerKind::Conv { .. } => &[
                (Way::Method(Method::Channel), 2),
                (Way::Method(Method::Spatial), 2),
                (Way::Method(Method::Filter), 1),
                (Way::Method(Method::Whole), 1),
            ],
            LayerKind::Fc => &[
                (Way::Method(Method::Output), 2),
                (Way::Method(Method::Input), 1),
                (Way::Method(Method::Whole), 1),
            ],
            LayerKind::Recurrent => &[(Way::CellWhole, 1), (Way::ByStep, 2)],
        }
    }
}
