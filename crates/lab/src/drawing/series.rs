//! A series: lines, points, bars, steps or a histogram.

use std::collections::BTreeSet;

use plotters::element::DashedPathElement;
use plotters::prelude::*;

use super::bars::Bars;
use super::look::{Look, MARKER, MARKER_OF_MANY, Marker, STROKE, look};
use super::scene::{Drawn, Scene, Sheet};
use crate::experiment::{Series, SeriesKind};

/// Markers on a line, about; of points that are more, some have none.
const MARKERS_MAX: usize = 16;
/// Points that are so many are drawn small.
const MANY: usize = 80;
/// How much of the white shows through a bar of a histogram.
const PALE: f64 = 0.3;

/// Draws the series at the place `at` of its chart.
pub(super) fn draw(scene: &Scene<'_, '_>, series: &Series, at: usize, bars: &Bars) -> Drawn {
    let look = look(at);
    match series.kind {
        SeriesKind::Points => draw_points(scene, &series.points, look),
        SeriesKind::Line => pieces(scene, &series.points)
            .iter()
            .try_for_each(|piece| draw_line(scene.sheet, piece, look, true)),
        SeriesKind::Steps => pieces(scene, &stairs(&series.points))
            .iter()
            .try_for_each(|piece| draw_line(scene.sheet, piece, look, false)),
        SeriesKind::Bars => {
            let shown = series.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
            shown.copied().try_for_each(|(x, y)| draw_bar(scene, bars.bar(at, x), y, look))
        }
        SeriesKind::Histogram => draw_histogram(scene, &series.points, look),
    }
}

