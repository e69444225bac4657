//! Frames on their way to one peer.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use quorate_core::frame::Encoded;
use tokio::sync::Notify;

/// Frames that may wait for one peer.
const FRAMES_MAX: usize = 256;
/// Bytes that may wait for one peer, unless a single frame is larger.
const BYTES_MAX: usize = 64 << 20;

/// A bounded queue that is never waited for: when it is full, its oldest
/// frames give way, for they are the ones most likely to come too late.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    // A std mutex: nothing is awaited while it is held.
    queue: Mutex<Queue>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<(Instant, Encoded)>,
    bytes: usize,
}

impl Queue {
    fn pop(&mut self) -> Option<Encoded> {
        let (_, frame) = self.frames.pop_front()?;
        self.bytes -= frame.size();
        Some(frame)
    }
}

impl Outbox {
    /// Adds a frame; returns how many older ones gave way.
    pub(super) fn push(&self, frame: Encoded) -> u64 {
        let mut queue = self.queue.lock().expect("no panic while held");
        let mut dropped = 0;
        while !queue.frames.is_empty()
            && (queue.frames.len() >= FRAMES_MAX || queue.bytes + frame.size() > BYTES_MAX)
        {
            queue.pop();
            dropped += 1;
        }
        queue.bytes += frame.size();
        queue.frames.push_back((Instant::now(), frame));
        drop(queue);
        self.ready.notify_one();
        dropped
    }

    /// The next frame, as soon as there is one.
    pub(super) async fn next(&self) -> Encoded {
        loop {
            let frame = self.queue.lock().expect("no panic while held").pop();
            match frame {
                Some(frame) => return frame,
                None => self.ready.notified().await,
            }
        }
    }

    /// Forgets frames that have waited longer than `age`.
    pub(super) fn forget_older(&self, age: Duration) {
        let mut queue = self.queue.lock().expect("no panic while held");
        while queue.frames.front().is_some_and(|(since, _)| since.elapsed() > age) {
            queue.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quorate_core::audit::Checks;
    use quorate_core::frame::{Data, Frame, Heartbeat};
    use quorate_core::id::{DeviceSet, GatewayRun, PlanId, RequestId, ValueId};
    use quorate_model::tensor::DType;

    use super::*;

    fn beat(tasks: u64) -> Encoded {
        Frame::Heartbeat(Heartbeat { tasks, ..Heartbeat::default() }).encode()
    }

    /// A frame with a payload of so many bytes.
    fn shard(bytes: usize) -> Encoded {
        let run = GatewayRun { gateway: 1, epoch: 1 };
        let data = Data {
            input: false,
            request: RequestId { run, number: 0 },
            attempt: 0,
            plan: PlanId(1),
            members: DeviceSet::default(),
            suspects: DeviceSet::default(),
            checks: Checks::default(),
            deadline_left_us: 0,
            value: ValueId(0),
            shard: 0,
            place: (0, 1),
            dtype: DType::U8,
            shape: vec![bytes as u32],
            payload: Bytes::from(vec![0; bytes]).into(),
        };
        Frame::Data(data).encode()
    }

    #[test]
    fn oldest_give_way() {
        let outbox = Outbox::default();
        let dropped: u64 = (0..FRAMES_MAX as u64 + 3).map(|i| outbox.push(beat(i))).sum();
        assert_eq!(dropped, 3);
        let first = outbox.queue.lock().unwrap().pop().unwrap();
        assert_eq!(first.to_bytes(), beat(3).to_bytes());
    }

    #[test]
    fn bytes_are_bounded_but_one_large_frame_passes() {
        let outbox = Outbox::default();
        let large = shard(BYTES_MAX + 1);
        let size = large.size();
        assert_eq!(outbox.push(large.clone()), 0);
        assert_eq!(outbox.push(large), 1);
        assert_eq!(outbox.queue.lock().unwrap().bytes, size);
    }
}
