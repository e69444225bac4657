//! Which entries of an axis an entry of the resized axis is made of.

/// For each entry of a resized axis: entries of the axis, and their weights.
pub(crate) type Taps = Vec<Vec<(usize, f32)>>;

/// How places of the resized axis lie on the axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Places {
    HalfPixel,
    HalfPixelSymmetric,
    PytorchHalfPixel,
    AlignCorners,
    Asymmetric,
    /// `tf_half_pixel_for_nn` of opset 10 and 11.
    HalfPixelForNearest,
    /// From and to these shares of the axis.
    Crop {
        start: f32,
        end: f32,
    },
}

/// A place so near to the middle of two entries is in the middle, as ONNX
/// Runtime 1.32 has it (measured: between 0.95e-6 and 1.05e-6).
const TIE: f32 = 1e-6;

/// One axis that is resized.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) scale: f32,
    pub(crate) places: Places,
}

impl Axis {
    /// The place on the axis of entry `at` of the resized one. In f32, as
    /// runtimes compute it: what is nearest may depend on the last bit.
    pub(crate) fn place(&self, at: usize) -> f32 {
        let (x, input, output) = (at as f32, self.input as f32, self.output as f32);
        let half = || (x + 0.5) / self.scale - 0.5;
        match self.places {
            Places::HalfPixel => half(),
            Places::HalfPixelSymmetric => {
                let adjustment = output / (self.scale * input);
                input / 2.0 * (1.0 - adjustment) + half()
            }
            Places::PytorchHalfPixel if self.output > 1 => half(),
            Places::PytorchHalfPixel => 0.0,
            Places::AlignCorners if self.output > 1 => x * (input - 1.0) / (output - 1.0),
            Places::AlignCorners => 0.0,
            Places::Asymmetric => x / self.scale,
            Places::HalfPixelForNearest => (x + 0.5) / self.scale,
            Places::Crop { start, end } if self.output > 1 => {
                start * (input - 1.0) + x * (end - start) * (input - 1.0) / (output - 1.0)
            }
            Places::Crop { start, end } => 0.5 * (start + end) * (input - 1.0),
        }
    }

    fn clamp(&self, at: f32) -> usize {
        (at.max(0.0) as usize).min(self.input - 1)
    }

    /// The nearest entry, by a rule for what lies between two.
    pub(crate) fn nearest(&self, rule: Nearest) -> Taps {
        let near = |at: usize| {
            let x = self.place(at);
            let tie = (x - (x.floor() + 0.5)).abs() < TIE;
            let place = match rule {
                Nearest::PreferFloor if tie => x.floor(),
                Nearest::PreferCeil if tie => x.floor() + 1.0,
                Nearest::PreferFloor | Nearest::PreferCeil => (x + 0.5).floor(),
                Nearest::Floor => x.floor(),
                Nearest::Ceil => x.ceil(),
                Nearest::Simple if self.scale < 1.0 => x.ceil(),
                Nearest::Simple => x.trunc(),
            };
            vec![(self.clamp(place), 1.0)]
        };
        (0..self.output).map(near).collect()
    }

    /// Between the two neighbours.
    pub(crate) fn linear(&self) -> Taps {
        let between = |at: usize| {
            let x = self.place(at).clamp(0.0, (self.input - 1) as f32);
            let low = x.floor();
            let (first, share) = (low as usize, x - low);
            let second = (first + 1).min(self.input - 1);
            vec![(first, 1.0 - share), (second, share)]
        };
        (0..self.output).map(between).collect()
    }

    /// A cubic through four neighbours (Keys 1981); entries beyond the ends are
    /// those at the ends, or count for nothing.
    pub(crate) fn cubic(&self, a: f32, exclude_outside: bool) -> Taps {
        let through = |at: usize| {
            let x = self.place(at);
            let low = x.floor();
            let s = x - low;
            let near = |t: f32| ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
            let far = |t: f32| (((t - 5.0) * t + 8.0) * t - 4.0) * a;
            let weights = [far(s + 1.0), near(s), near(1.0 - s), far(2.0 - s)];
            let places = (0..4).map(|k| low + k as f32 - 1.0);
            let inside = |place: f32| place >= 0.0 && place < self.input as f32;
            let counts = |place: f32| !exclude_outside || inside(place);
            let taps: Vec<(f32, f32)> =
                places.zip(weights).filter(|(place, _)| counts(*place)).collect();
            let total: f32 = if exclude_outside { taps.iter().map(|t| t.1).sum() } else { 1.0 };
            taps.into_iter().map(|(place, weight)| (self.clamp(place), weight / total)).collect()
        };
        (0..self.output).map(through).collect()
    }
}

/// Which entry is nearest to a place between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nearest {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
    /// What opset 10 and Upsample do.
    Simple,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_an_entry_add_up_to_one() {
        let every = [
            Places::HalfPixel,
            Places::HalfPixelSymmetric,
            Places::PytorchHalfPixel,
            Places::AlignCorners,
            Places::Asymmetric,
        ];
        for places in every {
            for (input, output) in [(1, 3), (4, 8), (8, 3), (5, 5), (7, 1)] {
                let scale = output as f32 / input as f32;
                let axis = Axis { input, output, scale, places };
                let kinds = [axis.linear(), axis.cubic(-0.75, false), axis.cubic(-0.5, true)];
                for taps in kinds.into_iter().chain([axis.nearest(Nearest::PreferFloor)]) {
                    assert_eq!(taps.len(), output);
                    for entry in taps {
                        let total: f32 = entry.iter().map(|tap| tap.1).sum();
                        assert!((total - 1.0).abs() < 1e-5, "{axis:?}: {entry:?}");
                        assert!(entry.iter().all(|tap| tap.0 < input), "{axis:?}: {entry:?}");
                    }
                }
            }
        }
    }

    /// In f32, entry 9 of 19 over 14 lies at 6.5000005, and entry 1 of 2 over 7
    /// at 3.4999998.
    #[test]
    fn rounding_errors_leave_a_tie_a_tie() {
        let at = |input, output, places, rule, entry: usize| {
            let scale = output as f32 / input as f32;
            Axis { input, output, scale, places }.nearest(rule)[entry][0].0
        };
        assert_eq!(at(14, 19, Places::PytorchHalfPixel, Nearest::PreferFloor, 9), 6);
        assert_eq!(at(7, 2, Places::Asymmetric, Nearest::PreferCeil, 1), 4);
    }

    #[test]
    fn doubling_repeats_or_interpolates() {
        let axis = Axis { input: 2, output: 4, scale: 2.0, places: Places::HalfPixel };
        let nearest: Vec<usize> =
            axis.nearest(Nearest::PreferFloor).iter().map(|taps| taps[0].0).collect();
        assert_eq!(nearest, [0, 0, 1, 1]);
        let shares: Vec<f32> = axis.linear().iter().map(|taps| taps[1].1).collect();
        assert_eq!(shares, [0.0, 0.25, 0.75, 0.0]);
    }
}
