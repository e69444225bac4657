//! The latest of many times.

use std::time::Duration;

/// The latest times of something, `SIZE` of them at most.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latest<const SIZE: usize> {
    ring: Vec<Duration>,
    next: usize,
}

impl<const SIZE: usize> Latest<SIZE> {
    /// Remembers one, in place of the oldest where there is no room.
    pub(crate) fn add(&mut self, time: Duration) {
        if self.ring.len() < SIZE {
            self.ring.push(time);
        } else {
            self.ring[self.next] = time;
        }
        self.next = (self.next + 1) % SIZE;
    }

    /// How many are remembered.
    pub(crate) fn count(&self) -> usize {
        self.ring.len()
    }

    /// The longest, once there is any.
    pub(crate) fn longest(&self) -> Option<Duration> {
        self.ring.iter().copied().max()
    }

    /// The one at this place among them all, the shortest being first.
    pub(crate) fn ranked(&self, place: usize) -> Option<Duration> {
        let mut sorted = self.ring.clone();
        (place < sorted.len()).then(|| *sorted.select_nth_unstable(place).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_give_way() {
        let ms = Duration::from_millis;
        let mut latest = Latest::<3>::default();
        assert_eq!((latest.count(), latest.longest(), latest.ranked(0)), (0, None, None));
        [9, 1, 5].map(ms).into_iter().for_each(|time| latest.add(time));
        assert_eq!((latest.longest(), latest.ranked(1)), (Some(ms(9)), Some(ms(5))));
        [2, 3].map(ms).into_iter().for_each(|time| latest.add(time));
        assert_eq!((latest.count(), latest.longest(), latest.ranked(3)), (3, Some(ms(5)), None));
    }
}
