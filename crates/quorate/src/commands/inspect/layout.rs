//! Where the boxes of a graph go, and the lines between them.
//!
//! A layered layout (Sugiyama, Tagawa and Toda 1981): a box's row is one below
//! the lowest that it reads. Where several boxes read the same values, or more
//! and the same, those meet in a *join*, a dot from which one line goes on:
//! a concatenation, or the sum that runs through residual blocks. A value read
//! further down takes a *track* through each row between. Places within a row
//! are those of neighbours, on average, so that lines cross little; then each
//! row is moved as near to its neighbours as widths allow.

mod joins;
mod place;

use joins::{Joined, join};
use place::{Row, Spot, order, spread};

/// Free space around the drawing.
const MARGIN: f64 = 20.0;
/// Room below a box for what its value says.
const LABEL: f64 = 28.0;
/// Height in which lines change places: at least, at most.
const TURN: (f64, f64) = (24.0, 90.0);
/// Width kept for a line or a join.
const TRACK: f64 = 8.0;

/// A point, x to the right and y down.
pub(crate) type Point = (f64, f64);

/// A line through some points, straight down at each of them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// Its points, from the top.
    pub points: Vec<Point>,
    /// Whether it ends at a box.
    pub arrow: bool,
}

/// A graph laid out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    /// Width and height.
    pub size: Point,
    /// The middle of the upper edge of each box.
    pub boxes: Vec<Point>,
    /// Where values meet.
    pub joins: Vec<Point>,
    /// The lines.
    pub lines: Vec<Line>,
}

/// Lays out boxes of the sizes `sizes`; box `i` reads what the boxes
/// `reads[i]`, all before it, make.
pub(crate) fn layout(sizes: &[Point], reads: &[Vec<usize>]) -> Layout {
    let joined = join(reads);
    let mut rows = rows(sizes, &joined);
    order(&mut rows);
    spread(&mut rows);
    draw(sizes, &joined, &rows)
}

/// The rows, with tracks for lines that go past them.
fn rows(sizes: &[Point], joined: &Joined) -> Vec<Row> {
    let ranks = joined.ranks();
    let readers = joined.readers();
    let lowest = readers.iter().map(|readers| readers.iter().map(|&r| ranks[r]).max());
    let lowest: Vec<usize> = lowest.map(Option::unwrap_or_default).collect();
    let count = ranks.iter().max().map_or(0, |last| last + 1);
    let mut rows: Vec<Row> = Vec::with_capacity(count);
    // The place of each vertex, or of its track, in the row above.
    let mut at: Vec<usize> = vec![0; ranks.len()];
    for rank in 0..count {
        let here = (0..ranks.len()).filter_map(|vertex| {
            let track = ranks[vertex] < rank && rank < lowest[vertex];
            let above = match track {
                true => vec![at[vertex]],
                false if ranks[vertex] == rank => {
                    joined.from[vertex].iter().map(|&from| at[from]).collect()
                }
                false => return None,
            };
            let width = sizes.get(vertex).filter(|_| !track).map_or(TRACK, |size| size.0);
            Some(Spot { vertex, track, width, above, x: 0.0 })
        });
        let row = Row { spots: here.collect() };
        row.spots.iter().enumerate().for_each(|(index, spot)| at[spot.vertex] = index);
        rows.push(row);
    }
    rows
}

fn draw(sizes: &[Point], joined: &Joined, rows: &[Row]) -> Layout {
    let boxes = sizes.len();
    let readers = joined.readers();
    let edges = || {
        rows.iter().flat_map(|row| &row.spots).map(|s| (s.x - s.width / 2.0, s.x + s.width / 2.0))
    };
    let left = edges().fold(f64::INFINITY, |least, (left, _)| least.min(left));
    let right = edges().fold(f64::NEG_INFINITY, |most, (_, right)| most.max(right));
    let x = |spot: &Spot| spot.x - left + MARGIN;
    let mut out = Layout {
        size: (right - left + 2.0 * MARGIN, 0.0),
        boxes: vec![(0.0, 0.0); boxes],
        joins: vec![(0.0, 0.0); joined.from.len() - boxes],
        lines: Vec::new(),
    };
    // Where the row above ends, and what is said below its boxes.
    let (mut top, mut turn_from) = (MARGIN, MARGIN);
    for (rank, row) in rows.iter().enumerate() {
        if rank > 0 {
            top = turn_from + turn(&rows[rank - 1], row);
        }
        let is_box = |spot: &&Spot| !spot.track && spot.vertex < boxes;
        let height = |spot: &Spot| if is_box(&spot) { sizes[spot.vertex].1 } else { TRACK };
        let bottom = top + row.spots.iter().map(height).fold(0.0, f64::max);
        let said = row.spots.iter().filter(is_box).any(|s| !readers[s.vertex].is_empty());
        for spot in &row.spots {
            // Joins are in the middle of their row, tracks go all the way.
            let middle = (top + bottom) / 2.0;
            let entry = if is_box(&spot) || spot.track { top } else { middle };
            for (above, shift) in
                entries(spot, rank.checked_sub(1).map(|r| &rows[r]), is_box(&spot))
            {
                let to = x(spot) + shift;
                let points = vec![(x(above), turn_from), (to, top), (to, entry)];
                out.lines.push(Line { points, arrow: is_box(&spot) });
            }
            match spot.vertex.checked_sub(boxes) {
                _ if spot.track => {}
                None => out.boxes[spot.vertex] = (x(spot), top),
                Some(join) => out.joins[join] = (x(spot), middle),
            }
            let exit = if is_box(&spot) { top + height(spot) } else { entry };
            let below = bottom + if said { LABEL } else { 0.0 };
            if !readers[spot.vertex].is_empty() && exit < below {
                let points = vec![(x(spot), exit), (x(spot), below)];
                out.lines.push(Line { points, arrow: false });
            }
        }
        turn_from = bottom + if said { LABEL } else { 0.0 };
        out.size.1 = bottom + MARGIN;
    }
    out
}

/// Height that the lines between two rows take: the farther they go
/// sideways, the more.
fn turn(above: &Row, row: &Row) -> f64 {
    let ways = row
        .spots
        .iter()
        .flat_map(|spot| spot.above.iter().map(|&from| (above.spots[from].x - spot.x).abs()));
    (ways.fold(0.0, f64::max) / 5.0).clamp(TURN.0, TURN.1)
}

/// What a spot reads, from left to right, and how far from its middle each
/// line comes in: side by side at a box.
fn entries<'a>(spot: &Spot, above: Option<&'a Row>, side_by_side: bool) -> Vec<(&'a Spot, f64)> {
    let Some(above) = above else { return Vec::new() };
    let mut from: Vec<&Spot> = spot.above.iter().map(|&index| &above.spots[index]).collect();
    from.sort_by(|a, b| a.x.total_cmp(&b.x));
    let last = from.len().saturating_sub(1) as f64;
    let step = if side_by_side { (spot.width - 30.0).max(0.0) / last.max(1.0) } else { 0.0 };
    let shift = |i: usize| (i as f64 - last / 2.0) * step.min(16.0);
    from.into_iter().enumerate().map(|(i, above)| (above, shift(i))).collect()
}
