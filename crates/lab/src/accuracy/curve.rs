//! A figure against the share of a layer's data that is lost.

/// A figure against the share lost: points by share, straight lines between.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve(Vec<(f64, f64)>);

impl Curve {
    /// The curve through these points, in any order.
    pub(crate) fn new(mut points: Vec<(f64, f64)>) -> Curve {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Curve(points)
    }

    /// Its value at `share`; beyond its ends, that of the nearer end.
    pub(crate) fn at(&self, share: f64) -> f64 {
        let behind = self.0.iter().position(|point| point.0 >= share);
        match behind {
            Some(0) => self.0[0].1,
            Some(behind) => {
                let ((x0, y0), (x1, y1)) = (self.0[behind - 1], self.0[behind]);
                y0 + (y1 - y0) * (share - x0) / (x1 - x0)
            }
            None => self.0.last().map_or(f64::NAN, |last| last.1),
        }
    }

    /// The mean of its values at `shares`.
    pub(crate) fn mean(&self, shares: &[f64]) -> f64 {
        shares.iter().map(|share| self.at(*share)).sum::<f64>() / shares.len() as f64
    }

    /// What `pick` makes of the values of all `curves`, at each of `shares`.
    pub(crate) fn of_all(curves: &[Curve], shares: &[f64], pick: fn(&[f64]) -> f64) -> Curve {
        let values = |share: f64| curves.iter().map(|curve| curve.at(share)).collect::<Vec<_>>();
        Curve(shares.iter().map(|&share| (share, pick(&values(share)))).collect())
    }

    /// Its points, both figures in percent.
    pub(crate) fn percent(&self) -> Vec<(f64, f64)> {
        self.0.iter().map(|(share, value)| (100.0 * share, 100.0 * value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_points_lies_a_straight_line() {
        let curve = Curve::new(vec![(1.0, 0.1), (0.0, 0.9), (0.5, 0.7)]);
        for (share, value) in
            [(-1.0, 0.9), (0.0, 0.9), (0.25, 0.8), (0.5, 0.7), (0.75, 0.4), (2.0, 0.1)]
        {
            assert!((curve.at(share) - value).abs() < 1e-12, "{share}");
        }
        assert!((curve.mean(&[0.25, 0.75]) - 0.6).abs() < 1e-12);
        let flat = Curve::new(vec![(0.0, 0.3)]);
        let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
        let lower = Curve::of_all(&[curve, flat], &[0.0, 1.0], least);
        let tenths: Vec<_> = lower.percent().iter().map(|p| (p.0, (p.1 * 10.0).round())).collect();
        assert_eq!(tenths, [(0.0, 300.0), (100.0, 100.0)]);
        assert!(Curve::new(Vec::new()).at(0.5).is_nan());
    }
}
