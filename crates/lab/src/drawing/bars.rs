//! Where bars stand that several series have at one place.

use crate::experiment::{Chart, SeriesKind};

/// Share of the room between two places that bars take.
const TAKEN: f64 = 0.8;

/// Where bars stand.
#[derive(Debug)]
pub(super) struct Bars {
    /// The chart's series of bars, by their place in the chart.
    series: Vec<usize>,
    /// Least distance between two places.
    apart: f64,
    /// The first place and the last.
    places: Option<(f64, f64)>,
}

impl Bars {
    /// The bars of a chart.
    pub(super) fn new(chart: &Chart) -> Bars {
        let of_bars = |at: &usize| chart.series[*at].kind == SeriesKind::Bars;
        let series: Vec<usize> = (0..chart.series.len()).filter(of_bars).collect();
        let points = series.iter().flat_map(|at| &chart.series[*at].points);
        let mut xs: Vec<f64> = points.map(|point| point.0).filter(|x| x.is_finite()).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let gaps = xs.windows(2).map(|pair| pair[1] - pair[0]);
        let apart = gaps.reduce(f64::min).unwrap_or(1.0);
        Bars { series, apart, places: xs.first().copied().zip(xs.last().copied()) }
    }

    /// The outermost ends that bars may have.
    pub(super) fn ends(&self) -> impl Iterator<Item = f64> {
        let half = self.apart / 2.0;
        self.places.into_iter().flat_map(move |(first, last)| [first - half, last + half])
    }

    /// Where the bar of this series at `x` begins and ends.
    pub(super) fn bar(&self, series: usize, x: f64) -> (f64, f64) {
        let place = self.series.iter().position(|at| *at == series).unwrap_or(0);
        let width = self.apart * TAKEN / self.series.len().max(1) as f64;
        let left = x - self.apart * TAKEN / 2.0 + width * place as f64;
        (left, left + width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Axis;

    #[test]
    fn bars_at_one_place_stand_side_by_side() {
        let mut chart = Chart::new("c", "", Axis::new("x", ""), Axis::new("y", ""));
        chart.add("a", SeriesKind::Bars, vec![(0.0, 1.0), (2.0, 1.0)]);
        chart.add("limit", SeriesKind::Line, vec![(0.0, 1.0), (0.1, 1.0)]);
        chart.add("b", SeriesKind::Bars, vec![(0.0, 2.0), (2.0, 3.0)]);
        let bars = Bars::new(&chart);
        let near = |(a, b): (f64, f64), (c, d): (f64, f64)| (a - c).abs() + (b - d).abs() < 1e-9;
        assert!(near(bars.bar(0, 0.0), (-0.8, 0.0)), "{bars:?}");
        assert!(near(bars.bar(2, 0.0), (0.0, 0.8)), "{bars:?}");
        assert_eq!(bars.ends().collect::<Vec<_>>(), [-1.0, 3.0]);
    }
}
