//! Tables of what was found of a model.

use super::findings::{Figure, Findings, largest, least, share};
use crate::accuracy::Substitute;
use crate::experiment::{Cell, Outcome, Table};
use crate::statistics::mean;

const PERCENT: &str = "%";

/// Adds the tables of a model.
pub(super) fn add(findings: &Findings, outcome: &mut Outcome) {
    outcome.tables.push(summary(findings));
    outcome.tables.push(codes(findings));
    outcome.tables.push(layers(findings));
}

/// A share in percent, to four digits behind the point: one answer of a draw
/// over all digits is 0.01.
fn percent(share: f64) -> Cell {
    if share.is_finite() { Cell::Number((1e6 * share).round() / 1e4) } else { Cell::Empty }
}

/// Over all layers, by substitute and share lost.
fn summary(findings: &Findings) -> Table {
    let columns = [
        ("substitute", ""),
        ("lost of one layer", PERCENT),
        ("right, mean over layers", PERCENT),
        ("right, most sensitive layer", PERCENT),
        ("right, least sensitive layer", PERCENT),
        ("answers as without loss, mean over layers", PERCENT),
    ];
    let name = format!("{}-summary", findings.key);
    let title = format!("{}: one layer loses data, without a code", findings.title);
    let mut table = Table::new(&name, &title, &columns);
    for substitute in Substitute::ALL {
        let of = |figure, pick| findings.over_layers(substitute, figure, pick);
        let curves = [
            of(Figure::Right, mean),
            of(Figure::Right, least),
            of(Figure::Right, largest),
            of(Figure::Same, mean),
        ];
        for lost in findings.shares(substitute) {
            let mut row = vec![substitute.to_string().into(), percent(lost)];
            row.extend(curves.iter().map(|curve| percent(curve.at(lost))));
            table.push(row);
        }
    }
    table
}

/// Coded plans.
fn codes(findings: &Findings) -> Table {
    let columns = [
        ("data devices", ""),
        ("parity devices", ""),
        ("lost of every layer", PERCENT),
        ("images", ""),
        ("right", PERCENT),
        ("answers other than without loss", ""),
        ("largest relative error", ""),
        ("asked with one loss too many", ""),
        ("answered all the same", ""),
    ];
    let name = format!("{}-codes", findings.key);
    let title = format!("{}: every layer loses data, with a code", findings.title);
    let mut table = Table::new(&name, &title, &columns);
    for coded in &findings.coded {
        table.push(vec![
            coded.data.into(),
            coded.parity.into(),
            percent(coded.lost()),
            coded.images.into(),
            percent(share(&[coded.right], coded.labelled)),
            coded.changed.into(),
            coded.error.into(),
            coded.beyond.into(),
            coded.answered.into(),
        ]);
    }
    table
}

/// Each layer, substitute and number of lost shards.
fn layers(findings: &Findings) -> Table {
    let columns = [
        ("layer", ""),
        ("substitute", ""),
        ("shards", ""),
        ("lost", ""),
        ("lost of the layer", PERCENT),
        ("draws", ""),
        ("right", PERCENT),
        ("right, worst draw", PERCENT),
        ("right, best draw", PERCENT),
        ("answers as without loss", PERCENT),
    ];
    let name = format!("{}-layers", findings.key);
    let title = format!("{}: every layer, then each alone, without a code", findings.title);
    let mut table = Table::new(&name, &title, &columns);
    for layer in std::iter::once(&findings.everywhere).chain(&findings.layers) {
        for point in &layer.points {
            let draws = point.right.iter().map(|right| share(&[*right], layer.labelled));
            let draws: Vec<f64> = draws.collect();
            table.push(vec![
                layer.name.as_str().into(),
                point.substitute.to_string().into(),
                layer.shards.into(),
                point.lost.into(),
                percent(point.share),
                draws.len().into(),
                percent(mean(&draws)),
                percent(least(&draws)),
                percent(largest(&draws)),
                percent(share(&point.same, layer.images)),
            ]);
        }
    }
    table
}
