//! One axis as numbers: its range, its ticks, and where a number lies.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::ticks;
use crate::experiment::{Axis, Scale};

/// Most ticks of an axis.
const TICKS_MAX: usize = 7;

/// One axis as numbers.
#[derive(Clone, Debug)]
pub(super) struct Coordinate {
    from: f64,
    until: f64,
    scale: Scale,
    ticks: Vec<f64>,
}

/// How far an axis reaches beyond what is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// A little on both sides.
    Little,
    /// To the next ticks.
    Ticks,
    /// From 0, where nothing is less, to the next tick.
    Zero,
}

impl Coordinate {
    /// An axis on which all of `values` are shown that can be.
    pub(super) fn new(axis: &Axis, values: &[f64], room: Room) -> Coordinate {
        if !axis.names.is_empty() {
            let ticks: Vec<f64> = (0..axis.names.len()).map(|at| at as f64).collect();
            let (from, until) = (-0.5, axis.names.len() as f64 - 0.5);
            return Coordinate { from, until, scale: Scale::Linear, ticks };
        }
        let shown =
            |value: &f64| value.is_finite() && (axis.scale == Scale::Linear || *value > 0.0);
        let bound = |given: Option<f64>, all: fn(f64, f64) -> f64| {
            let given = given.filter(shown);
            given.or_else(|| values.iter().copied().filter(shown).reduce(all))
        };
        let (least, largest) = (bound(axis.from, f64::min), bound(axis.until, f64::max));
        let (from, until) = match (least, largest) {
            (Some(from), Some(until)) if from < until => (from, until),
            (Some(one), _) | (None, Some(one)) => around(one, axis.scale),
            (None, None) => (1.0, 10.0),
        };
        let (from, until) = match axis.scale {
            Scale::Linear => widened(from, until, room),
            Scale::Log => decades(from, until),
        };
        let (from, until) =
            (axis.from.filter(shown).unwrap_or(from), axis.until.filter(shown).unwrap_or(until));
        let ticks = match axis.scale {
            Scale::Linear => ticks::linear(from, until, TICKS_MAX),
            Scale::Log => ticks::log(from, until, TICKS_MAX),
        };
        Coordinate { from, until, scale: axis.scale, ticks }
    }

    /// Where it has ticks.
    pub(super) fn ticks(&self) -> &[f64] {
        &self.ticks
    }

    /// Can `value` be shown?
    pub(super) fn shows(&self, value: f64) -> bool {
        let slack = (self.until - self.from) * 1e-9;
        value.is_finite() && (self.from - slack..=self.until + slack).contains(&value)
    }

    /// The least value, where bars begin.
    pub(super) fn base(&self) -> f64 {
        if self.from <= 0.0 && self.until >= 0.0 { 0.0 } else { self.from }
    }

    /// `value`, or the end of the axis that is nearest; `None` for what has no
    /// place on it at all.
    pub(super) fn nearest(&self, value: f64) -> Option<f64> {
        let placed = value.is_finite() && (self.scale == Scale::Linear || value > 0.0);
        placed.then(|| self.clamp(value))
    }

    /// `value`, or the end of the axis that is nearest.
    pub(super) fn clamp(&self, value: f64) -> f64 {
        value.clamp(self.from, self.until)
    }

    /// Which share of the axis lies before `value`.
    fn share(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Linear => (value - self.from) / (self.until - self.from),
            Scale::Log => (value / self.from).ln() / (self.until / self.from).ln(),
        }
    }
}

/// A range around one value.
fn around(one: f64, scale: Scale) -> (f64, f64) {
    match scale {
        Scale::Log => (one / 2.0, one * 2.0),
        Scale::Linear if one == 0.0 => (-1.0, 1.0),
        Scale::Linear => (one - one.abs() / 2.0, one + one.abs() / 2.0),
    }
}

fn widened(from: f64, until: f64, room: Room) -> (f64, f64) {
    let from = if room == Room::Zero { from.min(0.0) } else { from };
    let step = ticks::step(until - from, TICKS_MAX);
    let to_ticks = || ((from / step + 1e-9).floor() * step, (until / step - 1e-9).ceil() * step);
    match room {
        Room::Little => {
            let little = (until - from) * 0.03;
            (from - little, until + little)
        }
        Room::Ticks | Room::Zero => to_ticks(),
    }
}

/// From and to a number of one digit.
fn decades(from: f64, until: f64) -> (f64, f64) {
    let ends = |value: f64| {
        let power = 10f64.powf(value.log10().floor());
        [1.0, 2.0, 5.0, 10.0].map(|times| times * power)
    };
    let below = ends(from).into_iter().rfind(|end| *end <= from * (1.0 + 1e-9));
    let above = ends(until).into_iter().find(|end| *end >= until * (1.0 - 1e-9));
    (below.unwrap_or(from), above.unwrap_or(until))
}

impl Ranged for Coordinate {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        first + (self.share(*value) * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match hint.weight().allow_light_points() {
            true => Vec::new(),
            false => self.ticks.clone(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.from..self.until
    }
}

impl ValueFormatter<f64> for Coordinate {
    fn format_ext(&self, value: &f64) -> String {
        ticks::words(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_is_shown() {
        let axis = Axis::new("x", "");
        let cases = [
            (axis.clone(), &[2.0, 12.0][..], Room::Ticks, (2.0, 12.0)),
            (axis.clone(), &[2.0, 11.0], Room::Zero, (0.0, 12.0)),
            (axis.clone(), &[-2.0, 11.0], Room::Zero, (-5.0, 15.0)),
            (axis.clone(), &[0.0, 100.0], Room::Little, (-3.0, 103.0)),
            (axis.clone(), &[4.0], Room::Ticks, (2.0, 6.0)),
            (axis.clone(), &[f64::NAN], Room::Ticks, (0.0, 10.0)),
            (axis.clone().from(0.0).until(1.0), &[0.2, 3.0], Room::Ticks, (0.0, 1.0)),
            (axis.clone().log(), &[0.0, 3.0, 40.0], Room::Ticks, (2.0, 50.0)),
            (Axis::named("x", ["a".to_owned(), "b".to_owned()]), &[], Room::Ticks, (-0.5, 1.5)),
        ];
        for (axis, values, room, (from, until)) in cases {
            let made = Coordinate::new(&axis, values, room);
            let near = (made.from - from).abs() + (made.until - until).abs() < 1e-9;
            assert!(near, "{values:?}: {}..{}", made.from, made.until);
        }
    }

    #[test]
    fn decades_are_of_one_length() {
        let axis = Coordinate::new(&Axis::new("x", "").log(), &[1.0, 100.0], Room::Ticks);
        let at = |value: f64| axis.map(&value, (0, 200));
        assert_eq!([at(1.0), at(10.0), at(100.0)], [0, 100, 200]);
        assert!(!axis.shows(0.0) && axis.shows(100.0) && !axis.shows(101.0));
    }
}
