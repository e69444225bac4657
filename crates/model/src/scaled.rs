//! Constants whose values are computed while they are read: weights that are
//! stored quantized, and weights times the scale of a normalization.
//!
//! ```text
//! base (u8, shared with the file) --> - zero point, * scale --> * scale --> f32
//! ```
//!
//! As f32, quantized weights would be four times the file.

use std::ops::Range;

use crate::tensor::{DType, Tensor, TensorError, read_f32};

/// Factors of a flat tensor's elements: element i has the factor
/// (i / run) % count.
#[derive(Clone, Debug)]
struct Scaling {
    /// An f32 tensor, not empty.
    scales: Tensor,
    /// Elements in a row that share a factor.
    run: usize,
}

impl Scaling {
    fn new(scales: Tensor, run: usize) -> Option<Scaling> {
        let fits = scales.dtype() == DType::F32 && scales.elements() > 0 && run > 0;
        fits.then_some(Scaling { scales, run })
    }

    /// The parts of `range` whose elements share a factor, with its index.
    fn parts(&self, range: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let (run, count) = (self.run, self.scales.elements());
        let mut at = range.start;
        std::iter::from_fn(move || {
            let (start, index) = (at, at / run);
            at = range.end.min((index + 1).saturating_mul(run));
            (start < range.end).then(|| (index % count, start..at))
        })
    }

    fn scale(&self, index: usize) -> f32 {
        self.scales.data()[index * 4..].first_chunk().map_or(0.0, |b| f32::from_le_bytes(*b))
    }
}

/// An f32 tensor that is computed from another one piece by piece:
/// ((base - zero) * scale) * scale ..., each step rounded to f32.
#[derive(Clone, Debug)]
pub struct Scaled {
    /// f32, or an integer type up to 32 bits.
    base: Tensor,
    /// Zero points of an integer base, one for each of the first scales.
    zeros: Option<Tensor>,
    /// Applied one after the other; at least one.
    scalings: Vec<Scaling>,
}

impl Scaled {
    /// (base - zero) * scale, as ONNX defines `DequantizeLinear`. One scale is
    /// for all elements, several change after each `run` elements. `None`
    /// where the types do not fit.
    pub(crate) fn dequantized(
        base: Tensor,
        zeros: Option<Tensor>,
        scales: Tensor,
        run: usize,
    ) -> Option<Scaled> {
        let integer = matches!(base.dtype(), DType::U8 | DType::I8 | DType::I16 | DType::I32);
        let fit = |z: &Tensor| z.dtype() == base.dtype() && z.elements() == scales.elements();
        if !integer || !zeros.as_ref().is_none_or(fit) {
            return None;
        }
        let scalings = vec![Scaling::new(scales, run)?];
        Some(Scaled { base, zeros, scalings })
    }

    /// `base`, an f32 tensor, times scales.
    pub(crate) fn product(base: Tensor, scales: Tensor, run: usize) -> Option<Scaled> {
        let scalings = vec![Scaling::new(scales, run)?];
        (base.dtype() == DType::F32).then_some(Scaled { base, zeros: None, scalings })
    }

    /// These values times further scales.
    pub(crate) fn times(&self, scales: Tensor, run: usize) -> Option<Scaled> {
        let mut scaled = self.clone();
        scaled.scalings.push(Scaling::new(scales, run)?);
        Some(scaled)
    }

    /// The same values in another shape.
    pub(crate) fn reshaped(&self, shape: Vec<usize>) -> Result<Scaled, TensorError> {
        let base = Tensor::new(self.base.dtype(), shape, self.base.data().clone())?;
        Ok(Scaled { base, ..self.clone() })
    }

    /// How many factors each element has.
    pub(crate) fn depth(&self) -> usize {
        self.scalings.len()
    }

    /// Element type of the values.
    pub(crate) fn dtype(&self) -> DType {
        DType::F32
    }

    /// Length of each dimension.
    pub(crate) fn shape(&self) -> &[usize] {
        self.base.shape()
    }

    /// Number of elements.
    pub(crate) fn elements(&self) -> usize {
        self.base.elements()
    }

