//! How many requests may be under way under one plan: as many as keep its
//! devices busy, and no more, since what waits only grows.
//!
//! The more are under way, the longer each takes, once the slowest device is
//! busy all the time. So the number follows what requests take against what
//! they take alone (as in TCP Vegas, and Netflix's concurrency limits).
//!
//! That is about requests that flow. Where none has been answered for a while,
//! as nobody asked, or devices have just failed, as many may come as can be
//! answered within half of their time once devices are there: those that come
//! later would be lost, and take the time of those before them.
//!
//! And it is about crowds that stay. Many requests that come at once, and none
//! afterwards, are taken in as far as they are answered soon all the same (as
//! queues do that are managed by CoDel).

use std::time::Duration;

use crate::latest::Latest;
use crate::time::Time;

/// Under way at first, and at the least.
const FIRST: usize = 4;
const LEAST: usize = 2;
/// Times of requests that were alone which are remembered.
const ALONE: usize = 64;
/// Times after which the number is looked at anew, at the least.
const WINDOW_MIN: usize = 8;
/// How many times as long as alone a request may take at the median before
/// fewer are taken in, and up to which more are.
const CROWDED: f64 = 1.7;
const ROOMY: f64 = 1.4;
/// Nothing flows where none was answered for as long as so many take alone, and
/// for so long at least.
const STILL: u32 = 3;
const STILL_MIN: Duration = Duration::from_millis(20);
/// Of many at once each may take so many times as long as alone, or this long.
const BURST: f64 = 2.5;
const BURST_MIN: Duration = Duration::from_millis(100);
/// A crowd stays where all places were found taken again and again for as long as
/// a request takes alone, and for so long at least. A busy machine may stand still
/// for nearly as long.
const STAYS_MIN: Duration = Duration::from_millis(250);

/// What a request took, and how many others were under way when it came.
#[derive(Clone, Copy, Debug)]
struct Taken {
    time: Duration,
    others: usize,
}

impl Taken {
    /// The share of the time that each of them had.
    fn each(&self) -> Duration {
        self.time / (self.others as u32 + 1)
    }
}

/// How many requests may be under way under one plan.
#[derive(Clone, Debug)]
pub(super) struct Limit {
    places: usize,
    /// What the latest requests took that were alone.
    alone: Latest<ALONE>,
    /// What requests took since the number was last looked at.
    window: Vec<Taken>,
    /// Was a place missing, or nearly, meanwhile?
    is_used: bool,
    /// When the last one was answered.
    answered_at: Option<Time>,
    /// By how much each more that is under way makes those that come later, where
    /// some were together lately.
    each: Option<Duration>,
    /// From when on, and when last, all places were found taken.
    full: Option<(Time, Time)>,
}

impl Default for Limit {
    fn default() -> Limit {
        Limit {
            places: FIRST,
            alone: Latest::default(),
            window: Vec::new(),
            is_used: false,
            answered_at: None,
            each: None,
            full: None,
        }
    }
}

impl Limit {
    /// How many may be under way at `now`, where one more wants to be; `None` for
    /// any number.
    pub(super) fn places(&mut self, now: Time, under_way: usize) -> Option<usize> {
        if !self.flows(now) {
            return None;
        }
        if under_way < self.places {
            return Some(self.places);
        }
        let alone = self.unloaded().unwrap_or_default();
        let stays = alone.max(STAYS_MIN);
        let from = match self.full {
            Some((from, last)) if now.since(last) <= stays => from,
            _ => now,
        };
        self.full = Some((from, now));
        if now.since(from) >= stays {
            return Some(self.places);
        }
        let soon = alone.mul_f64(BURST).max(BURST_MIN);
        Some(self.fitting(soon, self.each.unwrap_or(alone)))
    }

    /// How many may wait where each has so much time, whether requests flow or
    /// not: half of it is for what is lost meanwhile. `None` where it is not known
    /// yet what one takes.
    pub(super) fn room(&self, deadline: Duration) -> Option<usize> {
        let each = self.each.or_else(|| self.unloaded())?;
        Some(self.fitting(deadline / 2, each))
    }

    /// How many are answered in this time, if they come at once.
    fn fitting(&self, time: Duration, each: Duration) -> usize {
        let count = time.as_secs_f64() / each.as_secs_f64().max(1e-6);
        self.places.max(count as usize)
    }

    fn flows(&self, now: Time) -> bool {
        let alone = self.unloaded().unwrap_or_default();
        let lately = |at: Time| now.since(at) <= (alone * STILL).max(STILL_MIN);
        self.answered_at.is_some_and(lately)
    }

    /// A request comes in while so many are under way.
    pub(super) fn comes(&mut self, under_way: usize) {
        self.is_used |= under_way + 1 >= self.places - self.places / 4;
    }

    /// A request was answered at `now`, after `took`, and leaves `left` others;
    /// when it came in, `under_way` others were.
    pub(super) fn answered(&mut self, now: Time, left: usize, under_way: usize, took: Duration) {
        if !self.flows(now) {
            // Those that came while nothing flowed have their places.
            self.places = self.places.max(left + 1);
        }
        self.answered_at = Some(now);
        if under_way == 0 {
            self.alone.add(took);
        }
        self.took(under_way, took);
    }

