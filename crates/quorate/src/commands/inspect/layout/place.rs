//! The order of a row, and how far apart its spots are.

/// Free space beside a box, and beside a line.
const GAP: f64 = 18.0;
/// Passes over all rows that order them, and that move them.
const PASSES: usize = 16;

/// A box, a join or a track in a row.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    /// The vertex, or whose track it is.
    pub vertex: usize,
    /// Whether it only goes past.
    pub track: bool,
    /// Its width.
    pub width: f64,
    /// Spots of the row above that lead to it.
    pub above: Vec<usize>,
    /// Its middle.
    pub x: f64,
}

/// The spots of a row, from left to right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    /// The spots.
    pub spots: Vec<Spot>,
}

impl Row {
    /// For each of `above` spots of the row above, those it leads to.
    fn below(&self, above: usize) -> Vec<Vec<usize>> {
        let mut below = vec![Vec::new(); above];
        for (index, spot) in self.spots.iter().enumerate() {
            spot.above.iter().for_each(|&from| below[from].push(index));
        }
        below
    }

    /// How often lines from the row above cross.
    fn crossings(&self) -> usize {
        let ends = self.spots.iter().enumerate();
        let mut lines: Vec<(usize, usize)> =
            ends.flat_map(|(to, spot)| spot.above.iter().map(move |&from| (from, to))).collect();
        lines.sort_unstable();
        let (mut seen, mut crossings): (Vec<usize>, usize) = (Vec::new(), 0);
        for (_, to) in lines {
            let at = seen.partition_point(|&other| other <= to);
            crossings += seen.len() - at;
            seen.insert(at, to);
        }
        crossings
    }
}

/// Orders each row by the average place of what it reads and of what reads
/// it, in turn, and keeps the order with the fewest crossings.
pub(crate) fn order(rows: &mut Vec<Row>) {
    let crossings = |rows: &[Row]| rows.iter().map(Row::crossings).sum::<usize>();
    let mut best = (crossings(rows), rows.clone());
    for pass in 0..PASSES {
        for step in 0..rows.len() {
            let rank = if pass % 2 == 0 { step } else { rows.len() - 1 - step };
            let neighbours: Vec<Vec<usize>> = match pass % 2 {
                0 => rows[rank].spots.iter().map(|spot| spot.above.clone()).collect(),
                _ => rows
                    .get(rank + 1)
                    .map_or_else(Vec::new, |row| row.below(rows[rank].spots.len())),
            };
            let key = |index: usize| match neighbours.get(index).map(Vec::as_slice) {
                None | Some([]) => index as f64,
                Some(near) => near.iter().sum::<usize>() as f64 / near.len() as f64,
            };
            let mut places: Vec<usize> = (0..rows[rank].spots.len()).collect();
            places.sort_by(|&a, &b| key(a).total_cmp(&key(b)));
            permute(rows, rank, &places);
        }
        let now = crossings(rows);
        if now < best.0 {
            best = (now, rows.clone());
        }
    }
    *rows = best.1;
}

/// Puts spot `places[i]` of row `rank` at place i.
fn permute(rows: &mut [Row], rank: usize, places: &[usize]) {
    let spots = &rows[rank].spots;
    rows[rank].spots = places.iter().map(|&old| spots[old].clone()).collect();
    let mut new = vec![0; places.len()];
    places.iter().enumerate().for_each(|(at, &old)| new[old] = at);
    if let Some(next) = rows.get_mut(rank + 1) {
        next.spots.iter_mut().flat_map(|spot| &mut spot.above).for_each(|from| *from = new[*from]);
    }
}

/// Moves each row as near to its neighbours as its order and widths allow.
pub(crate) fn spread(rows: &mut [Row]) {
    for row in rows.iter_mut() {
        let mut x = 0.0;
        for spot in &mut row.spots {
            spot.x = x + spot.width / 2.0;
            x += spot.width + GAP;
        }
        row.spots.iter_mut().for_each(|spot| spot.x -= (x - GAP) / 2.0);
    }
    for pass in 0..2 * PASSES {
        for step in 0..rows.len() {
            let down = pass % 2 == 0;
            let rank = if down { step } else { rows.len() - 1 - step };
            let wishes = wishes(rows, rank, down);
            settle(&mut rows[rank].spots, &wishes);
        }
    }
}

/// Where each spot of a row would like to be, and how much. A track keeps to
/// its line more than a box does.
fn wishes(rows: &[Row], rank: usize, down: bool) -> Vec<(f64, f64)> {
    const STRAIGHT: f64 = 6.0;
    let row = &rows[rank];
    let near: Option<(&Row, Vec<Vec<usize>>)> = if down {
        let above = rank.checked_sub(1).map(|above| &rows[above]);
        above.map(|above| (above, row.spots.iter().map(|spot| spot.above.clone()).collect()))
    } else {
        rows.get(rank + 1).map(|next| (next, next.below(row.spots.len())))
    };
    let wish = |(index, spot): (usize, &Spot)| {
        let Some((other, near)) = &near else { return (spot.x, 1.0) };
        let weight = |near: &Spot| if near.track && spot.track { STRAIGHT } else { 1.0 };
        let near = || near[index].iter().map(|&near| &other.spots[near]);
        let total: f64 = near().map(weight).sum();
        if total == 0.0 {
            return (spot.x, 0.1);
        }
        (near().map(|near| near.x * weight(near)).sum::<f64>() / total, total)
    };
    row.spots.iter().enumerate().map(wish).collect()
}

/// Least squares from the wishes with spots in order and apart: isotonic
/// regression by pooling neighbours that are in each other's way.
fn settle(spots: &mut [Spot], wishes: &[(f64, f64)]) {
    // Start of each spot if all were packed to the left.
    let mut packed = Vec::with_capacity(spots.len());
    let mut x = 0.0;
    for spot in spots.iter() {
        packed.push(x + spot.width / 2.0);
        x += spot.width + GAP;
    }
    // Mean, weight and number of spots of each pool.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (&(wish, weight), packed) in wishes.iter().zip(&packed) {
        let mut pool = (wish - packed, weight, 1);
        while let Some(&(mean, weight, count)) = pools.last()
            && mean > pool.0
        {
            let sum = weight + pool.1;
            pool = ((mean * weight + pool.0 * pool.1) / sum, sum, count + pool.2);
            pools.pop();
        }
        pools.push(pool);
    }
    let shifts = pools.iter().flat_map(|&(mean, _, count)| std::iter::repeat_n(mean, count));
    for ((spot, packed), shift) in spots.iter_mut().zip(packed).zip(shifts) {
        spot.x = packed + shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(above: &[usize]) -> Spot {
        Spot { vertex: 0, track: false, width: 10.0, above: above.to_vec(), x: 0.0 }
    }

    #[test]
    fn crossings_go_away() {
        let top = Row { spots: vec![spot(&[]), spot(&[]), spot(&[])] };
        let low = Row { spots: vec![spot(&[2]), spot(&[1]), spot(&[0])] };
        assert_eq!(low.crossings(), 3);
        let mut rows = vec![top, low];
        order(&mut rows);
        assert_eq!(rows[1].crossings(), 0);
    }

    #[test]
    fn spots_stay_apart() {
        let mut spots = vec![spot(&[]), spot(&[]), spot(&[])];
        settle(&mut spots, &[(50.0, 1.0), (0.0, 1.0), (200.0, 1.0)]);
        let x: Vec<f64> = spots.iter().map(|spot| spot.x).collect();
        assert_eq!(x, [11.0, 39.0, 200.0], "two share the middle of their wishes");
    }
}
