//! What is to happen, by its time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use quorate_core::cluster::Nanos;

/// What is to happen, by its time; of one time in the order in which it was
/// entered. What is sorted are small entries, which say where the rest is.
#[derive(Debug)]
pub(super) struct Agenda<T> {
    heap: BinaryHeap<Reverse<(Nanos, u64, u32)>>,
    slots: Vec<Option<T>>,
    free: Vec<u32>,
    sequence: u64,
}

impl<T> Agenda<T> {
    pub(super) fn new() -> Agenda<T> {
        Agenda { heap: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), sequence: 0 }
    }

    /// Enters something.
    pub(super) fn push(&mut self, at: Nanos, what: T) {
        self.sequence += 1;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(what);
                slot
            }
            None => {
                self.slots.push(Some(what));
                (self.slots.len() - 1) as u32
            }
        };
        self.heap.push(Reverse((at, self.sequence, slot)));
    }

    /// When the next thing happens.
    pub(super) fn next_at(&self) -> Option<Nanos> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes out the next thing: when it happens, as which it was entered, and
    /// what it is.
    pub(super) fn pop(&mut self) -> Option<(Nanos, u64, T)> {
        let Reverse((at, sequence, slot)) = self.heap.pop()?;
        self.free.push(slot);
        let what = self.slots[slot as usize].take()?;
        Some((at, sequence, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_time_and_then_as_entered() {
        let mut agenda = Agenda::new();
        for (at, what) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd')] {
            agenda.push(at, what);
        }
        assert_eq!(agenda.next_at(), Some(3));
        assert_eq!(agenda.pop(), Some((3, 2, 'b')));
        // What becomes free is used again.
        agenda.push(4, 'e');
        agenda.push(3, 'f');
        let rest: Vec<_> = std::iter::from_fn(|| agenda.pop()).collect();
        assert_eq!(rest, [(3, 4, 'd'), (3, 6, 'f'), (4, 5, 'e'), (5, 1, 'a'), (5, 3, 'c')]);
        assert_eq!((agenda.next_at(), agenda.slots.len()), (None, 5));
    }
}
