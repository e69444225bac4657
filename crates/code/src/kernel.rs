//! The inner loop: linear combinations of slices in one pass over memory.
//!
//! ```text
//! out[i] = sum over the terms (source, c) of c * source[i]
//! ```
//!
//! Sources that are too short count as zeros. A combination's terms are added
//! from left to right, and multiplication and addition round separately on
//! every machine (no fused multiply-add), so all devices that decode the same
//! shards get the same bits, and so does any part of a range.

use alloc::vec::Vec;

/// Values that are combined at a time. The block is small enough for the
/// first-level cache, so that further outputs find the sources there.
const BLOCK: usize = 1024;
/// Sums that are kept in registers.
const LANES: usize = 16;

/// What is combined, and in which numbers.
pub(crate) trait Arithmetic {
    /// Values of the sources.
    type Source: Copy;
    /// Coefficients.
    type Factor: Copy;
    /// Sums.
    type Sum: Copy + Default;
    /// Values of the outputs.
    type Out: Copy;
    /// `sum + factor * source`.
    fn add(sum: Self::Sum, factor: Self::Factor, source: Self::Source) -> Self::Sum;
    /// The output that a sum becomes.
    fn out(sum: Self::Sum) -> Self::Out;
}

/// Single precision, added up in double precision.
pub(crate) struct Single;

impl Arithmetic for Single {
    type Source = f32;
    type Factor = f64;
    type Sum = f64;
    type Out = f32;

    #[inline(always)]
    fn add(sum: f64, factor: f64, source: f32) -> f64 {
        sum + factor * f64::from(source)
    }

    #[inline(always)]
    fn out(sum: f64) -> f32 {
        sum as f32
    }
}

/// Single precision in, double precision out.
pub(crate) struct Residual;

impl Arithmetic for Residual {
    type Source = f32;
    type Factor = f64;
    type Sum = f64;
    type Out = f64;

    #[inline(always)]
    fn add(sum: f64, factor: f64, source: f32) -> f64 {
        sum + factor * f64::from(source)
    }

    #[inline(always)]
    fn out(sum: f64) -> f64 {
        sum
    }
}

/// Weights of 8 bits, combined in 16.
pub(crate) struct Weights;

impl Arithmetic for Weights {
    type Source = i8;
    type Factor = i16;
    type Sum = i16;
    type Out = i16;

    #[inline(always)]
    fn add(sum: i16, factor: i16, source: i8) -> i16 {
        sum.wrapping_add(factor.wrapping_mul(i16::from(source)))
    }

    #[inline(always)]
    fn out(sum: i16) -> i16 {
        sum
    }
}

/// Accumulators modulo 2^32.
pub(crate) struct Wrapping32;

impl Arithmetic for Wrapping32 {
    type Source = i32;
    type Factor = i32;
    type Sum = i32;
    type Out = i32;

    #[inline(always)]
    fn add(sum: i32, factor: i32, source: i32) -> i32 {
        sum.wrapping_add(factor.wrapping_mul(source))
    }

    #[inline(always)]
    fn out(sum: i32) -> i32 {
        sum
    }
}

/// One output's terms: the index of a source, and its coefficient.
pub(crate) type Row<'a, A> = &'a [(usize, <A as Arithmetic>::Factor)];

