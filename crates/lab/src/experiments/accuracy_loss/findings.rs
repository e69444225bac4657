//! What was found of one model.

use std::cmp::Reverse;

use crate::accuracy::{Coded, Curve, Layer, Substitute};
use crate::statistics::mean;

/// What was found of one model.
pub(super) struct Findings {
    /// Begins the names of its tables and charts.
    pub(super) key: &'static str,
    /// Its name for people.
    pub(super) title: &'static str,
    /// Labelled images that were asked for, and how many of them others have
    /// found to be right.
    pub(super) known: (usize, usize),
    /// The same as found here, nothing damaged.
    pub(super) undamaged: (usize, usize),
    /// Layers that the model has.
    pub(super) layers_in_all: usize,
    /// Each layer that was damaged.
    pub(super) layers: Vec<Layer>,
    /// All layers as one, which lose together.
    pub(super) everywhere: Layer,
    /// Each coded plan.
    pub(super) coded: Vec<Coded>,
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    /// Right answers, of images with a label.
    Right,
    /// Answers as without a loss, of all images.
    Same,
    /// Right answers, of those that are right without a loss.
    Kept,
}

/// Where data is lost.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// In one layer, and this is made of what came of each.
    OneLayer(Pick),
    /// In every layer.
    EveryLayer,
}

/// One figure for those of all layers.
pub(super) type Pick = fn(&[f64]) -> f64;

/// Which of [`Way::ALL`] is that of the most sensitive layer.
const SENSITIVE: usize = 1;

impl Way {
    /// The ways that are shown, in words.
    pub(super) const ALL: [(&'static str, Way); 3] = [
        ("one layer loses, mean over layers", Way::OneLayer(mean)),
        ("one layer loses, the most sensitive one", Way::OneLayer(least)),
        ("every layer loses", Way::EveryLayer),
    ];
}

impl Findings {
    /// The ways that something can be said of: which layer is the most
    /// sensitive one is known where all were damaged.
    pub(super) fn ways(&self) -> impl Iterator<Item = (&'static str, Way)> {
        let all = self.layers.len() == self.layers_in_all;
        Way::ALL.into_iter().enumerate().filter(move |(at, _)| all || *at != SENSITIVE).map(|w| w.1)
    }

    /// What is shown of it: right answers where there are labels.
    pub(super) fn figure(&self) -> Figure {
        if self.undamaged.0 > 0 { Figure::Right } else { Figure::Same }
    }

    /// The figure against the share lost, of every layer.
    pub(super) fn curves(&self, substitute: Substitute, figure: Figure) -> Vec<Curve> {
        self.layers.iter().map(|layer| curve(layer, substitute, figure)).collect()
    }

    /// The figure with zeros, in one of the ways to lose.
    pub(super) fn zeros(&self, way: Way, figure: Figure) -> Curve {
        match way {
            Way::OneLayer(pick) => self.over_layers(Substitute::Zero, figure, pick),
            Way::EveryLayer => curve(&self.everywhere, Substitute::Zero, figure),
        }
    }

    /// What `pick` makes of the figure of all layers, at the shares tried.
    pub(super) fn over_layers(&self, substitute: Substitute, figure: Figure, pick: Pick) -> Curve {
        let curves = self.curves(substitute, figure);
        Curve::of_all(&curves, &self.shares(substitute), pick)
    }

    /// The shares at which the layers with most shards were tried, and 0.
    pub(super) fn shares(&self, substitute: Substitute) -> Vec<f64> {
        let finest = self.layers.iter().min_by_key(|layer| Reverse(layer.shards));
        let tried = finest.iter().flat_map(|layer| {
            let here = layer.points.iter().filter(move |point| point.substitute == substitute);
            here.map(|point| point.lost as f64 / layer.shards as f64)
        });
        std::iter::once(0.0).chain(tried).collect()
    }
}

/// The least of `values`.
pub(super) fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The largest of `values`.
pub(super) fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// The mean of `counts`, as a share of `of`.
pub(super) fn share(counts: &[usize], of: usize) -> f64 {
    counts.iter().sum::<usize>() as f64 / (counts.len() * of) as f64
}

/// A layer's figure against the share of it that is lost.
fn curve(layer: &Layer, substitute: Substitute, figure: Figure) -> Curve {
    let here = layer.points.iter().filter(|point| point.substitute == substitute);
    let value = |right: &[usize], same: &[usize]| match figure {
        Figure::Right => share(right, layer.labelled),
        Figure::Same => share(same, layer.images),
        Figure::Kept => share(right, layer.right),
    };
    let points = here.map(|point| (point.share, value(&point.right, &point.same)));
    let whole = (0.0, value(&[layer.right], &[layer.images]));
    Curve::new(std::iter::once(whole).chain(points).collect())
}

#[cfg(test)]
mod tests {
    use super::super::sample::{findings, layer};
    use super::*;

    #[test]
    fn figures_are_shares_of_what_they_count() {
        for (figure, whole, half, none) in [
            (Figure::Right, 0.8, 0.4, 0.2),
            (Figure::Same, 1.0, 0.325, 0.05),
            (Figure::Kept, 1.0, 0.5, 0.25),
        ] {
            let curve = curve(&layer(), Substitute::Zero, figure);
            for (share, value) in [(0.0, whole), (0.5, half), (1.0, none)] {
                assert!((curve.at(share) - value).abs() < 1e-12, "{share}: {}", curve.at(share));
            }
        }
        let findings = findings();
        assert_eq!(findings.shares(Substitute::Zero), [0.0, 0.5, 1.0]);
        assert_eq!(findings.shares(Substitute::Mean), [0.0]);
        let lowest = findings.over_layers(Substitute::Zero, Figure::Kept, least);
        assert!((lowest.at(0.5) - 0.5).abs() < 1e-12);
        let middle = findings.over_layers(Substitute::Zero, Figure::Kept, mean);
        assert!((middle.at(0.5) - 0.75).abs() < 1e-12);
        let kept = Way::ALL.map(|(_, way)| findings.zeros(way, Figure::Kept).at(1.0));
        assert_eq!(kept, [0.625, 0.25, 0.25]);
    }
}
