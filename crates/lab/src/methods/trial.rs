//! A trial: one way to divide the layers of one kind, with so many spares. A row
//! of the table tells what came of it.

use std::fmt;

use quorate_core::planner::MethodRequest;

use super::model::Model;
use super::subject::DATA_DEVICES;
use super::trial_kind::TrialKind;
use super::way::Way;

/// One way to divide the layers of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// The model.
    pub model: &'static Model,
    /// The kind of layer.
    pub kind: TrialKind,
    /// The way.
    pub way: Way,
    /// Devices beyond the four that hold data.
    pub spares: usize,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.model.name, self.kind, self.way, self.devices())
    }
}

impl Model {
    /// Its trials, in the table's order.
    pub fn trials(&'static self) -> impl Iterator<Item = Trial> {
        self.kinds.iter().flat_map(move |&kind| Trial::all(self, kind))
    }
}

impl Trial {
    /// The trials of a kind of layer.
    fn all(model: &'static Model, kind: TrialKind) -> impl Iterator<Item = Trial> {
        kind.ways().iter().flat_map(move |&(way, most)| {
            (1..=most).map(move |spares| Trial { model, kind, way, spares })
        })
    }

    /// As the table has it: `4 + 1`.
    pub fn devices(&self) -> String {
        format!("{DATA_DEVICES} + {}", self.spares)
    }

    /// The error that an answer may have: decoding two losses enlarges
    /// rounding errors.
    pub fn limit(&self) -> f64 {
        if self.spares < 2 { 1e-4 } else { 1e-3 }
    }

    /// Layers of other kinds stay as they are by default.
    pub(super) fn methods(&self) -> Vec<MethodRequest> {
        let Way::Method(method) = self.way else { return Vec::new() };
        // Some are for several kinds; of methods that fit the last one counts.
        let kinds = [TrialKind::Conv { dims: 2 }, TrialKind::Grouped, TrialKind::Fc];
        let own = self.kind.default();
        let others = kinds.into_iter().filter_map(TrialKind::default).filter(|m| Some(*m) != own);
        std::iter::once(method)
            .chain(others)
            .map(|method| MethodRequest { layer: None, method })
            .collect()
    }
}
