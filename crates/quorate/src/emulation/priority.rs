//! Threads that go before others.

/// What Linux calls a nice value; the least there is would be -20.
#[cfg(target_os = "linux")]
const FIRST: i32 = -15;

/// Lets the calling thread go before others of the machine, where that is
/// allowed: it does little, and what it does late is an overrun.
pub(super) fn go_first() {
    #[cfg(target_os = "linux")]
    {
        // On Linux a priority belongs to the thread that asks.
        let thread = rustix::thread::gettid();
        if let Err(error) = rustix::process::setpriority_process(Some(thread), FIRST) {
            tracing::debug!("raising a thread's priority: {error}");
        }
    }
}
