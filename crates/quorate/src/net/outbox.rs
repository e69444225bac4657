//! Frames on their way to one peer.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

/// Frames that may wait for one peer.
const FRAMES_MAX: usize = 256;
/// Bytes that may wait for one peer, unless a single frame is larger.
const BYTES_MAX: usize = 64 << 20;

/// A bounded queue that is never waited for: when it is full, its oldest
/// frames give way, for they are the ones most likely to come too late.
#[derive(Debug, Default)]
pub struct Outbox {
    // A std mutex: nothing is awaited while it is held.
    queue: Mutex<Queue>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<(Instant, Bytes)>,
    bytes: usize,
}

impl Queue {
    fn pop(&mut self) -> Option<Bytes> {
        let (_, frame) = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }
}

impl Outbox {
    /// Adds a frame; returns how many older ones gave way.
    pub fn push(&self, frame: Bytes) -> u64 {
        let mut queue = self.queue.lock().expect("no panic while held");
        let mut dropped = 0;
        while !queue.frames.is_empty()
            && (queue.frames.len() >= FRAMES_MAX || queue.bytes + frame.len() > BYTES_MAX)
        {
            queue.pop();
            dropped += 1;
        }
        queue.bytes += frame.len();
        queue.frames.push_back((Instant::now(), frame));
        drop(queue);
        self.ready.notify_one();
        dropped
    }

    /// The next frame, as soon as there is one.
    pub async fn next(&self) -> Bytes {
        loop {
            let frame = self.queue.lock().expect("no panic while held").pop();
            match frame {
                Some(frame) => return frame,
                None => self.ready.notified().await,
            }
        }
    }

    /// Forgets frames that have waited longer than `age`.
    pub fn forget_older(&self, age: Duration) {
        let mut queue = self.queue.lock().expect("no panic while held");
        while queue.frames.front().is_some_and(|(since, _)| since.elapsed() > age) {
            queue.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_give_way() {
        let outbox = Outbox::default();
        let dropped: u64 = (0..FRAMES_MAX + 3).map(|i| outbox.push(vec![i as u8].into())).sum();
        assert_eq!(dropped, 3);
        assert_eq!(outbox.queue.lock().unwrap().pop().unwrap()[..], [3]);
    }

    #[test]
    fn bytes_are_bounded_but_one_large_frame_passes() {
        let outbox = Outbox::default();
        let large = Bytes::from(vec![0; BYTES_MAX + 1]);
        assert_eq!(outbox.push(large.clone()), 0);
        assert_eq!(outbox.push(large), 1);
        assert_eq!(outbox.queue.lock().unwrap().bytes, BYTES_MAX + 1);
    }
}
