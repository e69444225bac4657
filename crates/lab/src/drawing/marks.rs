//! Marks: dashed lines with words, and shaded spans.

use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::look::{MARK, SMALL_EM};
use super::scene::{Drawn, Scene, words};
use super::text;
use crate::experiment::{Mark, Place};

/// Height of a mark's words with the space around them.
const WORDS: i32 = 38;
/// Lengths of a dash and of a gap.
const DASH: (i32, i32) = (14, 10);

/// Draws the lines of marks, below the series.
pub(super) fn draw_lines(scene: &Scene<'_, '_>, marks: &[Mark]) -> Drawn {
    let (left, top, right, bottom) = scene.borders();
    for mark in marks {
        let ends = match mark.at {
            Place::Horizontal(y) if scene.y.shows(y) => {
                let y = (scene.place)(scene.x.base(), y).1;
                [(left, y), (right, y)]
            }
            Place::Vertical(x) if scene.x.shows(x) => {
                let x = (scene.place)(x, scene.y.base()).0;
                [(x, bottom), (x, top)]
            }
            Place::Span(from, until) if from.is_finite() && until.is_finite() => {
                let at = |x: f64| (scene.place)(scene.x.clamp(x), scene.y.base()).0;
                // What is shorter than a dot is a dot.
                let (from, until) = (at(from), at(until).max(at(from) + 2));
                let shade = MARK.mix(0.15).filled();
                scene.sheet.draw(&Rectangle::new([(from, top), (until, bottom)], shade))?;
                continue;
            }
            _ => continue,
        };
        let style = ShapeStyle::from(&MARK).stroke_width(3);
        scene.sheet.draw(&DashedPathElement::new(ends, DASH.0, DASH.1, style))?;
    }
    Ok(())
}

/// Draws the words of marks, above the series.
pub(super) fn draw_words(scene: &Scene<'_, '_>, marks: &[Mark]) -> Drawn {
    let (left, top, right, bottom) = scene.borders();
    let mut boxes: Vec<Words> = Vec::new();
    for mark in marks {
        let width = text::width(&mark.label, SMALL_EM) + 12;
        // Words of what stands upright are to its right, or where there is no
        // room to its left; of what lies above it, at the right; of a span
        // where it begins.
        let (x, y) = match mark.at {
            Place::Horizontal(y) if scene.y.shows(y) => {
                let y = (scene.place)(scene.x.base(), y).1;
                ((right - width).max(left), (y - WORDS - 2).max(top))
            }
            Place::Vertical(x) if scene.x.shows(x) => {
                let x = (scene.place)(x, scene.y.base()).0 + 6;
                (if x + width > right { (x - 12 - width).max(left) } else { x }, top)
            }
            Place::Span(from, until) if from.is_finite() && until.is_finite() => {
                let x = (scene.place)(scene.x.clamp(from), scene.y.base()).0 + 6;
                (x.min(right - width).max(left), top)
            }
            _ => continue,
        };
        let mut words = Words { x, y, width };
        // The first place further down that is free.
        while words.y + 2 * WORDS < bottom && boxes.iter().any(|other| words.meets(other)) {
            words.y += WORDS;
        }
        draw_one(scene, &mark.label, &words)?;
        boxes.push(words);
    }
    Ok(())
}

fn draw_one(scene: &Scene<'_, '_>, label: &str, at: &Words) -> Drawn {
    let behind = [(at.x, at.y), (at.x + at.width, at.y + WORDS - 2)];
    scene.sheet.draw(&Rectangle::new(behind, WHITE.mix(0.8).filled()))?;
    let style = words(SMALL_EM, Pos::new(HPos::Left, VPos::Top)).color(&MARK);
    scene.sheet.draw(&Text::new(label.to_owned(), (at.x + 6, at.y + 4), style))
}

/// Where a mark's words are.
struct Words {
    x: i32,
    y: i32,
    width: i32,
}

impl Words {
    fn meets(&self, other: &Words) -> bool {
        let beside = self.x + self.width <= other.x || other.x + other.width <= self.x;
        let above = self.y + WORDS <= other.y || other.y + WORDS <= self.y;
        !beside && !above
    }
}
