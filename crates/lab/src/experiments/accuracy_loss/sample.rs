//! What tests find.

use super::findings::Findings;
use crate::accuracy::{Layer, Point, Substitute};

/// A layer of ten shards that has 8 of 10 right, 4 with half of it lost
/// and 2 with all.
pub(super) fn layer() -> Layer {
    let point = |lost, right: [usize; 2], same: [usize; 2]| Point {
        substitute: Substitute::Zero,
        lost,
        share: lost as f64 / 10.0,
        right: right.to_vec(),
        same: same.to_vec(),
    };
    let points = vec![point(5, [3, 5], [6, 7]), point(10, [2, 2], [1, 1])];
    Layer {
        name: "l".to_owned(),
        number: 3,
        shards: 10,
        labelled: 10,
        images: 20,
        right: 8,
        points,
    }
}

/// Such a layer, and one that never loses anything.
pub(super) fn findings() -> Findings {
    Findings {
        key: "m",
        title: "M",
        known: (10, 8),
        undamaged: (10, 8),
        layers_in_all: 2,
        layers: vec![layer(), Layer { points: Vec::new(), ..layer() }],
        everywhere: layer(),
        coded: Vec::new(),
    }
}
