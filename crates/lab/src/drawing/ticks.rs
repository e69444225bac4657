//! Where an axis has ticks, and the words at them.

/// Steps of 1, 2 or 5 times a power of ten from `from` to `until`: as many as
/// are no more than `most`.
pub(super) fn linear(from: f64, until: f64, most: usize) -> Vec<f64> {
    let step = step(until - from, most);
    let (first, last) = ((from / step - 1e-9).ceil(), (until / step + 1e-9).floor());
    let count = (last - first + 1.0).max(0.0) as usize;
    // Multiples of the step, not sums: ticks are what they say.
    (0..count).map(|n| (first + n as f64) * step).collect()
}

/// The least step of 1, 2 or 5 times a power of ten that divides `length` into
/// fewer than `most` parts.
pub(super) fn step(length: f64, most: usize) -> f64 {
    let rough = length / most.saturating_sub(1).max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    steps.into_iter().find(|step| *step >= rough * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

/// Powers of ten from `from` to `until`, with what is twice and five times as
/// much where there are few; of many no more than `most`.
pub(super) fn log(from: f64, until: f64, most: usize) -> Vec<f64> {
    let (first, last) = (from.log10().floor() as i32, until.log10().ceil() as i32);
    let inside = |tick: &f64| (from * (1.0 - 1e-9)..=until * (1.0 + 1e-9)).contains(tick);
    let times = |times: &'static [f64]| {
        let decades = first..=last;
        let ticks = decades.flat_map(move |power| times.iter().map(move |n| n * 10f64.powi(power)));
        ticks.filter(inside).collect::<Vec<f64>>()
    };
    let fits = [&[1.0, 2.0, 5.0][..], &[1.0][..]].map(times);
    let [fine, coarse] = fits;
    if fine.len() <= most {
        return fine;
    }
    let every = coarse.len().div_ceil(most.max(1));
    coarse.into_iter().step_by(every.max(1)).collect()
}

/// A number in as few words as it takes, with at most four digits that count.
pub(crate) fn words(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    if !number.is_finite() {
        return if number.is_nan() { "no number" } else { "infinite" }.to_owned();
    }
    let size = number.abs();
    if !(1e-3..1e6).contains(&size) {
        let text = format!("{number:.3e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{power}", trimmed(digits));
    }
    let decimals = (3 - size.log10().floor() as i32).max(0) as usize;
    grouped(trimmed(&format!("{number:.decimals$}")))
}

fn trimmed(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

/// A number in digits; whole ones of five digits and more in groups of three.
pub(crate) fn grouped(number: &str) -> String {
    let digits = number.trim_start_matches('-');
    if digits.len() < 5 || digits.contains('.') {
        return number.to_owned();
    }
    let group = |(at, digit): (usize, char)| {
        let comma = at > 0 && (digits.len() - at).is_multiple_of(3);
        [comma.then_some(','), Some(digit)].into_iter().flatten()
    };
    let sign = if number.starts_with('-') { "-" } else { "" };
    sign.chars().chain(digits.chars().enumerate().flat_map(group)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let cases: [(f64, f64, &[f64]); 4] = [
            (0.0, 1.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
            (2.0, 12.0, &[2.0, 4.0, 6.0, 8.0, 10.0, 12.0]),
            (-3.0, 7.0, &[-2.0, 0.0, 2.0, 4.0, 6.0]),
            (101.0, 109.0, &[102.0, 104.0, 106.0, 108.0]),
        ];
        for (from, until, ticks) in cases {
            let made = linear(from, until, 6);
            let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9;
            assert!(
                made.len() == ticks.len() && made.iter().zip(ticks).all(near),
                "{from}..{until}: {made:?}"
            );
        }
        assert_eq!(log(1.0, 20.0, 6), [1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(log(1.0, 1e4, 6), [1.0, 10.0, 100.0, 1e3, 1e4]);
        assert_eq!(log(1.0, 1e8, 6).len(), 5);
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (f64::NAN, "no number"),
            (0.1 + 0.2, "0.3"),
            (12.0, "12"),
            (1234.5678, "1235"),
            (94.15, "94.15"),
            (-20000.0, "-20,000"),
            (123_456.0, "123,456"),
            (1e6, "1e6"),
            (2.5e-7, "2.5e-7"),
            (0.001, "0.001"),
        ];
        for (number, text) in cases {
            assert_eq!(words(number), text);
        }
    }
}
