//! Activation functions of recurrent nodes.

/// A function, with the numbers that it needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Activation {
    /// ONNX's word for it.
    pub word: &'static str,
    pub alpha: f32,
    pub beta: f32,
}

/// Words, and the numbers of those that need any where none are given; `None`
/// where one has to be.
type Known = (&'static str, Option<Option<f32>>, Option<Option<f32>>);

const KNOWN: &[Known] = &[
    ("Sigmoid", None, None),
    ("Tanh", None, None),
    ("Relu", None, None),
    ("Softsign", None, None),
    ("Softplus", None, None),
    ("Elu", Some(Some(1.0)), None),
    ("LeakyRelu", Some(Some(0.01)), None),
    ("ThresholdedRelu", Some(Some(1.0)), None),
    ("HardSigmoid", Some(Some(0.2)), Some(Some(0.5))),
    ("Affine", Some(None), Some(None)),
    ("ScaledTanh", Some(None), Some(None)),
];

impl Activation {
    /// The function `name`, whose numbers are the next of the lists.
    pub(super) fn read(
        name: &str,
        alphas: &mut impl Iterator<Item = f32>,
        betas: &mut impl Iterator<Item = f32>,
    ) -> Result<Activation, String> {
        let found = KNOWN.iter().find(|known| known.0.eq_ignore_ascii_case(name));
        let (word, alpha, beta) = found.ok_or_else(|| format!("activation {name} is not known"))?;
        let number = |needed: &Option<Option<f32>>, given: &mut dyn FnMut() -> Option<f32>| {
            let Some(default) = needed else { return Ok(0.0) };
            given().or(*default).ok_or_else(|| format!("activation {word} lacks a number"))
        };
        let alpha = number(alpha, &mut || alphas.next())?;
        let beta = number(beta, &mut || betas.next())?;
        Ok(Activation { word, alpha, beta })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_in_order_by_those_that_need_them() {
        let (mut alphas, mut betas) = ([0.3, 0.7].into_iter(), [0.9].into_iter());
        let mut read = |name: &str| Activation::read(name, &mut alphas, &mut betas);
        let of = |word, alpha, beta| Ok(Activation { word, alpha, beta });
        assert_eq!(read("leakyrelu"), of("LeakyRelu", 0.3, 0.0));
        assert_eq!(read("Tanh"), of("Tanh", 0.0, 0.0));
        assert_eq!(read("ScaledTanh"), of("ScaledTanh", 0.7, 0.9));
        assert_eq!(read("HardSigmoid"), of("HardSigmoid", 0.2, 0.5));
        assert!(read("Affine").is_err() && read("Cosine").is_err());
    }
}
