//! How many requests that stand still may be tried again.
//!
//! A further attempt is more work for devices that may be late because they have
//! too much of it. So attempts are paid for out of a budget that requests fill (as
//! Finagle's retry budgets): one for five of them, and some besides, so that the
//! first ones of a day can be tried again. Requests that lose their devices are
//! moved all the same.

use std::time::Duration;

use crate::time::Time;

/// What an attempt costs, in the time in which the budget grows by itself.
const COST: Duration = Duration::from_millis(100);
/// What each request adds.
const SHARE: Duration = Duration::from_millis(20);
/// The most that is saved, and what there is at first.
const MOST: Duration = Duration::from_secs(10);

/// A budget of further attempts.
#[derive(Clone, Debug)]
pub(super) struct Retries {
    saved: Duration,
    at: Time,
}

impl Default for Retries {
    fn default() -> Retries {
        Retries { saved: MOST, at: Time::default() }
    }
}

impl Retries {
    /// A request comes in.
    pub(super) fn comes(&mut self) {
        self.save(SHARE);
    }

    /// Pays for an attempt at `now`; false if that is too much.
    pub(super) fn pay(&mut self, now: Time) -> bool {
        self.save(now.since(self.at));
        self.at = self.at.max(now);
        let left = self.saved.checked_sub(COST);
        self.saved = left.unwrap_or(self.saved);
        left.is_some()
    }

    fn save(&mut self, more: Duration) {
        self.saved = self.saved.saturating_add(more).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_for_five_requests_and_ten_a_second() {
        let ms = |ms: u64| Time(1000 * ms);
        let mut retries = Retries::default();
        let mut paid = |now: Time, requests: usize| {
            (0..requests).for_each(|_| retries.comes());
            (0..1000).filter(|_| retries.pay(now)).count()
        };
        assert_eq!(paid(ms(0), 500), 100, "no more is saved");
        assert_eq!(paid(ms(0), 50), 10);
        assert_eq!(paid(ms(1000), 0), 10);
        assert_eq!(paid(ms(900), 0), 0, "time that was paid for");
        assert_eq!(paid(ms(2000), 10), 12);
        assert_eq!(paid(ms(100_000), 0), 100);
    }
}
