//! Charts of what was found.

use super::findings::{Figure, Findings, Way, share};
use super::verdicts::DESTRUCTIVE;
use crate::accuracy::{Curve, Layer, Substitute};
use crate::experiment::{Axis, Chart, Outcome, Place, SeriesKind};
use crate::statistics::mean;

/// Losses at which layers are shown beside each other.
const SHOWN: [f64; 3] = [0.2, 0.5, 0.8];

/// Adds the charts of a model.
pub(super) fn add(findings: &Findings, outcome: &mut Outcome) {
    outcome.charts.push(accuracy(findings));
    outcome.charts.push(substitutes(findings));
    outcome.charts.push(layers(findings));
}

/// Adds charts of all models.
pub(super) fn compare(all: &[Findings], outcome: &mut Outcome) {
    for (name, (words, way)) in ["mean", "worst", "everywhere"].into_iter().zip(Way::ALL) {
        let y = Axis::new("right answers kept", "%").from(0.0).until(105.0);
        let title = format!("All models: right answers kept where {words}, zeros in its place");
        let mut chart = Chart::new(&format!("models-{name}"), &title, lost(), y);
        for findings in all.iter().filter(|findings| findings.figure() == Figure::Right) {
            let kept = findings.zeros(way, Figure::Kept);
            chart.add(findings.title, SeriesKind::Line, kept.percent());
        }
        mark(&mut chart);
        if !chart.series.is_empty() {
            outcome.charts.push(chart);
        }
    }
}

fn lost() -> Axis {
    Axis::new("lost of a layer's data", "%").from(0.0).until(100.0)
}

fn figure_axis(figure: Figure) -> Axis {
    let label = match figure {
        Figure::Same => "answers as without loss",
        Figure::Right | Figure::Kept => "right answers",
    };
    Axis::new(label, "%").from(0.0).until(105.0)
}

fn mark(chart: &mut Chart) {
    chart.mark("the paper: destructive above", Place::Vertical(100.0 * DESTRUCTIVE));
}

/// The paper's figure, and coded plans in it.
fn accuracy(findings: &Findings) -> Chart {
    let figure = findings.figure();
    let title = format!("{}: data is lost, zeros in its place", findings.title);
    let name = format!("{}-accuracy", findings.key);
    let mut chart = Chart::new(&name, &title, lost(), figure_axis(figure));
    for (name, way) in Way::ALL {
        chart.add(name, SeriesKind::Line, findings.zeros(way, figure).percent());
    }
    let coded = findings.coded.iter().map(|coded| {
        let value = match figure {
            Figure::Same => 1.0 - share(&[coded.changed], coded.images),
            Figure::Right | Figure::Kept => share(&[coded.right], coded.labelled),
        };
        (100.0 * coded.lost(), 100.0 * value)
    });
    chart.add("every layer loses, with a code", SeriesKind::Points, coded.collect());
    mark(&mut chart);
    chart
}

/// Each substitute, over all layers.
fn substitutes(findings: &Findings) -> Chart {
    let figure = findings.figure();
    let title = format!("{}: what stands in for lost data, mean over layers", findings.title);
    let name = format!("{}-substitutes", findings.key);
    let mut chart = Chart::new(&name, &title, lost(), figure_axis(figure));
    for substitute in Substitute::ALL {
        let curve = findings.over_layers(substitute, figure, mean);
        chart.add(&substitute.to_string(), SeriesKind::Line, curve.percent());
    }
    mark(&mut chart);
    chart
}

/// Each layer, at a few losses.
fn layers(findings: &Findings) -> Chart {
    let figure = findings.figure();
    let title = format!("{}: each layer, zeros in place of what is lost", findings.title);
    let x = Axis::new("layer, in the model's order", "");
    let name = format!("{}-layers", findings.key);
    let mut chart = Chart::new(&name, &title, x, figure_axis(figure));
    let curves = findings.curves(Substitute::Zero, figure);
    for lost in SHOWN {
        let point =
            |(layer, curve): (&Layer, &Curve)| (layer.number as f64, 100.0 * curve.at(lost));
        let points = findings.layers.iter().zip(&curves).map(point);
        chart.add(&format!("{:.0} % lost", 100.0 * lost), SeriesKind::Points, points.collect());
    }
    chart
}
