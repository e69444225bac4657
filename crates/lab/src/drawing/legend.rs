//! The legend: a sample and a name for each series.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::look::{LINE, Look, SMALL_EM, look};
use super::scene::{Drawn, Sheet, words};
use super::series::sample;
use super::text;
use crate::experiment::{Chart, SeriesKind};

/// Width of a sample.
const SAMPLE: i32 = 76;
/// Between sample and name.
const GAP: i32 = 14;
/// Between one entry and the next.
const BETWEEN: i32 = 30;

/// A series in the legend.
pub(super) struct Entry<'a> {
    name: &'a str,
    kind: SeriesKind,
    look: Look,
    x: i32,
}

/// The entries of a chart's series that have names, in rows of at most this
/// width.
pub(super) fn rows(chart: &Chart, width: i32) -> Vec<Vec<Entry<'_>>> {
    let mut rows: Vec<Vec<Entry<'_>>> = Vec::new();
    let mut used = 0;
    for (at, series) in chart.series.iter().enumerate().filter(|(_, s)| !s.name.is_empty()) {
        let needed = SAMPLE + GAP + text::width(&series.name, SMALL_EM);
        let entry = |x| Entry { name: &series.name, kind: series.kind, look: look(at), x };
        match rows.last_mut() {
            Some(row) if used + needed <= width => row.push(entry(used)),
            _ => {
                used = 0;
                rows.push(vec![entry(0)]);
            }
        }
        used += needed + BETWEEN;
    }
    rows
}

/// Draws an entry of a row that begins here.
pub(super) fn draw(sheet: &Sheet<'_>, entry: &Entry<'_>, (x, y): (i32, i32)) -> Drawn {
    let (x, middle) = (x + entry.x, y + LINE / 2);
    sample(sheet, entry.kind, entry.look, (x, middle), SAMPLE)?;
    let style = words(SMALL_EM, Pos::new(HPos::Left, VPos::Center));
    sheet.draw(&Text::new(entry.name, (x + SAMPLE + GAP, middle), style))
}
