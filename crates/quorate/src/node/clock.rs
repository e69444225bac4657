//! The driver's clock: the time that state machines are handed.

use std::time::{Duration, Instant};

use quorate_core::time::Time;

/// Longer than any process lives.
const NEVER: Duration = Duration::from_secs(1 << 32);

/// Microseconds since the clock was started; of an emulated device's time
/// where that passes more slowly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    dilation: f64,
}

impl Clock {
    /// A clock that starts now, and goes so many times slower than it should.
    pub(super) fn start(dilation: f64) -> Clock {
        Clock { start: Instant::now(), dilation }
    }

    /// The time now.
    pub(super) fn now(self) -> Time {
        let elapsed = self.start.elapsed();
        if self.dilation == 1.0 {
            return Time(elapsed.as_micros() as u64);
        }
        Time((elapsed.as_secs_f64() * 1e6 / self.dilation) as u64)
    }

    /// The operating system's instant for `time`.
    pub(super) fn instant(self, time: Time) -> Instant {
        let since = Duration::from_micros(time.0);
        if self.dilation == 1.0 {
            return self.start + since;
        }
        // What is too far to be told is as good as never.
        let since = Duration::try_from_secs_f64(since.as_secs_f64() * self.dilation);
        self.start + since.unwrap_or(NEVER)
    }
}
