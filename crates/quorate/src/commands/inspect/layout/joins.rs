//! Joins: values that several boxes read together meet first.

use std::collections::BTreeMap;

/// A graph whose vertices are boxes, then joins.
#[derive(Debug)]
pub(crate) struct Joined {
    /// What leads to each vertex.
    pub from: Vec<Vec<usize>>,
}

/// Puts joins into a graph in which box `i` reads what the boxes `reads[i]`
/// make. What a box is reached from stays the same.
pub(crate) fn join(reads: &[Vec<usize>]) -> Joined {
    let mut uses: BTreeMap<&[usize], usize> = BTreeMap::new();
    for set in reads.iter().filter(|set| set.len() > 1) {
        *uses.entry(set.as_slice()).or_default() += 1;
    }
    let mut sets: Vec<&[usize]> = uses.keys().copied().collect();
    sets.sort_by_key(|set| set.len());
    // Each set as smaller ones, the largest first, and single values.
    let parts: Vec<(Vec<usize>, Vec<usize>)> =
        (0..sets.len()).map(|at| divide(sets[at], &sets[..at])).collect();
    for (within, _) in &parts {
        within.iter().for_each(|&part| *uses.entry(sets[part]).or_default() += 1);
    }
    // A set used once needs no join of its own.
    let mut vertex: Vec<Option<usize>> = vec![None; sets.len()];
    let mut joined = Joined { from: vec![Vec::new(); reads.len()] };
    let mut sources: Vec<Vec<usize>> = Vec::new();
    for (at, (within, single)) in parts.iter().enumerate() {
        let joins = within.iter().filter_map(|&part| vertex[part]);
        let from: Vec<usize> = joins.chain(single.iter().copied()).collect();
        if uses[sets[at]] > 1 {
            vertex[at] = Some(joined.from.len());
            joined.from.push(from.clone());
        }
        sources.push(from);
    }
    for (index, set) in reads.iter().enumerate() {
        let at = sets.iter().position(|known| *known == set.as_slice());
        joined.from[index] = match at {
            None => set.clone(),
            Some(at) => vertex[at].map_or_else(|| sources[at].clone(), |join| vec![join]),
        };
    }
    joined
}

/// `set` as some of `smaller` sets, by index, and what is left.
fn divide(set: &[usize], smaller: &[&[usize]]) -> (Vec<usize>, Vec<usize>) {
    let (mut left, mut within) = (set.to_vec(), Vec::new());
    for (index, part) in smaller.iter().enumerate().rev() {
        if part.len() <= left.len() && part.iter().all(|value| left.binary_search(value).is_ok()) {
            left.retain(|value| part.binary_search(value).is_err());
            within.push(index);
        }
    }
    (within, left)
}

impl Joined {
    /// The row of each vertex: one below the lowest that leads to it.
    pub(crate) fn ranks(&self) -> Vec<usize> {
        // Boxes come after all that they read, and a join after its parts; a
        // box may come before the join it reads from.
        let mut ranks: Vec<Option<usize>> = vec![None; self.from.len()];
        for target in 0..self.from.len() {
            let mut open = vec![target];
            while let Some(&vertex) = open.last() {
                let missing = self.from[vertex].iter().filter(|&&from| ranks[from].is_none());
                let before = open.len();
                let missing: Vec<usize> = missing.copied().collect();
                open.extend(missing);
                if open.len() == before {
                    let above = self.from[vertex].iter().filter_map(|&from| ranks[from]);
                    ranks[vertex] = Some(above.max().map_or(0, |rank| rank + 1));
                    open.pop();
                }
            }
        }
        ranks.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// The vertices that each leads to.
    pub(crate) fn readers(&self) -> Vec<Vec<usize>> {
        let mut readers = vec![Vec::new(); self.from.len()];
        for (vertex, from) in self.from.iter().enumerate() {
            from.iter().for_each(|&from| readers[from].push(vertex));
        }
        readers
    }

    /// The boxes whose values reach `vertex` without another box between.
    #[cfg(test)]
    fn reached(&self, vertex: usize, boxes: usize) -> std::collections::BTreeSet<usize> {
        let each = |&from: &usize| match from < boxes {
            true => [from].into(),
            false => self.reached(from, boxes),
        };
        self.from[vertex].iter().flat_map(each).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_stays() {
        let cases: [(&str, Vec<Vec<usize>>, usize); 5] = [
            ("a chain", vec![vec![], vec![0], vec![1]], 0),
            ("one reader", vec![vec![], vec![], vec![0, 1]], 0),
            ("two readers", vec![vec![], vec![], vec![0, 1], vec![0, 1]], 1),
            (
                "a residual stream",
                vec![
                    vec![],
                    vec![0],
                    vec![0, 1],
                    vec![0, 1, 2],
                    vec![0, 1, 2, 3],
                    vec![0, 1, 2, 3, 4],
                ],
                3,
            ),
            (
                "two parts",
                vec![vec![]; 4]
                    .into_iter()
                    .chain([vec![0, 1], vec![2, 3], vec![0, 1, 2, 3]])
                    .collect(),
                2,
            ),
        ];
        for (name, reads, joins) in cases {
            let joined = join(&reads);
            assert_eq!(joined.from.len() - reads.len(), joins, "{name}");
            for (index, set) in reads.iter().enumerate() {
                assert_eq!(
                    joined.reached(index, reads.len()),
                    set.iter().copied().collect(),
                    "{name}"
                );
            }
            let ranks = joined.ranks();
            for (vertex, from) in joined.from.iter().enumerate() {
                assert!(from.iter().all(|&from| ranks[from] < ranks[vertex]), "{name}");
            }
        }
    }
}
