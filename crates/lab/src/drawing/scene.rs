//! What series and marks are drawn on.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::Pos;

use super::coordinate::Coordinate;
use super::look::INK;

/// The whole sheet, in the picture's own units.
pub(super) type Sheet<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Was it drawn?
pub(super) type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// A plot on a sheet.
pub(super) struct Scene<'a, 'b> {
    /// The sheet.
    pub(super) sheet: &'a Sheet<'b>,
    /// Across.
    pub(super) x: &'a Coordinate,
    /// Up.
    pub(super) y: &'a Coordinate,
    /// Where a point of the plot lies on the sheet.
    pub(super) place: &'a dyn Fn(f64, f64) -> (i32, i32),
}

impl Scene<'_, '_> {
    /// The left, top, right and bottom of the plot on the sheet.
    pub(super) fn borders(&self) -> (i32, i32, i32, i32) {
        use plotters::coord::ranged1d::Ranged;
        let (x, y) = (self.x.range(), self.y.range());
        let (left, bottom) = (self.place)(x.start, y.start);
        let (right, top) = (self.place)(x.end, y.end);
        (left, top, right, bottom)
    }
}

/// Words of this size.
pub(super) fn words(em: i32, anchor: Pos) -> TextStyle<'static> {
    // The backend divides sizes by this.
    let size = f64::from(em) * 1.24;
    TextStyle::from(("sans-serif", size).into_font()).color(&INK).pos(anchor)
}
