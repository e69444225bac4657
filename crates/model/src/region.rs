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

/// Do `boxes` together hold all of `of`?
pub fn covers<'a>(boxes: impl IntoIterator<Item = &'a Region>, of: &Region) -> bool {
    let parts: Vec<Region> = boxes.into_iter().filter_map(|tile| intersection(tile, of)).collect();
    // Between two neighbouring borders of boxes nothing changes.
    let borders = |d: usize| {
        let ends = parts.iter().flat_map(|part| [part[d].start, part[d].end]);
        let mut all: Vec<usize> = ends.chain([of[d].start, of[d].end]).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let borders: Vec<Vec<usize>> = (0..of.len()).map(borders).collect();
    let cells = borders.iter().map(|all| all.len() - 1).product::<usize>();
    (0..cells).all(|mut cell| {
        let corner: Vec<usize> = borders
            .iter()
            .map(|all| {
                let at = all[cell % (all.len() - 1)];
                cell /= all.len() - 1;
                at
            })
            .collect();
        parts.iter().any(|part| part.iter().zip(&corner).all(|(range, at)| range.contains(at)))
    })
}

/// What of `a` is not in `b`, in boxes that do not overlap.
pub fn difference(a: &Region, b: &Region) -> Vec<Region> {
    let Some(common) = intersection(a, b) else { return vec![a.clone()] };
    let (mut rest, mut inner) = (Vec::new(), a.clone());
    for d in 0..a.len() {
        for range in [inner[d].start..common[d].start, common[d].end..inner[d].end] {
            if !range.is_empty() {
                let mut part = inner.clone();
                part[d] = range;
                rest.push(part);
            }
        }
        inner[d] = common[d].clone();
    }
    rest
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

/// Boxes of a tensor that lies at `from`: of one a tensor of its shape, of several all
/// elements one after the other.
pub fn cut(tensor: &Tensor, from: &Region, pieces: &[Region]) -> Result<Tensor, TensorError> {
    if let [piece] = pieces {
        return crop(tensor, from, piece);
    }
    let size = tensor.dtype().size();
    let counts = pieces.iter().map(|piece| shape(piece).iter().product::<usize>());
    let mut data = vec![0; counts.clone().sum::<usize>() * size];
    let mut rest = data.as_mut_slice();
    for (piece, count) in pieces.iter().zip(counts) {
        let (out, behind) = std::mem::take(&mut rest).split_at_mut(count * size);
        copy(tensor.data(), from, piece, piece, size, out);
        rest = behind;
    }
    let elements = data.len() / size;
    Tensor::new(tensor.dtype(), vec![elements], data.into())
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

    /// Held against counting elements, for all pairs of boxes of a small area.
    #[test]
    fn covered_and_left_as_element_by_element() {
        let ranges: Vec<Range<usize>> =
            (0..4).flat_map(|a| (a + 1..=4).map(move |b| a..b)).collect();
        let boxes: Vec<Region> =
            ranges.iter().flat_map(|a| ranges.iter().map(|b| vec![a.clone(), b.clone()])).collect();
        let holds =
            |tile: &Region, at: [usize; 2]| tile[0].contains(&at[0]) && tile[1].contains(&at[1]);
        let places = || (0..4).flat_map(|x| (0..4).map(move |y| [x, y]));
        for a in &boxes {
            for b in &boxes {
                let rest = difference(a, b);
                for at in places() {
                    let left = rest.iter().filter(|part| holds(part, at)).count();
                    assert_eq!(left, usize::from(holds(a, at) && !holds(b, at)), "{a:?} {b:?}");
                }
                let two = [a.clone(), b.clone()];
                for of in [vec![0..4, 0..4], vec![1..3, 0..2], vec![2..3, 2..3]] {
                    let all = places().filter(|at| holds(&of, *at));
                    let covered = all.clone().all(|at| two.iter().any(|tile| holds(tile, at)));
                    assert_eq!(covers(&two, &of), covered, "{a:?} {b:?} {of:?}");
                }
            }
        }
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
