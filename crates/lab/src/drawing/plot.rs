//! The plot itself: axes, grid, series and marks.

use std::ops::Range;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::bars::Bars;
use super::coordinate::{Coordinate, Room};
use super::look::{GRID, INK, LINE, MARGIN, SMALL_EM, WIDTH};
use super::marks;
use super::scene::{Drawn, Scene, Sheet, words};
use super::series;
use super::text;
use super::ticks;
use crate::experiment::{Axis, Chart, Place, SeriesKind};

/// Height of the plot with the numbers below it.
pub(super) const PLOT_HEIGHT: i32 = 520;
/// Room for numbers below it.
const BELOW: i32 = 48;
/// Lines of a name below it at most.
const NAME_LINES_MAX: usize = 4;
/// Least room for the numbers at the left.
const LEFT_MIN: i32 = 60;

/// Room that the names below a plot need beyond that of numbers.
pub(super) fn names_height(x: &Axis) -> i32 {
    let lines = x.names.iter().map(|name| name_lines(x, name).len()).max().unwrap_or(0);
    LINE * (lines as i32 - 1).max(0)
}

fn name_lines(x: &Axis, name: &str) -> Vec<String> {
    let each = (WIDTH - 2 * MARGIN - LEFT_MIN) / x.names.len().max(1) as i32;
    let mut lines = text::wrap(name, SMALL_EM, each);
    lines.truncate(NAME_LINES_MAX);
    lines
}

/// Draws axes, series and marks into this strip of the sheet.
pub(super) fn draw(sheet: &Sheet<'_>, chart: &Chart, strip: Range<i32>) -> Drawn {
    let bars = Bars::new(chart);
    let (x, y) = coordinates(chart, &bars);
    let widest = y.ticks().iter().map(|tick| text::width(&ticks::words(*tick), SMALL_EM)).max();
    let left = widest.unwrap_or(0).max(LEFT_MIN) + 16;
    let below = BELOW + names_height(&chart.x);
    let (_, rest) = sheet.split_vertically(strip.start);
    let (strip, _) = rest.split_vertically(strip.end - strip.start);
    let mut plot = ChartBuilder::on(&strip)
        .margin_left(MARGIN)
        .margin_right(MARGIN + 24)
        .set_label_area_size(LabelAreaPosition::Left, left)
        .set_label_area_size(LabelAreaPosition::Bottom, below)
        .build_cartesian_2d(x.clone(), y.clone())?;
    let named = !chart.x.names.is_empty();
    let number = |value: &f64| if named { String::new() } else { ticks::words(*value) };
    plot.configure_mesh()
        .disable_x_mesh()
        .bold_line_style(ShapeStyle::from(&GRID).stroke_width(2))
        .axis_style(ShapeStyle::from(&INK).stroke_width(2))
        .x_label_formatter(&number)
        .label_style(words(SMALL_EM, Pos::new(HPos::Center, VPos::Center)))
        .draw()?;
    let place = |x, y| plot.backend_coord(&(x, y));
    let scene = Scene { sheet, x: &x, y: &y, place: &place };
    draw_names(&scene, &chart.x)?;
    marks::draw_lines(&scene, &chart.marks)?;
    for (at, one) in chart.series.iter().enumerate() {
        series::draw(&scene, one, at, &bars)?;
    }
    marks::draw_words(&scene, &chart.marks)
}

/// Both axes, so long that all is shown.
fn coordinates(chart: &Chart, bars: &Bars) -> (Coordinate, Coordinate) {
    let points = || chart.series.iter().flat_map(|series| &series.points);
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    for mark in &chart.marks {
        match mark.at {
            Place::Horizontal(y) => ys.push(y),
            Place::Vertical(x) => xs.push(x),
            Place::Span(from, until) => xs.extend([from, until]),
        }
    }
    ys.extend(points().map(|point| point.1));
    xs.extend(points().map(|point| point.0));
    xs.extend(bars.ends());
    let has = |kind| chart.series.iter().any(|series| series.kind == kind);
    let filled = has(SeriesKind::Bars) || has(SeriesKind::Histogram);
    let up = if filled { Room::Zero } else { Room::Ticks };
    (Coordinate::new(&chart.x, &xs, Room::Little), Coordinate::new(&chart.y, &ys, up))
}

/// The names of things below the plot.
fn draw_names(scene: &Scene<'_, '_>, x: &Axis) -> Drawn {
    let style = words(SMALL_EM, Pos::new(HPos::Center, VPos::Top));
    for (at, name) in x.names.iter().enumerate() {
        let (middle, bottom) = (scene.place)(at as f64, scene.y.range().start);
        for (line, words) in name_lines(x, name).into_iter().enumerate() {
            let at = (middle, bottom + 10 + LINE * line as i32);
            scene.sheet.draw(&Text::new(words, at, style.clone()))?;
        }
    }
    Ok(())
}
