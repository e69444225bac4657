//! The error function to all digits of an f32.
//!
//! tract's own is right to 1e-6 wherever it is, which of a small value leaves
//! few digits: 2e-4 of erf(0.002).

use tract_linalg::multithread::par_chunks_mut;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::element_wise::{ElementWiseMiniOp, ElementWiseOp};

/// Beyond it, it is 1 to the last digit.
const FAR: f32 = 4.0;
/// Coefficients of the even powers in x P(x^2) / Q(x^2), the highest first: the
/// rational approximation of Eigen and XLA, relative error 3.4e-7.
const P: [f32; 7] = [
    -2.726_142_3e-10,
    2.770_681_4e-8,
    -2.101_024e-6,
    -5.692_506_4e-5,
    -7.349_906_5e-4,
    -2.954_6e-3,
    -1.609_603_3e-2,
];
const Q: [f32; 5] =
    [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329_3e-3, -1.426_473_9e-2];

/// Takes it for every Erf of f32.
pub(super) fn take(model: &mut TypedModel) {
    for node in &mut model.nodes {
        let floats = node.outputs.iter().all(|out| out.fact.datum_type == f32::datum_type());
        let own = node.op_as::<ElementWiseOp>().is_some_and(|op| op.0.name() == "Erf");
        if floats && own {
            node.op = Box::new(ElementWiseOp(Box::new(Erf), None));
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Erf;

impl ElementWiseMiniOp for Erf {
    fn name(&self) -> String {
        "ErfF32".to_owned()
    }

    fn eval_in_place(&self, tensor: &mut Tensor, _: Option<DatumType>) -> TractResult<()> {
        let mut plain = tensor.try_as_plain_ram_mut()?;
        let values: &mut [f32] = plain.as_slice_mut::<f32>()?;
        let count = values.len();
        par_chunks_mut(values, 1, count, |_, chunk| {
            chunk.iter_mut().for_each(|value| *value = erf(*value));
            Ok(())
        })
    }
}

fn erf(x: f32) -> f32 {
    let x = x.clamp(-FAR, FAR);
    let square = x * x;
    let of = |coefficients: &[f32]| coefficients.iter().fold(0.0, |sum, c| sum * square + c);
    x * of(&P) / of(&Q)
}

#[cfg(test)]
mod tests {
    use super::erf;

    /// From the double-precision function of the C library.
    const KNOWN: [(f32, f64); 9] = [
        (1e-6, 1.128_379_164_246_252_9e-6),
        (1e-3, 0.001_128_378_844_564_317_3),
        (0.1, 0.112_462_917_682_970_51),
        (0.5, 0.520_499_877_813_046_5),
        (1.0, 0.842_700_792_949_714_9),
        (1.5, 0.966_105_146_475_310_8),
        (2.0, 0.995_322_265_018_952_7),
        (3.0, 0.999_977_909_503_001_4),
        (4.5, 0.999_999_999_803_383_9),
    ];

    #[test]
    fn to_all_digits() {
        for (x, wanted) in KNOWN {
            for sign in [1.0, -1.0] {
                let (got, wanted) = (f64::from(erf(sign * x)), f64::from(sign) * wanted);
                assert!((got / wanted - 1.0).abs() < 5e-7, "erf({x}) is {got}, not {wanted}");
            }
        }
        assert_eq!(erf(0.0), 0.0);
        assert!((erf(f32::INFINITY) - 1.0).abs() < 5e-7);
        assert!(erf(f32::NAN).is_nan());
    }
}
