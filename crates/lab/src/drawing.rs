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
