//! The inner loop: a linear combination of slices in one pass.

/// Values of an accumulator block: 8 KiB of f64, so that it and the blocks of
/// several sources stay in the first-level cache.
pub const BLOCK: usize = 1024;

/// `out[i] = sum over k of coefficient[k] * source[k][i]`, added up in f64 from
/// left to right; a source that is too short counts as zeros.
///
/// Multiplication and addition round separately on every machine (no fused
/// multiply-add), so all devices that decode the same shards get the same
/// bits, and so does any part of a range.
pub fn combine_f32(terms: &[(f64, &[f32])], out: &mut [f32]) {
    let mut sum = [0.0; BLOCK];
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        let sum = &mut sum[..out.len()];
        add_up(terms, block * BLOCK, sum);
        for (out, sum) in out.iter_mut().zip(sum) {
            *out = *sum as f32;
        }
    }
}

fn add_up(terms: &[(f64, &[f32])], start: usize, sum: &mut [f64]) {
    sum.fill(0.0);
    for (coefficient, source) in terms {
        let source = source.get(start..).unwrap_or(&[]);
        for (sum, value) in sum.iter_mut().zip(source) {
            *sum += coefficient * f64::from(*value);
        }
    }
}
