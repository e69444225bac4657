//! How long a request may stand still before it counts as lost.

use std::time::Duration;

use crate::latest::Latest;

/// Quiet times that are remembered.
const WINDOW: usize = 64;
/// Quiet times from which on it is known what is usual.
const KNOWN_FROM: usize = 8;
/// How many times as long as ever before is too long.
const TOO_LONG: u32 = 4;

/// How long answered requests of one plan stood still at the longest, lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience(Latest<WINDOW>);

impl Patience {
    /// Remembers what a request took at the longest from one sign that it moves
    /// to the next.
    pub(super) fn learn(&mut self, quiet: Duration) {
        self.0.add(quiet);
    }

    /// How long one may stand still: `first`, until enough is known; never less
    /// than `least`.
    pub(super) fn limit(&self, first: Duration, least: Duration) -> Duration {
        match self.0.longest() {
            Some(longest) if self.0.count() >= KNOWN_FROM => (longest * TOO_LONG).max(least),
            // What is known so far may be longer than was thought.
            Some(longest) => (longest * TOO_LONG).max(first),
            None => first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_usual_makes_the_limit() {
        let ms = Duration::from_millis;
        let (first, least) = (ms(2000), ms(500));
        let mut patience = Patience::default();
        assert_eq!(patience.limit(first, least), first);
        patience.learn(ms(900));
        assert_eq!(patience.limit(first, least), ms(3600));
        (1..KNOWN_FROM).for_each(|_| patience.learn(ms(10)));
        assert_eq!(patience.limit(first, least), ms(3600));
        (0..WINDOW).for_each(|_| patience.learn(ms(10)));
        assert_eq!(patience.limit(first, least), least);
        patience.learn(ms(200));
        assert_eq!(patience.limit(first, least), ms(800));
    }
}
