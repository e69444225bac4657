//! How series look: colours, dashes and markers, in turn.

use plotters::prelude::RGBColor;

/// Letters of titles, labels and legends, in the picture's own units: a
/// picture is [`WIDTH`] of them wide.
pub(super) const EM: i32 = 32;
/// Letters at ticks and marks.
pub(super) const SMALL_EM: i32 = 29;
/// Width of a picture.
pub(super) const WIDTH: i32 = 960;
/// From one line of words to the next.
pub(super) const LINE: i32 = 42;
/// Space around all.
pub(super) const MARGIN: i32 = 12;

/// All words and axes.
pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Lines at ticks.
pub(super) const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// Lines to hold results against.
pub(super) const MARK: RGBColor = RGBColor(0x55, 0x55, 0x55);

/// Half the size of a marker.
pub(super) const MARKER: i32 = 10;
/// The same where there are many.
pub(super) const MARKER_OF_MANY: i32 = 4;
/// Width of a line.
pub(super) const STROKE: u32 = 5;

/// What a point is drawn as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
    Plus,
}

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) colour: RGBColor,
    pub(super) marker: Marker,
    /// Lengths of a dash and of the gap behind it; `None` for a whole line.
    pub(super) dash: Option<(i32, i32)>,
}

/// The colours of Okabe and Ito, but for their yellow, which is too pale on
/// white; neighbours differ in lightness too.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x00, 0x00, 0x00),
];

const MARKERS: [Marker; 6] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::Cross,
    Marker::Plus,
];

const DASHES: [Option<(i32, i32)>; 4] = [None, Some((24, 10)), Some((8, 10)), Some((44, 12))];

/// The look of the series at this place in a chart.
pub(super) fn look(series: usize) -> Look {
    Look {
        colour: COLOURS[series % COLOURS.len()],
        marker: MARKERS[series % MARKERS.len()],
        dash: DASHES[series % DASHES.len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_of_many_series_look_alike() {
        let looks: Vec<Look> = (0..40).map(look).collect();
        for (at, one) in looks.iter().enumerate() {
            assert!(!looks[..at].contains(one), "{at}: {one:?}");
        }
    }
}
