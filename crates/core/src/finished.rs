//! Remembers which requests of a gateway are finished.

use std::collections::BTreeSet;

use crate::frame::Watermark;

/// Most numbers remembered one by one. An honest gateway has no more of them
/// than it finished requests while its oldest one was open.
const ALSO_MAX: usize = 65_536;

/// Finished requests of one run of a gateway, as one device knows them: all
/// below a number, and some beyond it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finished {
    below: u64,
    also: BTreeSet<u64>,
}

impl Finished {
    /// Is request `number` finished?
    pub(crate) fn contains(&self, number: u64) -> bool {
        number < self.below || self.also.contains(&number)
    }

    /// Adds an announcement, which may come late, twice and in any order.
    pub(crate) fn learn(&mut self, mark: &Watermark) {
        self.below = self.below.max(mark.below);
        self.also.extend(&mark.also);
        self.also = self.also.split_off(&self.below);
        while self.also.len() > ALSO_MAX {
            self.also.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::GatewayRun;

    fn mark(below: u64, also: &[u64]) -> Watermark {
        Watermark { run: GatewayRun { gateway: 1, epoch: 1 }, below, also: also.to_vec() }
    }

    #[test]
    fn heals_in_any_order() {
        let marks = [mark(2, &[4]), mark(5, &[7]), mark(1, &[]), mark(5, &[])];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]] {
            let mut finished = Finished::default();
            order.iter().for_each(|&i| finished.learn(&marks[i]));
            let known: Vec<u64> = (0..9).filter(|&n| finished.contains(n)).collect();
            assert_eq!(known, [0, 1, 2, 3, 4, 7]);
            assert_eq!(finished.also.len(), 1);
        }
    }
}
