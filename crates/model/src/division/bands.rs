//! By area, over several layers: the method *bands*. Each device has all weights
//! of a stage and makes a box of every channel's area of the stage's value; of
//! what it reads it needs the receptive field of that box.
//!
//! ```text
//! rows   |---- 0 ----|
//!              |---- 1 ----|         boxes may overlap, and the value is there
//!                    |---- 2 ----|   as soon as all of it is covered
//! ```
//!
//! Boxes that overlap are what a loss is borne with: nothing is linear behind the
//! first layer of a stage, so no combination of boxes is worth anything.

use std::ops::Range;
use std::sync::Arc;

use super::facts::{Facts, Family, ListWord};
use super::{
    Codable, Division, InputBox, Lengths, Merge, Misfit, Slice, extent_of, region_of, share,
};
use crate::layer::Layer;
use crate::region::{Region, shape, whole};
use crate::value::Value;

const WORD: &str = "boxes";
/// Dimensions before the area: batch and channels.
const BEFORE: usize = 2;

/// A box of the area for each shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Bands {
    boxes: Vec<Region>,
}

/// Several layers: each device makes a part of every channel's area.
pub(super) const BANDS: Facts = Facts {
    name: "bands",
    family: Family::Area,
    divides_input: true,
    divides_weight: false,
    divides_output: true,
    codable: Codable::No,
    overlaps: true,
    why: "what lies between its layers is not linear, so boxes overlap instead",
    list: Some(ListWord { key: WORD, meaning: "first and end of each dimension of each box" }),
    f32_only: false,
    commutes_with_pooling: false,
    shards_max: |layer| layer.output_shape.get(BEFORE).copied().unwrap_or(1),
    even: |layer, shards, _| Arc::new(Bands::even(&layer.output_shape[BEFORE..], shards)),
    parse: |value, lengths, _| Some(parse(value, lengths?).map(|bands| Arc::new(bands) as _)),
};

impl Bands {
    /// Boxes of an area, of as many dimensions each.
    pub fn new(boxes: Vec<Region>) -> Bands {
        Bands { boxes }
    }

    /// At most `n` bands of an area, as long as each other.
    pub fn even(area: &[usize], n: usize) -> Bands {
        Bands::new(spread(area, n, 0).into_iter().map(|(_, band)| band).collect())
    }
}

/// Bands of an area for `n` devices, as long as each other, with those of so `many`
/// behind each, round and round.
pub fn spread(area: &[usize], n: usize, many: usize) -> Vec<(usize, Region)> {
    let end = |i: usize| (area[across(area)] * i).div_ceil(n);
    let lengths: Vec<usize> = (0..n).map(|i| end(i + 1) - end(i)).collect();
    overlapping(area, &lengths, many)
}

/// The dimension of an area that bands lie along: the longest, of equals the first.
fn across(area: &[usize]) -> usize {
    (0..area.len()).rev().max_by_key(|&d| area[d]).unwrap_or(0)
}

/// Bands of an area for devices one after the other, each with a band of its own, of
/// these lengths, and the bands of so `many` behind it, round and round; with each
/// box the number of its device, which has two where it goes round.
fn overlapping(area: &[usize], lengths: &[usize], many: usize) -> Vec<(usize, Region)> {
    let (d, bands) = (across(area), crate::region::consecutive(lengths));
    let boxed = |rows: Range<usize>| {
        let mut region = whole(area);
        region[d] = rows;
        region
    };
    let mut boxes = Vec::new();
    for (device, band) in bands.iter().enumerate() {
        let with =
            (device..=device + many.min(bands.len() - 1)).map(|at| lengths[at % lengths.len()]);
        let end = band.start + with.sum::<usize>();
        let ranges = match end.checked_sub(area[d]) {
            None => [band.start..end, 0..0],
            Some(beyond) if beyond >= band.start => [0..area[d], 0..0],
            Some(beyond) => [band.start..area[d], 0..beyond],
        };
        let real = ranges.into_iter().filter(|range| !range.is_empty());
        boxes.extend(real.map(|rows| (device, boxed(rows))));
    }
    boxes
}

/// Each box as a list: first and end of each dimension.
fn parse(value: &Value, lengths: &Lengths) -> Result<Bands, String> {
    let Lengths::Lists(lists) = lengths else {
        return Err(format!("{WORD} are a list for each box"));
    };
    let area = value.shape.get(BEFORE..).unwrap_or(&[]);
    if area.is_empty() {
        let Value { name, shape, .. } = value;
        return Err(format!("{WORD} of {name}, which has no area behind its channels: {shape:?}"));
    }
    if lists.is_empty() || lists.len() > quorate_code::SHARDS_MAX {
        let most = quorate_code::SHARDS_MAX;
        return Err(format!("{} {WORD}, needs 1 to {most}", lists.len()));
    }
    let read = |list: &Vec<usize>| {
        let fits = list.len() == 2 * area.len()
            && list
                .chunks(2)
                .zip(area)
                .all(|(range, &length)| range[0] < range[1] && range[1] <= length);
        let region = || list.chunks(2).map(|range| range[0]..range[1]).collect::<Region>();
        fits.then(region).ok_or_else(|| {
            format!(
                "box {list:?} must be a first and an end for each of {area:?}, the area of {}",
                value.name
            )
        })
    };
    let boxes: Vec<Region> = lists.iter().map(read).collect::<Result<_, _>>()?;
    match crate::region::covers(&boxes, &whole(area)) {
        true => Ok(Bands::new(boxes)),
        false => Err(format!("{WORD} leave some of {area:?} out, the area of {}", value.name)),
    }
}

impl Division for Bands {
    fn shards(&self) -> usize {
        self.boxes.len()
    }

