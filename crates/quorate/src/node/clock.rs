//! The driver's clock: the time that state machines are handed.

use std::time::{Duration, Instant};

use quorate_core::time::Time;

/// Longer than any process lives.
const NEVER: Duration = Duration::from_secs(1 << 32);

/// Microseconds since the clock was started; of an emulated device's time
/// where that passes more slowly. It goes on while the machine sleeps: requests
/// whose time has passed meanwhile are not computed on waking.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Duration,
    dilation: f64,
}

impl Clock {
    /// A clock that starts now, and goes so many times slower than it should.
    pub(super) fn start(dilation: f64) -> Clock {
        Clock { start: since_boot(), dilation }
    }

    /// The time now.
    pub(super) fn now(self) -> Time {
        let elapsed = since_boot().saturating_sub(self.start);
        if self.dilation == 1.0 {
            return Time(elapsed.as_micros() as u64);
        }
        Time((elapsed.as_secs_f64() * 1e6 / self.dilation) as u64)
    }

    /// How long `span` is for the state machines.
    pub(super) fn span(self, span: Duration) -> Duration {
        span.div_f64(self.dilation)
    }

    /// The operating system's instant for `time`.
    pub(super) fn instant(self, time: Time) -> Instant {
        let left = Duration::from_micros(time.0.saturating_sub(self.now().0));
        if self.dilation == 1.0 {
            return Instant::now() + left;
        }
        // What is too far to be told is as good as never.
        let left = Duration::try_from_secs_f64(left.as_secs_f64() * self.dilation);
        Instant::now() + left.unwrap_or(NEVER)
    }
}

/// Time that has passed since the machine was started, its sleep included.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Time that has passed since it was asked for first.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    static FIRST: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_when_they_are_due() {
        for dilation in [1.0, 4.0] {
            let clock = Clock::start(dilation);
            let (before, now) = (Instant::now(), clock.now());
            let due = clock.instant(Time(now.0 + 1_000_000));
            let after = Instant::now();
            let second = Duration::from_secs(1).mul_f64(dilation);
            let slack = Duration::from_micros(10).mul_f64(dilation);
            assert!(due + slack >= before && due <= after + second + slack);
            assert!(due + (after - before) + slack >= before + second);
            assert!(clock.instant(Time::default()) <= Instant::now(), "what is past is due");
            assert!(clock.instant(Time(u64::MAX / 2)) > after + second);
        }
    }
}
