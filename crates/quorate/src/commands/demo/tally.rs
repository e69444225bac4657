//! What became of every request, and how long it took.

use std::time::Duration;

/// Relative error of an answer that is still right.
pub(crate) const TOLERANCE: f64 = 1e-4;

/// One request of the stream.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// When it was due, since the stream began.
    pub due: Duration,
    /// What became of it.
    pub end: End,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// No answer yet.
    Open,
    /// No answer within the deadline.
    Lost,
    /// Refused at once, as more were under way than can be answered soon.
    Refused,
    /// Answered.
    Answered {
        /// From when it was due until the answer was ready.
        latency: Duration,
        /// max|a - b| / max|b| against the whole model's answer.
        error: f64,
        /// Was the greatest output the label? Where there is a label.
        right: Option<bool>,
    },
}

/// A device's failure.
#[derive(Clone, Debug)]
pub(crate) struct Disturbance {
    /// What happened.
    pub kind: String,
    /// To which devices.
    pub devices: String,
    /// When, since the stream began.
    pub at: Duration,
    /// When all of them had had a shard accepted again.
    pub until: Duration,
}

/// Latencies of one part of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Latencies {
    /// Requests in it.
    pub count: usize,
    /// Median.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Maximum.
    pub worst_ms: f64,
}

impl Latencies {
    /// Of a number of latencies, in any order. A lost request counts as one
    /// that took the whole deadline.
    pub(crate) fn of(mut latencies: Vec<Duration>) -> Latencies {
        latencies.sort_unstable();
        let ms = |d: &Duration| d.as_secs_f64() * 1e3;
        let at = |share: f64| {
            let place = (latencies.len() as f64 * share).ceil() as usize;
            latencies.get(place.saturating_sub(1)).map_or(0.0, ms)
        };
        Latencies {
            count: latencies.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            worst_ms: latencies.last().map_or(0.0, ms),
        }
    }
}

/// A whole stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// By number.
    pub records: Vec<Record>,
    /// In order.
    pub events: Vec<Disturbance>,
    /// Values decoded by all devices and the gateway.
    pub decoded: u64,
    /// Time until a request counts as lost.
    pub deadline: Duration,
    /// Silence after which a device was given up.
    pub timeout: Duration,
    /// A device that was restored was not used again.
    pub unreturned: bool,
    /// How often this machine was too slow for the devices that it emulates.
    pub overruns: usize,
    /// The whole model's right answers to the same requests.
    pub right_whole: Option<usize>,
}

impl Tally {
    /// Latencies of requests whose time under way, from when they were due
    /// to their end, satisfies `is`.
    fn within(&self, is: impl Fn(Duration, Duration) -> bool) -> Latencies {
        let latency = |record: &Record| match record.end {
            End::Answered { latency, .. } => Some((record.due, latency)),
            End::Refused => None,
            End::Open | End::Lost => Some((record.due, self.deadline)),
        };
        let spans = self.records.iter().filter_map(latency);
        let taken = spans.filter(|(due, latency)| is(*due, *due + *latency));
        Latencies::of(taken.map(|(_, latency)| latency).collect())
    }

    /// Over before the first event.
    pub(crate) fn healthy(&self) -> Latencies {
        let first = self.events.first().map_or(Duration::MAX, |event| event.at);
        self.within(|_, end| end < first)
    }

    /// Under way between an event and the time its devices were used again.
    pub(crate) fn disturbed(&self) -> Latencies {
        self.within(|due, end| self.events.iter().any(|e| due <= e.until && end >= e.at))
    }

    /// The same for one event.
    pub(crate) fn around(&self, event: &Disturbance) -> Latencies {
        self.within(|due, end| due <= event.until && end >= event.at)
    }

    /// All that were answered.
    pub(crate) fn overall_answered(&self) -> Latencies {
        let latency = |record: &Record| match record.end {
            End::Answered { latency, .. } => Some(latency),
            _ => None,
        };
        Latencies::of(self.records.iter().filter_map(latency).collect())
    }

    /// All of it.
    pub(crate) fn overall(&self) -> Latencies {
        self.within(|_, _| true)
    }