    /// A request ended after `time`, with an answer or as it had no longer; when it
    /// came in, `others` were under way.
    pub(super) fn took(&mut self, others: usize, time: Duration) {
        self.window.push(Taken { time, others });
        if self.window.len() >= self.places.max(WINDOW_MIN) {
            self.adapt();
        }
    }

    fn adapt(&mut self) {
        let middle = self.window.len() / 2;
        let took = self.window.select_nth_unstable_by_key(middle, |taken| taken.time).1.time;
        let mut shared: Vec<Duration> =
            self.window.iter().filter(|taken| taken.others > 0).map(Taken::each).collect();
        if shared.len() >= WINDOW_MIN / 2 {
            let middle = shared.len() / 2;
            self.each = Some(*shared.select_nth_unstable(middle).1);
        }
        self.window.clear();
        let is_used = std::mem::take(&mut self.is_used);
        let Some(alone) = self.unloaded() else { return };
        let ratio = took.as_secs_f64() / alone.as_secs_f64().max(1e-6);
        if ratio > CROWDED {
            // What is under way takes in proportion to how many there are.
            let fitting = (self.places as f64 * (ROOMY / ratio).max(0.5)).floor() as usize;
            self.places = fitting.max(LEAST);
        } else if ratio < ROOMY && is_used {
            self.places += (self.places / 8).max(1);
        }
    }

    /// What a request takes alone, once any was.
    fn unloaded(&self) -> Option<Duration> {
        self.alone.ranked(self.alone.count() / 2)
    }

    /// After how long a place becomes free, about, where so many are taken.
    pub(super) fn again(&self) -> Duration {
        let alone = self.unloaded().unwrap_or(Duration::from_millis(100));
        (alone.mul_f64(CROWDED) / self.places as u32).max(Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system that does `rate` requests a second at most, each of which takes
    /// `alone` by itself: the places that it comes to when all are always taken.
    fn settled(rate: f64, alone: Duration) -> usize {
        let mut limit = Limit::default();
        let now = Time::default();
        limit.answered(now, 0, 0, alone);
        for _ in 0..10_000 {
            let places = limit.places(now, 0).expect("it flows");
            limit.comes(places - 1);
            // What is always full takes as long as it takes to go round.
            let took = alone.max(Duration::from_secs_f64(places as f64 / rate));
            limit.answered(now, places - 1, places - 1, took);
        }
        limit.places
    }

    #[test]
    fn as_many_as_keep_it_busy_and_no_more() {
        for (rate, alone_ms) in [(60.0, 12), (1000.0, 10), (100.0, 1000), (5.0, 2000), (0.5, 2000)]
        {
            let alone = Duration::from_millis(alone_ms);
            let enough = rate * alone.as_secs_f64();
            let places = settled(rate, alone) as f64;
            assert!(places >= enough.floor(), "{rate}/s of {alone_ms} ms: {places}");
            assert!(places <= (2.0 * enough).max(2.0) + 1.0, "{rate}/s of {alone_ms} ms: {places}");
        }
    }

    #[test]
    fn without_load_it_stays() {
        let mut limit = Limit::default();
        for _ in 0..1000 {
            limit.comes(0);
            limit.answered(Time::default(), 0, 0, Duration::from_millis(10));
        }
        assert_eq!(limit.places, FIRST);
        assert_eq!(limit.places(Time(30_000), 0), Some(FIRST));
        assert_eq!(limit.places(Time(30_001), 0), None, "nobody has asked for a while");
        assert_eq!(Limit::default().places(Time(0), 0), None);
        // Eight that each ask again as soon as they are answered all may.
        let now = Time(1_000_000);
        limit.answered(now, 7, 7, Duration::from_millis(12));
        assert_eq!(limit.places(now, 7), Some(8));
    }

    /// Those that come at once are taken in if each is answered soon, as long as
    /// this does not go on and on.
    #[test]
    fn many_at_once_are_no_crowd() {
        let ms = |ms: u64| Time(1000 * ms);
        let mut limit = Limit::default();
        // 5 ms alone, and two more a request that is under way.
        for _ in 0..WINDOW_MIN {
            limit.answered(ms(0), 0, 0, Duration::from_millis(5));
        }
        for others in 0..WINDOW_MIN {
            let took = Duration::from_millis(2 * (others as u64 + 1)).max(Duration::from_millis(5));
            limit.answered(ms(0), 3, others, took);
        }
        assert_eq!(limit.places(ms(1), 1), Some(LEAST), "the median took twice as long as alone");
        let mut flowing = |at: u64, under_way: usize| {
            limit.answered_at = Some(ms(at));
            limit.places(ms(at), under_way)
        };
        assert_eq!(flowing(2, 4), Some(50), "100 ms, 2 each");
        assert_eq!(flowing(150, 9), Some(50));
        assert_eq!(flowing(251, 49), Some(50));
        assert_eq!(flowing(252, 49), Some(LEAST), "for 250 ms by now");
        assert_eq!(flowing(400, 4), Some(LEAST));
        assert_eq!(flowing(500, 1), Some(LEAST));
        assert_eq!(flowing(651, 4), Some(50), "for 251 ms nobody stood in line");
        assert_eq!(limit.room(Duration::from_secs(2)), Some(500));
        assert_eq!(limit.room(Duration::ZERO), Some(LEAST));
        assert_eq!(Limit::default().room(Duration::from_secs(2)), None);
    }
}
