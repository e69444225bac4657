//! Boxes of tensors: a range of each dimension.

use std::ops::Range;

use crate::tensor::{Tensor, TensorError};

/// A box: a range of each dimension.
pub type Region = Vec<Range<usize>>;

/// All of a tensor of this shape.
pub fn whole(shape: &[usize]) -> Region {
    shape.iter().map(|&length| 0..length).collect()
}

/// Length of each dimension.
pub fn shape(region: &[Range<usize>]) -> Vec<usize> {
    region.iter().map(ExactSizeIterator::len).collect()
}

/// What is in both; `None` where nothing is.
pub fn intersection(a: &Region, b: &Region) -> Option<Region> {
    let both = |(a, b): (&Range<usize>, &Range<usize>)| {
        let range = a.start.max(b.start)..a.end.min(b.end);
        (range.start < range.end).then_some(range)
    };
    a.iter().zip(b).map(both).collect()
}

/// The smallest box that holds both.
pub fn hull(a: &Region, b: &Region) -> Region {
    a.iter().zip(b).map(|(a, b)| a.start.min(b.start)..a.end.max(b.end)).collect()
}

/// `n` ranges that cover `0..length`: contiguous, lengths at most 1 apart, the
/// longer ones first. `None` unless 1 <= n <= length.
pub(crate) fn even(length: usize, n: usize) -> Option<Vec<Range<usize>>> {
    if n == 0 || n > length {
        return None;
    }
    let (each, longer) = (length / n, length % n);
    let start = |i: usize| i * each + i.min(longer);
    Some((0..n).map(|i| start(i)..start(i + 1)).collect())
}

/// Ranges of these lengths, one behind the other.
pub(crate) fn consecutive(lengths: &[usize]) -> Vec<Range<usize>> {
    let mut start = 0;
    let range = |&length: &usize| {
        start += length;
        start - length..start
    };
    lengths.iter().map(range).collect()
}

/// Copies the elements of `wanted`, of `size` bytes each, between dense
/// tensors: from one that lies at `from` to one that lies at `to`, both of
/// which hold it.
pub fn copy(
    source: &[u8],
    from: &Region,
    wanted: &Region,
    to: &Region,
    size: usize,
    out: &mut [u8],
) {
    if wanted.is_empty() {
        out.copy_from_slice(source);
        return;
    }
    // Dimensions that are whole on both sides are copied in one go with the
    // last one that is not.
    let divided = |d: &usize| wanted[*d] != from[*d] || wanted[*d] != to[*d];
    let last = (0..wanted.len()).rev().find(divided).unwrap_or(0);
    let inner: usize =
        wanted[last + 1..].iter().map(ExactSizeIterator::len).product::<usize>() * size;
    let run = wanted[last].len() * inner;
    let mut index: Vec<usize> = wanted[..last].iter().map(|range| range.start).collect();
    let place = |within: &Region, index: &[usize]| {
        let outer = index.iter().zip(within).fold(0, |at, (i, r)| at * r.len() + (i - r.start));
        (outer * within[last].len() + wanted[last].start - within[last].start) * inner
    };
    for _ in 0..wanted[..last].iter().map(ExactSizeIterator::len).product() {
        let (source_at, out_at) = (place(from, &index), place(to, &index));
        out[out_at..out_at + run].copy_from_slice(&source[source_at..source_at + run]);
        for d in (0..last).rev() {
            index[d] += 1;
            if index[d] < wanted[d].end {
                break;
            }
            index[d] = wanted[d].start;
        }
    }
}

/// The part `wanted` of a tensor that lies at `from`.
pub fn crop(tensor: &Tensor, from: &Region, wanted: &Region) -> Result<Tensor, TensorError> {
    if from == wanted {
        return Ok(tensor.clone());
    }
    let (shape, size) = (shape(wanted), tensor.dtype().size());
    let mut data = vec![0; shape.iter().product::<usize>() * size];
    copy(tensor.data(), from, wanted, wanted, size, &mut data);
    Tensor::new(tensor.dtype(), shape, data.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cropped_as_element_by_element() {
        let (from, size) = (vec![1..4, 0..5, 2..6], 3 * 5 * 4);
        let values: Vec<f32> = (0..size).map(|v| v as f32).collect();
        let tensor = Tensor::from_f32(shape(&from), &values).expect("fits");
        let cases = [
            vec![1..4, 0..5, 2..6],
            vec![2..3, 0..5, 2..6],
            vec![1..4, 1..3, 2..6],
            vec![1..4, 0..5, 3..5],
            vec![2..4, 4..5, 5..6],
        ];
        for wanted in cases {
            let mut right = Vec::new();
            for a in wanted[0].clone() {
                for b in wanted[1].clone() {
                    right.extend(wanted[2].clone().map(|c| ((a - 1) * 20 + b * 4 + c - 2) as f32));
                }
            }
            let got = crop(&tensor, &from, &wanted).expect("within");
            assert_eq!(got.to_f32().expect("f32"), right, "{wanted:?}");
        }
        assert_eq!(intersection(&vec![0..3, 2..4], &vec![2..5, 0..3]), Some(vec![2..3, 2..3]));
        assert_eq!(intersection(&vec![0..3, 2..4], &vec![3..5, 0..3]), None);
        assert_eq!(hull(&vec![0..3, 2..4], &vec![2..5, 0..3]), vec![0..5, 0..4]);
    }

    #[test]
    fn even_ranges() {
        let cases = [
            (10, 4, Some(vec![0..3, 3..6, 6..8, 8..10])),
            (4, 4, Some(vec![0..1, 1..2, 2..3, 3..4])),
            (3, 4, None),
            (3, 0, None),
            (7, 1, Some(std::iter::once(0..7).collect())),
            (6, 2, Some(vec![0..3, 3..6])),
        ];
        for (rows, n, expected) in cases {
            assert_eq!(even(rows, n), expected, "{rows} rows in {n}");
        }
    }
}