/// Writes the combination `rows[o]` of `sources` to `outs[o]`, all of it.
pub(crate) fn combine<A: Arithmetic>(
    rows: &[Row<'_, A>],
    sources: &[&[A::Source]],
    outs: &mut [&mut [A::Out]],
) {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor was just found to have what the function
        // needs. The build's baseline is without AVX2, and half as fast.
        unsafe { combine_avx2::<A>(rows, sources, outs) };
        return;
    }
    combine_any::<A>(rows, sources, outs);
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[target_feature(enable = "avx2")]
fn combine_avx2<A: Arithmetic>(
    rows: &[Row<'_, A>],
    sources: &[&[A::Source]],
    outs: &mut [&mut [A::Out]],
) {
    combine_any::<A>(rows, sources, outs);
}

#[inline(always)]
fn combine_any<A: Arithmetic>(
    rows: &[Row<'_, A>],
    sources: &[&[A::Source]],
    outs: &mut [&mut [A::Out]],
) {
    let end = outs.iter().map(|out| out.len()).max().unwrap_or(0);
    let mut active = Vec::with_capacity(rows.iter().map(|row| row.len()).max().unwrap_or(0));
    let mut start = 0;
    while start < end {
        // Within a block every source and every output is there or is not.
        let lens = sources.iter().map(|s| s.len()).chain(outs.iter().map(|o| o.len()));
        let cut = lens.filter(|&len| len > start).min().unwrap_or(end);
        let stop = cut.min(start + BLOCK);
        for (row, out) in rows.iter().zip(outs.iter_mut()) {
            let Some(out) = out.get_mut(start..stop) else { continue };
            active.clear();
            for &(source, factor) in *row {
                if let Some(values) = sources[source].get(start..stop) {
                    active.push((factor, values));
                }
            }
            span::<A>(&active, out);
        }
        start = stop;
    }
}

/// Combines sources that are all as long as `out`.
#[inline(always)]
fn span<A: Arithmetic>(terms: &[(A::Factor, &[A::Source])], out: &mut [A::Out]) {
    let whole = out.len() / LANES * LANES;
    let (groups, rest) = out.as_chunks_mut::<LANES>();
    for (group, out) in groups.iter_mut().enumerate() {
        let mut sums = [A::Sum::default(); LANES];
        for &(factor, values) in terms {
            let values = &values[group * LANES..][..LANES];
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = A::add(*sum, factor, *value);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = A::out(sum);
        }
    }
    for (i, out) in rest.iter_mut().enumerate() {
        let sum = terms
            .iter()
            .fold(A::Sum::default(), |sum, (c, values)| A::add(sum, *c, values[whole + i]));
        *out = A::out(sum);
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    fn naive<A: Arithmetic>(row: Row<'_, A>, sources: &[&[A::Source]], len: usize) -> Vec<A::Out> {
        let value = |i: usize| {
            let there = row.iter().filter(|(s, _)| i < sources[*s].len());
            A::out(there.fold(A::Sum::default(), |sum, &(s, c)| A::add(sum, c, sources[s][i])))
        };
        (0..len).map(value).collect()
    }

    /// Lengths around lanes and blocks, and sources that end early.
    const LENS: [[usize; 4]; 6] = [
        [0, 0, 0, 0],
        [1, 1, 0, 1],
        [15, 16, 17, 33],
        [1024, 1023, 1025, 7],
        [2100, 2100, 5, 1040],
        [3, 3, 3, 3],
    ];

    #[test]
    fn singles_equal_the_naive_loop_to_the_bit() {
        for lens in LENS {
            let data: Vec<Vec<f32>> = lens
                .iter()
                .map(|&len| (0..len).map(|i| (i as f32 * 0.37 - 11.0) / 3.0).collect())
                .collect();
            let sources: Vec<&[f32]> = data.iter().map(Vec::as_slice).collect();
            let rows: [Row<'_, Single>; 2] =
                [&[(0, 1.5), (1, -0.1), (3, 7.0)], &[(2, 1.0), (0, -1.0)]];
            let (mut a, mut b) = (vec![9.0; lens[0]], vec![9.0; lens[1] / 2]);
            combine::<Single>(&rows, &sources, &mut [&mut a, &mut b]);
            assert_eq!(a, naive::<Single>(rows[0], &sources, a.len()));
            assert_eq!(b, naive::<Single>(rows[1], &sources, b.len()));
            let mut c = vec![9.0; lens[0]];
            combine_any::<Single>(&rows[..1], &sources, &mut [&mut c]);
            assert_eq!(a, c, "every processor gets the same bits");
        }
    }

    #[test]
    fn integers_equal_the_naive_loop() {
        for lens in LENS {
            let data: Vec<Vec<i32>> = lens
                .iter()
                .map(|&len| (0..len as i32).map(|i| i.wrapping_mul(0x3779_b97f)).collect())
                .collect();
            let sources: Vec<&[i32]> = data.iter().map(Vec::as_slice).collect();
            let row: Row<'_, Wrapping32> = &[(0, -3), (1, 1), (2, i32::MAX), (3, 7)];
            let mut out = vec![9; lens[3] + 3];
            combine::<Wrapping32>(&[row], &sources, &mut [&mut out]);
            assert_eq!(out, naive::<Wrapping32>(row, &sources, out.len()));
        }
    }

    #[test]
    fn weights_equal_the_naive_loop() {
        let data: Vec<i8> = (0..1500).map(|i| (i * 37 % 256) as u8 as i8).collect();
        let row: Row<'_, Weights> = &[(0, -3), (1, 1)];
        let sources = [&data[..], &data[..700]];
        let mut out = vec![9; 1500];
        combine::<Weights>(&[row], &sources, &mut [&mut out]);
        assert_eq!(out, naive::<Weights>(row, &sources, 1500));
    }
}
