//! The picture as a whole: what is where.

use anyhow::{Context, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::legend::{self, Entry};
use super::look::{EM, LINE, MARGIN, WIDTH};
use super::plot::{self, PLOT_HEIGHT};
use super::scene::{Drawn, Sheet, words};
use super::text;
use crate::experiment::{Axis, Chart};

/// Draws charts, one below the other, as SVG that has no size of its own.
pub(super) fn draw(title: &str, charts: &[&Chart]) -> anyhow::Result<String> {
    let (mut inner, mut height) = (String::new(), 0);
    for chart in charts {
        let (made, own) =
            draw_one(chart).with_context(|| format!("drawing chart {}", chart.name))?;
        inner += &format!("<g transform=\"translate(0,{height})\">\n{made}</g>\n");
        height += own;
    }
    let title = escape(title);
    Ok(format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" \
         aria-label=\"{title}\"><title>{title}</title>\n{inner}</svg>\n"
    ))
}

/// What is within the SVG of one chart, and how high it is.
fn draw_one(chart: &Chart) -> anyhow::Result<(String, i32)> {
    let inner = WIDTH - 2 * MARGIN;
    let title = text::wrap(&chart.title, EM, inner * 9 / 10);
    let y = text::wrap(&label(&chart.y), EM, inner);
    let x = text::wrap(&label(&chart.x), EM, inner);
    let rows = legend::rows(chart, inner);
    let top = MARGIN + LINE * (title.len() + y.len()) as i32 + LINE / 2;
    let names = plot::names_height(&chart.x);
    let bottom = top + PLOT_HEIGHT + names;
    let below = bottom + LINE * x.len() as i32 + LINE / 4;
    let height = below + LINE * rows.len() as i32 + MARGIN;
    let mut made = String::new();
    {
        let size = (WIDTH as u32, height as u32);
        let sheet = SVGBackend::with_string(&mut made, size).into_drawing_area();
        let drawn = || -> Drawn {
            sheet.fill(&WHITE)?;
            lines(&sheet, &title, (MARGIN, MARGIN), Weight::Bold)?;
            lines(&sheet, &y, (MARGIN, MARGIN + LINE * title.len() as i32), Weight::Normal)?;
            plot::draw(&sheet, chart, top..bottom)?;
            lines(&sheet, &x, (WIDTH / 2, bottom), Weight::Middle)?;
            for (row, entries) in rows.iter().enumerate() {
                draw_row(&sheet, entries, below + LINE * row as i32)?;
            }
            sheet.present()
        };
        drawn().map_err(|error| anyhow!("{error}"))?;
    }
    let inner = made.split_once('>').map_or("", |(_, inner)| inner);
    let inner = inner.trim_end().strip_suffix("</svg>").unwrap_or(inner);
    Ok((inner.trim_start().to_owned(), height))
}

fn draw_row(sheet: &Sheet<'_>, entries: &[Entry<'_>], y: i32) -> Drawn {
    entries.iter().try_for_each(|entry| legend::draw(sheet, entry, (MARGIN, y)))
}

/// What an axis shows, and in what unit.
fn label(axis: &Axis) -> String {
    match axis.unit.as_str() {
        "" => axis.label.clone(),
        unit => format!("{} ({unit})", axis.label),
    }
}

/// How lines of words are set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weight {
    Normal,
    Bold,
    /// Around a middle, and not from the left.
    Middle,
}

fn lines(sheet: &Sheet<'_>, lines: &[String], (x, y): (i32, i32), weight: Weight) -> Drawn {
    let h = if weight == Weight::Middle { HPos::Center } else { HPos::Left };
    let style = words(EM, Pos::new(h, VPos::Top));
    let bold = style.font.clone().style(FontStyle::Bold);
    let style = if weight == Weight::Bold { TextStyle { font: bold, ..style } } else { style };
    for (at, line) in lines.iter().enumerate() {
        sheet.draw(&Text::new(line.as_str(), (x, y + LINE * at as i32), style.clone()))?;
    }
    Ok(())
}

/// Text as it may stand in XML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