    /// Adds the little-endian f32 bytes of the elements `range` to `out`.
    ///
    /// # Panics
    ///
    /// If `range` goes beyond the tensor.
    pub(crate) fn read(&self, range: Range<usize>, out: &mut Vec<u8>) {
        let begin = out.len();
        out.reserve(range.len() * 4);
        self.read_base(range.clone(), out);
        for scaling in &self.scalings {
            for (index, part) in scaling.parts(range.clone()) {
                let scale = scaling.scale(index);
                let place = |element: usize| begin + (element - range.start) * 4;
                let (values, _) = out[place(part.start)..place(part.end)].as_chunks_mut();
                for value in values {
                    *value = (f32::from_le_bytes(*value) * scale).to_le_bytes();
                }
            }
        }
    }

    fn read_base(&self, range: Range<usize>, out: &mut Vec<u8>) {
        if self.base.dtype() == DType::F32 {
            out.extend_from_slice(&self.base.data()[range.start * 4..range.end * 4]);
            return;
        }
        let Some(zeros) = &self.zeros else { return differences(&self.base, range, 0, out) };
        for (index, part) in self.scalings.iter().take(1).flat_map(|s| s.parts(range.clone())) {
            differences(&self.base, part, integer(zeros, index), out);
        }
    }

    /// All values.
    pub(crate) fn whole(&self) -> Result<Tensor, TensorError> {
        let mut data = Vec::new();
        self.read(0..self.elements(), &mut data);
        Tensor::new(DType::F32, self.shape().to_vec(), data.into())
    }

    /// All values, in order.
    pub(crate) fn to_f32(&self) -> Result<Vec<f32>, TensorError> {
        Ok(read_f32(self.whole()?.data()))
    }
}

/// Element `index` of an integer tensor up to 32 bits.
fn integer(tensor: &Tensor, index: usize) -> i64 {
    let size = tensor.dtype().size();
    match (tensor.dtype(), &tensor.data()[index * size..(index + 1) * size]) {
        (DType::U8, [b]) => i64::from(*b),
        (_, [b]) => i64::from(*b as i8),
        (_, [a, b]) => i64::from(i16::from_le_bytes([*a, *b])),
        (_, b) => b.first_chunk().map_or(0, |b| i64::from(i32::from_le_bytes(*b))),
    }
}

