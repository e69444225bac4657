//! A clock that all processes of this machine share.

use quorate_core::cluster::Nanos;

/// Nanoseconds of the machine's steady clock.
#[cfg(unix)]
pub(super) fn now() -> Nanos {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as Nanos * 1_000_000_000 + time.tv_nsec as Nanos
}

/// Without such a clock nothing is emulated: [`super::Emulation::check`].
#[cfg(not(unix))]
pub(super) fn now() -> Nanos {
    0
}
