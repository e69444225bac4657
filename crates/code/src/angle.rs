//! Cosine and sine at rational points of a circle, the same bits everywhere.
//!
//! One platform's own `cos` may differ in the last bit from another's. A code's
//! generator must not.

use core::f64::consts::FRAC_PI_4;

/// Cosine and sine of `2 pi * part / whole`.
pub(crate) fn cos_sin(part: usize, whole: usize) -> (f64, f64) {
    // By eighths of the circle, so that the series sees at most a quarter of pi.
    let (octant, rest) = ((8 * (part % whole)) / whole, (8 * (part % whole)) % whole);
    let angle = |rest: usize| FRAC_PI_4 * rest as f64 / whole as f64;
    let (cos, sin) = if octant % 2 == 0 {
        series(angle(rest))
    } else {
        let (cos, sin) = series(angle(whole - rest));
        (sin, cos)
    };
    match octant / 2 {
        0 => (cos, sin),
        1 => (-sin, cos),
        2 => (-cos, -sin),
        _ => (sin, -cos),
    }
}

/// Taylor series for angles up to a quarter of pi.
fn series(angle: f64) -> (f64, f64) {
    let square = angle * angle;
    let (mut cos, mut sin) = (1.0, 1.0);
    for k in (1..=9).rev() {
        let k = f64::from(k);
        cos = 1.0 - cos * square / ((2.0 * k - 1.0) * (2.0 * k));
        sin = 1.0 - sin * square / ((2.0 * k) * (2.0 * k + 1.0));
    }
    (cos, sin * angle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_platform() {
        for whole in 1..=130 {
            for part in 0..2 * whole {
                let angle = 2.0 * core::f64::consts::PI * part as f64 / whole as f64;
                let (cos, sin) = cos_sin(part, whole);
                assert!((cos - angle.cos()).abs() < 3e-15, "{part}/{whole}");
                assert!((sin - angle.sin()).abs() < 3e-15, "{part}/{whole}");
            }
        }
    }

    #[test]
    fn corners_are_exact() {
        let cases = [
            ((0, 4), (1.0, 0.0)),
            ((1, 4), (0.0, 1.0)),
            ((2, 4), (-1.0, 0.0)),
            ((3, 4), (0.0, -1.0)),
        ];
        for ((part, whole), expected) in cases {
            assert_eq!(cos_sin(part, whole), expected);
        }
    }
}
