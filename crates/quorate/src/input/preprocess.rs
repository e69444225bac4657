//! From a file's numbers to those that the model was trained on.

use anyhow::{Context, ensure};

/// `(value * scale - mean[channel]) / std[channel]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preprocess {
    /// What each value is multiplied by. By default 1/255 for the bytes of
    /// pictures and IDX files, 1 for the rest.
    pub scale: Option<f32>,
    /// One mean a channel, one for all, or none for 0.
    pub mean: Vec<f32>,
    /// One standard deviation a channel, one for all, or none for 1.
    pub std: Vec<f32>,
}

impl Preprocess {
    /// Whether this can be done to an input of `channels` channels.
    pub(super) fn check(&self, channels: usize) -> anyhow::Result<()> {
        for (what, values) in [("means", &self.mean), ("standard deviations", &self.std)] {
            let got = values.len();
            ensure!(
                got <= 1 || got == channels,
                "{got} {what} given, the model's input has {channels} channels"
            );
        }
        let mut values = self.mean.iter().chain(&self.std).chain(&self.scale);
        ensure!(values.all(|v| v.is_finite()), "scale, mean and std must be finite");
        ensure!(!self.std.contains(&0.0), "a standard deviation is 0");
        Ok(())
    }

    /// Does it in place; `values` are channel by channel.
    pub(super) fn apply(&self, values: &mut [f32], channels: usize, default_scale: f32) {
        let scale = self.scale.unwrap_or(default_scale);
        let plane = values.len().div_ceil(channels).max(1);
        let of = |list: &[f32], channel: usize, none: f32| match list {
            [] => none,
            [one] => *one,
            each => each[channel],
        };
        for (channel, values) in values.chunks_mut(plane).enumerate() {
            let (mean, std) = (of(&self.mean, channel, 0.0), of(&self.std, channel, 1.0));
            for value in values {
                *value = (*value * scale - mean) / std;
            }
        }
    }
}

/// Reads a number or a fraction, as in `1/255`.
pub fn parse_fraction(text: &str) -> anyhow::Result<f32> {
    let number = |part: &str| {
        let part = part.trim();
        part.parse::<f32>().with_context(|| format!("{part:?} is not a number"))
    };
    let value = match text.split_once('/') {
        Some((over, under)) => number(over)? / number(under)?,
        None => number(text)?,
    };
    ensure!(value.is_finite(), "{text:?} is not a finite number");
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions() {
        let cases = [
            ("1/255", Some(1.0 / 255.0)),
            (" 1 / 4 ", Some(0.25)),
            ("-0.5", Some(-0.5)),
            ("2e-3", Some(2e-3)),
            ("1/0", None),
            ("0/0", None),
            ("1/2/3", None),
            ("inf", None),
            ("a", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_fraction(text).ok(), expected, "{text:?}");
        }
        let error = format!("{:#}", parse_fraction("1/x").unwrap_err());
        assert_eq!(error, "\"x\" is not a number: invalid float literal");
    }

    #[test]
    fn each_channel_has_its_own_mean_and_deviation() {
        let pre = Preprocess { scale: Some(0.5), mean: vec![1.0, 2.0], std: vec![4.0, 0.25] };
        let mut values = [2.0, 4.0, 6.0, 8.0];
        pre.check(2).unwrap();
        pre.apply(&mut values, 2, 9.0);
        assert_eq!(values, [0.0, 0.25, 4.0, 8.0]);
        let mut values = [2.0, 4.0];
        Preprocess::default().apply(&mut values, 1, 0.25);
        assert_eq!(values, [0.5, 1.0]);
    }

    #[test]
    fn what_cannot_be_done_is_an_error() {
        let three = Preprocess { mean: vec![0.0; 3], ..Default::default() };
        assert_eq!(
            three.check(1).unwrap_err().to_string(),
            "3 means given, the model's input has 1 channels"
        );
        let zero = Preprocess { std: vec![0.0], ..Default::default() };
        assert!(zero.check(1).is_err());
        let endless = Preprocess { scale: Some(f32::INFINITY), ..Default::default() };
        assert!(endless.check(1).is_err());
    }
}
