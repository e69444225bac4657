//! How late this machine is at the moment, which what follows makes up for.
//!
//! A message that is handed on late would make all that depends on it late. What
//! it leads to next, a task or an answer, is reckoned from when the message
//! should have been there.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What is led to by a message begins this soon after it.
const SOON: Duration = Duration::from_millis(20);

/// How late the last message was, until somebody makes up for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lateness(Arc<Mutex<Option<(Instant, Duration)>>>);

impl Lateness {
    /// A message has been handed on, this late.
    pub(super) fn note(&self, late: Duration) {
        *self.0.lock().expect("no panic while held") = Some((Instant::now(), late));
    }

    /// How late the message was that has led to what begins now.
    pub(crate) fn take(&self) -> Duration {
        let noted = self.0.lock().expect("no panic while held").take();
        noted.filter(|(at, _)| at.elapsed() < SOON).map_or(Duration::ZERO, |(_, late)| late)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_up_for_once() {
        let lateness = Lateness::default();
        assert_eq!(lateness.take(), Duration::ZERO);
        lateness.note(Duration::from_millis(3));
        lateness.note(Duration::from_millis(2));
        assert_eq!(lateness.take(), Duration::from_millis(2));
        assert_eq!(lateness.take(), Duration::ZERO);
    }
}
