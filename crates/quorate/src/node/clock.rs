//! The driver's clock: the time that state machines are handed.

use std::time::Instant;

use quorate_core::time::Time;

/// Microseconds since the clock was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(super) fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The time now.
    pub(super) fn now(self) -> Time {
        Time(self.start.elapsed().as_micros() as u64)
    }

    /// The operating system's instant for `time`.
    pub(super) fn instant(self, time: Time) -> Instant {
        self.start + std::time::Duration::from_micros(time.0)
    }
}
