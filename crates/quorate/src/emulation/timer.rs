//! Sleeping to a tenth of a millisecond. The runtime's own sleeps are rounded
//! up to whole milliseconds, which is more than a message takes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use quorate_core::cluster::Nanos;
use tokio::sync::oneshot;

use super::instant::now;

/// A thread that wakes others.
#[derive(Clone, Debug)]
pub(super) struct Timer(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    alarms: Mutex<Alarms>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Alarms {
    /// The earliest on top; the number tells those of one time apart.
    heap: BinaryHeap<Reverse<(Nanos, u64)>>,
    wakers: std::collections::HashMap<u64, oneshot::Sender<()>>,
    next: u64,
}

impl Timer {
    /// Starts the thread, which lives as long as the process.
    pub(super) fn start() -> std::io::Result<Timer> {
        let timer = Timer(Arc::default());
        let shared = timer.0.clone();
        std::thread::Builder::new().name("emulation".to_owned()).spawn(move || shared.run())?;
        Ok(timer)
    }

    /// Waits until `at`.
    pub(super) async fn sleep_until(&self, at: Nanos) {
        if at <= now() {
            return;
        }
        let (waker, woken) = oneshot::channel();
        {
            let mut alarms = self.0.alarms.lock().expect("no panic while held");
            let number = alarms.next;
            alarms.next += 1;
            alarms.heap.push(Reverse((at, number)));
            alarms.wakers.insert(number, waker);
        }
        self.0.changed.notify_one();
        // The thread lives as long as the process.
        let _ = woken.await;
    }
}

impl Shared {
    fn run(&self) {
        let mut alarms = self.alarms.lock().expect("no panic while held");
        loop {
            let next = alarms.heap.peek().map(|Reverse((at, _))| *at);
            alarms = match next {
                None => self.changed.wait(alarms).expect("no panic while held"),
                Some(at) => match at.checked_sub(now()).filter(|left| *left > 0) {
                    Some(left) => {
                        let left = Duration::from_nanos(left);
                        self.changed.wait_timeout(alarms, left).expect("no panic while held").0
                    }
                    None => {
                        alarms.ring();
                        alarms
                    }
                },
            };
        }
    }
}

impl Alarms {
    fn ring(&mut self) {
        let Some(Reverse((_, number))) = self.heap.pop() else { return };
        if let Some(waker) = self.wakers.remove(&number) {
            // Whoever slept may have given up.
            let _ = waker.send(());
        }
    }
}
