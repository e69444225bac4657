//! Charts as SVG, all in one style.
//!
//! ```text
//! title
//! what is up (unit)
//! |          marks: dashed, with their words
//! |  series
//! +-----------
//!   what is across (unit)
//! legend
//! ```
//!
//! A picture has no fixed size. It is drawn so that its words can be read
//! where it is 320 pixels wide. Series differ by colour (those of Okabe and
//! Ito, which survive colour blindness), by marker and by dash, so that print
//! without colours keeps them apart.

mod bars;
mod coordinate;
mod legend;
mod look;
mod marks;
mod picture;
mod plot;
mod scene;
mod series;
mod text;
mod ticks;

pub(crate) use ticks::{grouped, words};

use crate::experiment::Chart;

/// Draws a chart.
pub(crate) fn svg(chart: &Chart) -> anyhow::Result<String> {
    picture::draw(&chart.title, &[chart])
}

/// Draws charts one below the other; `title` is for those who do not see them.
pub(crate) fn stacked(title: &str, charts: &[&Chart]) -> anyhow::Result<String> {
    picture::draw(title, charts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Axis, Place, SeriesKind};

    const KINDS: [SeriesKind; 5] = [
        SeriesKind::Line,
        SeriesKind::Points,
        SeriesKind::Bars,
        SeriesKind::Steps,
        SeriesKind::Histogram,
    ];

    /// The values of an attribute that are numbers.
    fn numbers(picture: &str, attribute: &str) -> Vec<f64> {
        let key = format!(" {attribute}=\"");
        let values = picture.split(&key).skip(1);
        values.filter_map(|rest| rest.split('"').next()?.parse().ok()).collect()
    }

    #[test]
    fn every_kind_is_drawn_inside_the_picture() {
        let points = [(1.0, 3.0), (2.0, f64::NAN), (3.0, 0.0), (5.0, -2.0), (1e3, 1e4)];
        let axes = [
            Axis::new("x", "ms"),
            Axis::new("x", "ms").log(),
            Axis::named("x", ["a", "b"].map(str::to_owned)),
            Axis::new("x", "ms").from(2.0).until(4.0),
        ];
        for (kind, x) in KINDS.iter().flat_map(|kind| axes.iter().map(move |x| (*kind, x))) {
            for y in [Axis::new("y", ""), Axis::new("y", "").log(), Axis::new("y", "").until(1.0)] {
                let mut chart = Chart::new("c", "title", x.clone(), y);
                chart.add("some", kind, points.to_vec());
                chart.add("none", kind, Vec::new());
                chart.mark("paper", Place::Horizontal(1.0));
                chart.mark("limit", Place::Vertical(3.0));
                chart.mark("span", Place::Span(0.5, 1e9));
                let picture = svg(&chart).unwrap();
                assert!(picture.starts_with("<svg viewBox=\"0 0 960 "), "no size of its own");
                for words in ["title", "some", "none", "span"] {
                    assert!(picture.contains(words), "{kind:?}: {words}");
                }
                for attribute in ["x", "y", "cx", "cy", "x1", "x2", "y1", "y2"] {
                    let inside = |number: &f64| (0.0..=960.0).contains(number);
                    let all = numbers(&picture, attribute);
                    assert!(all.iter().all(inside), "{kind:?}: {attribute} {all:?}");
                }
                assert_eq!(picture, svg(&chart).unwrap());
            }
        }
    }

    #[test]
    fn a_chart_of_nothing_has_axes() {
        let chart = Chart::new("c", "title", Axis::new("x", ""), Axis::new("y", ""));
        assert!(svg(&chart).unwrap().contains("title"));
    }
}