    /// Requests asked.
    pub(crate) fn asked(&self) -> usize {
        self.records.len()
    }

    /// Requests answered.
    pub(crate) fn answered(&self) -> usize {
        self.count(|end| matches!(end, End::Answered { .. }))
    }

    /// Requests that were refused at once.
    pub(crate) fn refused(&self) -> usize {
        self.count(|end| *end == End::Refused)
    }

    /// Requests that were taken in and have no answer.
    pub(crate) fn lost(&self) -> usize {
        self.asked() - self.answered() - self.refused()
    }

    /// Answers that differ from the whole model's.
    pub(crate) fn wrong(&self) -> usize {
        let is = |error: f64| error.is_nan() || error > TOLERANCE;
        self.count(|end| matches!(end, End::Answered { error, .. } if is(*error)))
    }

    /// The largest error of any answer.
    pub(crate) fn worst_error(&self) -> f64 {
        let error = |record: &Record| match record.end {
            End::Answered { error, .. } => error,
            _ => 0.0,
        };
        self.records.iter().map(error).fold(0.0, f64::max)
    }

    /// Answers that took more than five times the healthy 99th percentile.
    pub(crate) fn late(&self) -> usize {
        let limit_ms = 5.0 * self.healthy().p99_ms;
        let is = |latency: Duration| latency.as_secs_f64() * 1e3 > limit_ms;
        self.count(|end| matches!(end, End::Answered { latency, .. } if is(*latency)))
    }

    /// Share of all requests that were taken in whose greatest output was the
    /// label.
    pub(crate) fn accuracy(&self) -> Option<f64> {
        self.right_whole?;
        let right = self.count(|end| matches!(end, End::Answered { right: Some(true), .. }));
        Some(right as f64 / self.taken().max(1) as f64)
    }

    /// The same share for the whole model.
    pub(crate) fn accuracy_whole(&self) -> Option<f64> {
        Some(self.right_whole? as f64 / self.taken().max(1) as f64)
    }

    fn taken(&self) -> usize {
        self.asked() - self.refused()
    }

    fn count(&self, is: impl Fn(&End) -> bool) -> usize {
        self.records.iter().filter(|record| is(&record.end)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let ms = |n: u64| Duration::from_millis(n);
        let of = Latencies::of((1..=100).rev().map(ms).collect());
        assert_eq!((of.count, of.p50_ms, of.p99_ms, of.worst_ms), (100, 50.0, 99.0, 100.0));
        assert_eq!(Latencies::of(vec![ms(7)]).p99_ms, 7.0);
        assert_eq!(Latencies::of(vec![]), Latencies::default());
    }

    #[test]
    fn counts() {
        let answered = |latency, error, right| End::Answered {
            latency: Duration::from_millis(latency),
            error,
            right: Some(right),
        };
        let ends = [
            answered(1, 0.0, true),
            answered(2, 1e-3, true),
            End::Lost,
            answered(90, f64::NAN, false),
            End::Refused,
        ];
        let due = |i: usize| Duration::from_millis(100 * i as u64);
        let records =
            ends.into_iter().enumerate().map(|(i, end)| Record { due: due(i), end }).collect();
        let event = Disturbance {
            kind: "kill data".into(),
            devices: "pi-1".into(),
            at: due(2),
            until: due(3),
        };
        let tally = Tally {
            records,
            events: vec![event],
            deadline: Duration::from_secs(2),
            right_whole: Some(4),
            ..Tally::default()
        };
        assert_eq!((tally.asked(), tally.answered(), tally.lost()), (5, 3, 1));
        assert_eq!((tally.refused(), tally.overall().count), (1, 4));
        assert_eq!((tally.wrong(), tally.late()), (2, 1));
        assert_eq!((tally.healthy().count, tally.healthy().worst_ms), (2, 2.0));
        assert_eq!((tally.disturbed().count, tally.disturbed().worst_ms), (2, 2000.0));
        assert_eq!((tally.accuracy(), tally.accuracy_whole()), (Some(0.5), Some(1.0)));
    }
}