/// The points on the sheet, in pieces that end where a point cannot be shown;
/// of neighbours at one spot there is one.
fn pieces(scene: &Scene<'_, '_>, points: &[(f64, f64)]) -> Vec<Vec<(i32, i32)>> {
    let mut pieces = vec![Vec::new()];
    for &(x, y) in points {
        match (scene.x.nearest(x), scene.y.nearest(y)) {
            (Some(x), Some(y)) => pieces.iter_mut().rev().take(1).for_each(|piece| {
                let spot = (scene.place)(x, y);
                if piece.last() != Some(&spot) {
                    piece.push(spot);
                }
            }),
            _ => pieces.push(Vec::new()),
        }
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// From each point level to the next one's x, then up or down to it.
fn stairs(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let corners = points.windows(2).flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
    corners.chain(points.last().copied()).collect()
}

fn draw_line(sheet: &Sheet<'_>, line: &[(i32, i32)], look: Look, markers: bool) -> Drawn {
    let style = ShapeStyle::from(&look.colour).stroke_width(STROKE);
    match look.dash {
        Some((dash, gap)) if line.len() > 1 => {
            let dashed = DashedPathElement::new(line.iter().copied(), dash, gap, style);
            sheet.draw(&dashed)?;
        }
        _ => sheet.draw(&PathElement::new(line, style))?,
    }
    let every = line.len().div_ceil(MARKERS_MAX).max(1);
    let marked = line.iter().step_by(every).filter(|_| markers);
    marked.copied().try_for_each(|spot| draw_marker(sheet, look, spot))
}

fn draw_points(scene: &Scene<'_, '_>, points: &[(f64, f64)], look: Look) -> Drawn {
    let shown = points.iter().filter(|(x, y)| scene.x.shows(*x) && scene.y.shows(*y));
    let spots: BTreeSet<(i32, i32)> = shown.map(|(x, y)| (scene.place)(*x, *y)).collect();
    let many = spots.len() > MANY;
    spots.into_iter().try_for_each(|spot| match many {
        true => draw_shape(scene.sheet, look, spot, MARKER_OF_MANY),
        false => draw_marker(scene.sheet, look, spot),
    })
}

/// A bar with its series' marker at the end.
fn draw_bar(scene: &Scene<'_, '_>, (from, until): (f64, f64), y: f64, look: Look) -> Drawn {
    let (low, high) = (scene.y.base(), scene.y.clamp(y));
    let (first, last) = ((scene.place)(from, low), (scene.place)(until, high));
    let fill = look.colour.filled();
    scene.sheet.draw(&Rectangle::new([first, last], fill))?;
    let edge = ShapeStyle::from(&WHITE).stroke_width(2);
    scene.sheet.draw(&Rectangle::new([first, last], edge))?;
    draw_marker(scene.sheet, look, ((first.0 + last.0) / 2, last.1))
}

fn draw_histogram(scene: &Scene<'_, '_>, points: &[(f64, f64)], look: Look) -> Drawn {
    let low = scene.y.base();
    for pair in points.windows(2).filter(|pair| pair[0].1 > 0.0) {
        let (from, until) = (scene.x.clamp(pair[0].0), scene.x.clamp(pair[1].0));
        let corners = [(scene.place)(from, low), (scene.place)(until, scene.y.clamp(pair[0].1))];
        scene.sheet.draw(&Rectangle::new(corners, look.colour.mix(PALE).filled()))?;
    }
    let first = points.first().map(|point| (point.0, low));
    let outline: Vec<(f64, f64)> = first.into_iter().chain(stairs(points)).collect();
    let outline = pieces(scene, &outline);
    outline.iter().try_for_each(|piece| draw_line(scene.sheet, piece, look, false))
}

/// A series' marker around a spot, edged with white so that it stands out of
/// lines and bars.
fn draw_marker(sheet: &Sheet<'_>, look: Look, spot: (i32, i32)) -> Drawn {
    if matches!(look.marker, Marker::Cross | Marker::Plus) {
        // Strokes have no edge but a wider stroke below them.
        let below = Look { colour: RGBColor(255, 255, 255), ..look };
        draw_strokes(sheet, below, spot, MARKER, STROKE + 5)?;
        return draw_strokes(sheet, look, spot, MARKER, STROKE);
    }
    draw_shape(sheet, look, spot, MARKER)?;
    let edge = ShapeStyle::from(&WHITE).stroke_width(2);
    match outline(look.marker, spot, MARKER) {
        _ if look.marker == Marker::Circle => sheet.draw(&Circle::new(spot, MARKER, edge)),
        Some(corners) => {
            let ring = corners.iter().chain(corners.first()).copied().collect::<Vec<_>>();
            sheet.draw(&PathElement::new(ring, edge))
        }
        None => Ok(()),
    }
}

/// The corners of a marker that has an inside, of this half size.
fn outline(marker: Marker, (x, y): (i32, i32), r: i32) -> Option<Vec<(i32, i32)>> {
    let more = r + r / 3;
    let corners: &[(i32, i32)] = match marker {
        Marker::Square => &[(-r, -r), (r, -r), (r, r), (-r, r)],
        Marker::Triangle => &[(0, -more), (more, r), (-more, r)],
        Marker::Diamond => &[(0, -more), (more, 0), (0, more), (-more, 0)],
        Marker::Circle | Marker::Cross | Marker::Plus => return None,
    };
    Some(corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect())
}

/// A marker's shape alone.
fn draw_shape(sheet: &Sheet<'_>, look: Look, spot: (i32, i32), r: i32) -> Drawn {
    match (look.marker, outline(look.marker, spot, r)) {
        (_, Some(corners)) => sheet.draw(&Polygon::new(corners, look.colour.filled())),
        (Marker::Circle, _) => sheet.draw(&Circle::new(spot, r, look.colour.filled())),
        _ => draw_strokes(sheet, look, spot, r, STROKE.min(r as u32 / 2 + 1)),
    }
}

/// A marker of two strokes.
fn draw_strokes(sheet: &Sheet<'_>, look: Look, (x, y): (i32, i32), r: i32, width: u32) -> Drawn {
    let style = ShapeStyle::from(&look.colour).stroke_width(width);
    let ends = if look.marker == Marker::Cross { [(r, r), (-r, r)] } else { [(r, 0), (0, r)] };
    ends.into_iter().try_for_each(|(dx, dy)| {
        sheet.draw(&PathElement::new(vec![(x - dx, y - dy), (x + dx, y + dy)], style))
    })
}

/// What a series looks like, for the legend: from here so far to the right.
pub(super) fn sample(
    sheet: &Sheet<'_>,
    kind: SeriesKind,
    look: Look,
    (x, y): (i32, i32),
    width: i32,
) -> Drawn {
    let line = [(x, y), (x + width, y)];
    let filled = |colour: ShapeStyle| {
        sheet.draw(&Rectangle::new([(x, y - 13), (x + width, y + 13)], colour))
    };
    match kind {
        SeriesKind::Line | SeriesKind::Steps => draw_line(sheet, &line, look, false)?,
        SeriesKind::Points => {}
        SeriesKind::Bars => filled(look.colour.filled())?,
        SeriesKind::Histogram => {
            filled(look.colour.mix(PALE).filled())?;
            draw_line(sheet, &[(x, y - 13), (x + width, y - 13)], look, false)?;
        }
    }
    match kind {
        SeriesKind::Steps | SeriesKind::Histogram => Ok(()),
        _ => draw_marker(sheet, look, (x + width / 2, y)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stairs_go_level_first() {
        let points = [(0.0, 0.0), (1.0, 0.5), (3.0, 1.0)];
        let stairs = stairs(&points);
        assert_eq!(stairs, [(0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (3.0, 0.5), (3.0, 1.0)]);
    }
}
