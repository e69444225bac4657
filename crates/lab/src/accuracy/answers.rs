//! What a model answers: the class with the largest output.

use anyhow::{Context, ensure};
use quorate_model::tensor::Tensor;

/// The class that the only output is largest for, the first of equals.
pub(super) fn top(outputs: &[Tensor]) -> anyhow::Result<usize> {
    let [output] = outputs else {
        anyhow::bail!("{} outputs, a classifier has one", outputs.len());
    };
    let values = output.to_f32()?;
    ensure!(values.iter().all(|value| !value.is_nan()), "an output that is no number");
    let better = |best: Option<usize>, (index, value): (usize, &f32)| match best {
        Some(best) if values[best] >= *value => Some(best),
        _ => Some(index),
    };
    values.iter().enumerate().fold(None, better).context("an output without values")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_largest() {
        let cases: [(&[f32], Option<usize>); 5] = [
            (&[1.0, 3.0, 2.0], Some(1)),
            (&[0.0, 0.0, 0.0], Some(0)),
            (&[-2.0, -1.0, -1.0], Some(1)),
            (&[0.0, f32::NAN], None),
            (&[], None),
        ];
        for (values, expected) in cases {
            let output = Tensor::from_f32(vec![1, values.len()], values).unwrap();
            assert_eq!(top(&[output]).ok(), expected, "{values:?}");
        }
    }
}