    fn merge(&self) -> Merge {
        Merge::Lay
    }

    fn codable(&self) -> Codable {
        BANDS.codable
    }

    fn commutes_with_pooling(&self) -> bool {
        BANDS.commutes_with_pooling
    }

    fn noun(&self) -> &'static str {
        "band"
    }

    fn ranges(&self, shard: usize) -> Region {
        self.boxes[shard].clone()
    }

    fn region(&self, shape: &[usize], _: usize, shard: usize) -> Region {
        region_of(shape, &self.boxes[shard])
    }

    /// The first and the last element of a box's area.
    fn place(&self, shape: &[usize], _: usize, shard: Option<usize>) -> Range<usize> {
        extent_of(shape, &self.boxes[shard.unwrap_or(0)])
    }

    fn area(&self, shard: usize) -> Option<&Region> {
        self.boxes.get(shard)
    }

    /// Whether all nodes of the stage can be computed in parts is looked at elsewhere.
    fn fits(&self, _: &Layer, _: usize) -> Result<(), Misfit> {
        Ok(())
    }

    fn weights(&self, layer: &Layer, _: usize) -> Slice {
        Slice::Rows(0..layer.rows)
    }

    fn bias(&self, layer: &Layer, _: usize) -> Option<Range<usize>> {
        Some(0..layer.rows)
    }

    /// All: what of it is read depends on the nodes behind the layer as well.
    fn input(&self, layer: &Layer, _: usize) -> Option<InputBox> {
        Some(InputBox { region: whole(&layer.input_shape), pads: None })
    }

    /// The share that a box is of its area, of a layer alone.
    fn flops(&self, layer: &Layer, shard: usize) -> u64 {
        let made: usize = shape(&self.boxes[shard]).iter().product();
        let area: usize = layer.output_shape.iter().skip(BEFORE).product();
        share(layer.flops, made.min(area), area)
    }

    fn lengths(&self) -> Option<(&'static str, Lengths)> {
        let list = |tile: &Region| tile.iter().flat_map(|r| [r.start, r.end]).collect();
        Some((WORD, Lengths::Lists(self.boxes.iter().map(list).collect())))
    }

    fn explain(&self, name: &str, _: Option<&Layer>, shard: usize) -> String {
        format!("{} of {name}", super::words(self, shard))
    }

    fn identity(&self) -> String {
        format!("Bands({:?})", self.boxes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    #[test]
    fn boxes_are_read_and_written() {
        let value = |shape: &[usize]| Value {
            name: "y".to_owned(),
            dtype: DType::F32,
            shape: shape.to_vec(),
            axis: 0,
        };
        let area = value(&[1, 3, 8, 4]);
        let lists = |lists: &[&[usize]]| Lengths::Lists(lists.iter().map(|l| l.to_vec()).collect());
        let good = lists(&[&[0, 5, 0, 4], &[3, 8, 0, 4]]);
        let bands = parse(&area, &good).unwrap();
        assert_eq!(bands.lengths(), Some((WORD, good)));
        assert_eq!(bands.region(&area.shape, 0, 1), [0..1, 0..3, 3..8, 0..4]);
        assert_eq!(bands.place(&area.shape, 0, Some(1)), 12..32);
        let cases = [
            (lists(&[]), "0 boxes, needs 1 to 64"),
            (
                lists(&[&[0, 8]]),
                "box [0, 8] must be a first and an end for each of [8, 4], the area of y",
            ),
            (
                lists(&[&[0, 9, 0, 4]]),
                "box [0, 9, 0, 4] must be a first and an end for each of [8, 4], the area of y",
            ),
            (
                lists(&[&[5, 5, 0, 4]]),
                "box [5, 5, 0, 4] must be a first and an end for each of [8, 4], the area of y",
            ),
            (
                lists(&[&[0, 5, 0, 4], &[6, 8, 0, 4]]),
                "boxes leave some of [8, 4] out, the area of y",
            ),
            (Lengths::List(vec![8]), "boxes are a list for each box"),
        ];
        for (lengths, message) in cases {
            assert_eq!(parse(&area, &lengths).unwrap_err(), message);
        }
        let flat = parse(&value(&[1, 10]), &lists(&[&[0, 1]])).unwrap_err();
        assert_eq!(flat, "boxes of y, which has no area behind its channels: [1, 10]");
    }

    #[test]
    fn even_bands() {
        let rows = |area: &[usize], n| -> Vec<Range<usize>> {
            Bands::even(area, n).boxes.iter().map(|tile| tile[0].clone()).collect()
        };
        assert_eq!(rows(&[9, 7], 3), [0..3, 3..6, 6..9]);
        assert_eq!(rows(&[10, 7], 3), [0..4, 4..7, 7..10]);
        assert_eq!(rows(&[2, 1], 3), [0..1, 1..2]);
        let overlapping = |lengths: &[usize], many| -> Vec<(usize, Range<usize>)> {
            let boxes = overlapping(&[2, 9], lengths, many).into_iter();
            boxes.map(|(device, region)| (device, region[1].clone())).collect()
        };
        assert_eq!(overlapping(&[4, 2, 3], 0), [(0, 0..4), (1, 4..6), (2, 6..9)]);
        assert_eq!(overlapping(&[4, 2, 3], 1), [(0, 0..6), (1, 4..9), (2, 6..9), (2, 0..4)]);
        for many in 2..4 {
            assert_eq!(overlapping(&[4, 2, 3], many), [(0, 0..9), (1, 0..9), (2, 0..9)]);
        }
        // A device without rows of its own has those of others.
        assert_eq!(overlapping(&[5, 0, 4], 1), [(0, 0..5), (1, 5..9), (2, 0..9)]);
    }
}