/// Adds the f32 bytes of the elements `range` less `zero`.
fn differences(base: &Tensor, range: Range<usize>, zero: i64, out: &mut Vec<u8>) {
    fn push<const N: usize>(
        bytes: &[u8],
        zero: i64,
        value: impl Fn([u8; N]) -> i64,
        out: &mut Vec<u8>,
    ) {
        let (values, _) = bytes.as_chunks::<N>();
        out.extend(values.iter().flat_map(|&v| ((value(v) - zero) as f32).to_le_bytes()));
    }
    let size = base.dtype().size();
    let bytes = &base.data()[range.start * size..range.end * size];
    match base.dtype() {
        DType::U8 => push(bytes, zero, |b| i64::from(u8::from_le_bytes(b)), out),
        DType::I8 => push(bytes, zero, |b| i64::from(i8::from_le_bytes(b)), out),
        DType::I16 => push(bytes, zero, |b| i64::from(i16::from_le_bytes(b)), out),
        _ => push(bytes, zero, |b| i64::from(i32::from_le_bytes(b)), out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f32s(values: &[f32]) -> Tensor {
        Tensor::from_f32(vec![values.len()], values).unwrap()
    }

    /// 2 x 3 x 4 elements over the whole range of `dtype`, or zero points.
    fn integers(dtype: DType, shape: &[usize]) -> (Tensor, Vec<i64>) {
        let count: i64 = shape.iter().product::<usize>() as i64;
        let values = (0..count).map(|i| i * 0x0f35_7a91 - 0x2000_0000 - i * i);
        let (mut data, mut kept) = (Vec::new(), Vec::new());
        for value in values {
            let (bytes, value) = match dtype {
                DType::U8 => (vec![value as u8], i64::from(value as u8)),
                DType::I8 => ((value as i8).to_le_bytes().to_vec(), i64::from(value as i8)),
                DType::I16 => ((value as i16).to_le_bytes().to_vec(), i64::from(value as i16)),
                _ => ((value as i32).to_le_bytes().to_vec(), i64::from(value as i32)),
            };
            data.extend(bytes);
            kept.push(value);
        }
        (Tensor::new(dtype, shape.to_vec(), data.into()).unwrap(), kept)
    }

    /// All ranges of `scaled`, bit by bit.
    fn check(scaled: &Scaled, wanted: &[f32], case: &str) {
        for start in 0..wanted.len() {
            for end in start..=wanted.len() {
                let mut out = vec![7, 7, 7];
                scaled.read(start..end, &mut out);
                let bytes: Vec<u8> =
                    wanted[start..end].iter().flat_map(|v| v.to_le_bytes()).collect();
                assert_eq!((&out[..3], &out[3..]), (&[7u8; 3][..], &bytes[..]), "{case} {start}");
            }
        }
    }

    #[test]
    fn ranges_are_what_the_whole_is() {
        let shape = [2, 3, 4];
        // Number of scales and the elements that share one: for the tensor,
        // along axis 0, 1 and 2.
        let layouts = [(1, usize::MAX), (2, 12), (3, 4), (4, 1)];
        let scales = [0.3f32, -1.7, 0.011, 3e-7];
        for dtype in [DType::U8, DType::I8, DType::I16, DType::I32] {
            for ((count, run), zero) in layouts.into_iter().flat_map(|l| [(l, false), (l, true)]) {
                let case = format!("{dtype}, {count} scales, zero point {zero}");
                let (base, values) = integers(dtype, &shape);
                let (zeros, offsets) = integers(dtype, &[count]);
                let (zeros, offset) = match zero {
                    true => (Some(zeros), offsets),
                    false => (None, vec![0; count]),
                };
                let naive = |i: usize| {
                    let k = i / run % count;
                    (values[i] - offset[k]) as f32 * scales[k]
                };
                let wanted: Vec<f32> = (0..values.len()).map(naive).collect();
                let scaled = Scaled::dequantized(base, zeros, f32s(&scales[..count]), run).unwrap();
                check(&scaled, &wanted, &case);

                let rows = [0.7f32, 1e-3];
                let more: Vec<f32> = (0..values.len()).map(|i| wanted[i] * rows[i / 12]).collect();
                let reshaped = scaled.times(f32s(&rows), 12).unwrap().reshaped(vec![24]).unwrap();
                assert_eq!((reshaped.shape(), reshaped.depth()), (&[24][..], 2));
                check(&reshaped, &more, &format!("{case}, then rows"));
            }
        }
        let values: Vec<f32> = (0..24).map(|i| i as f32 / 7.0).collect();
        let base = Tensor::from_f32(shape.to_vec(), &values).unwrap();
        let product = Scaled::product(base, f32s(&scales[..2]), 12).unwrap();
        let wanted: Vec<f32> = (0..24).map(|i| values[i] * scales[i / 12]).collect();
        check(&product, &wanted, "f32");
        assert_eq!(product.whole().unwrap().to_f32().unwrap(), wanted);
    }

    #[test]
    fn types_must_fit() {
        let (u8s, i8s) = (integers(DType::U8, &[4]).0, integers(DType::I8, &[1]).0);
        let scale = || f32s(&[1.0]);
        let none = f32s(&[]);
        assert!(Scaled::dequantized(scale(), None, scale(), 1).is_none());
        assert!(Scaled::dequantized(u8s.clone(), Some(i8s.clone()), scale(), 1).is_none());
        assert!(Scaled::dequantized(u8s.clone(), Some(u8s.clone()), scale(), 1).is_none());
        assert!(Scaled::dequantized(u8s.clone(), None, none, 1).is_none());
        assert!(Scaled::dequantized(u8s.clone(), None, i8s, 1).is_none());
        assert!(Scaled::product(u8s, scale(), 1).is_none());
    }
}
