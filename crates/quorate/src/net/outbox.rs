//! Frames on their way to one peer.
//!
//! *Invariant:* small frames never have large ones give way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use quorate_core::frame::Encoded;
use quorate_core::id::RequestId;
use tokio::sync::Notify;

use super::incoming::SMALL;
use super::outgoing::{Charge, Outgoing};

/// Small frames that may wait for one peer, and others.
const FRAMES_MAX: usize = 256;

/// A bounded queue that is never waited for: when it is full, its oldest
/// frames give way, for they are the ones most likely to come too late. It is
/// full where all peers together have no room left, and this one has more than
/// its share.
#[derive(Debug)]
pub(super) struct Outbox {
    outgoing: Arc<Outgoing>,
    // A std mutex: nothing is awaited while it is held.
    queue: Mutex<Queue>,
    ready: Notify,
    flushed: Notify,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    frame: Encoded,
    charge: Arc<Charge>,
}

impl Waiting {
    fn is_small(&self) -> bool {
        self.frame.size() < SMALL
    }
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Waiting>,
    /// How many of them are small.
    small: usize,
    /// Bytes of those that are not.
    bytes: usize,
    /// Is one on its way out?
    is_writing: bool,
}

impl Queue {
    /// Frames that are small, or are not.
    fn count(&self, small: bool) -> usize {
        if small { self.small } else { self.frames.len() - self.small }
    }

    fn add(&mut self, waiting: Waiting) {
        match waiting.is_small() {
            true => self.small += 1,
            false => self.bytes += waiting.frame.size(),
        }
        self.frames.push_back(waiting);
    }

    fn pop(&mut self) -> Option<(Encoded, Arc<Charge>)> {
        self.take(0)
    }

    /// Lets the oldest go that is small, or is not.
    fn give_way(&mut self, small: bool) {
        if let Some(at) = self.frames.iter().position(|waiting| waiting.is_small() == small) {
            self.take(at);
        }
    }

    fn take(&mut self, at: usize) -> Option<(Encoded, Arc<Charge>)> {
        let waiting = self.frames.remove(at)?;
        match waiting.is_small() {
            true => self.small -= 1,
            false => self.bytes -= waiting.frame.size(),
        }
        Some((waiting.frame, waiting.charge))
    }
}

impl Outbox {
    /// An empty queue, which takes its room of `outgoing`.
    pub(super) fn new(outgoing: Arc<Outgoing>) -> Outbox {
        outgoing.join();
        let (queue, ready, flushed) = (Mutex::default(), Notify::new(), Notify::new());
        Outbox { outgoing, queue, ready, flushed }
    }

    /// Adds a frame, which has its room; returns how many older ones gave way.
    pub(super) fn push(&self, frame: Encoded, charge: Arc<Charge>) -> u64 {
        let small = frame.size() < SMALL;
        let mut queue = self.queue.lock().expect("no panic while held");
        let mut dropped = 0;
        while queue.count(small) >= FRAMES_MAX || (!small && self.is_full(&queue, frame.size())) {
            queue.give_way(small);
            dropped += 1;
        }
        queue.add(Waiting { since: Instant::now(), frame, charge });
        drop(queue);
        self.ready.notify_one();
        dropped
    }

    /// Is it full for a frame of so many bytes, which has its room already?
    fn is_full(&self, queue: &Queue, bytes: usize) -> bool {
        let is_over = queue.bytes + bytes > self.outgoing.share() && !self.outgoing.has(0);
        is_over && queue.count(false) > 0
    }

    /// Would a frame of so many bytes find room, with nothing that gives way?
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let queue = self.queue.lock().expect("no panic while held");
        let fits = self.outgoing.has(bytes) || queue.bytes + bytes <= self.outgoing.share();
        queue.count(false) == 0 || (queue.count(false) < FRAMES_MAX && fits)
    }

    /// The next frame, as soon as there is one, with its room: the one before it
    /// is out.
    pub(super) async fn next(&self) -> (Encoded, Arc<Charge>) {
        loop {
            let next = {
                let mut queue = self.queue.lock().expect("no panic while held");
                let next = queue.pop();
                queue.is_writing = next.is_some();
                next
            };
            if let Some(next) = next {
                return next;
            }
            self.flushed.notify_waiters();
            self.ready.notified().await;
        }
    }

    /// Waits until all frames are out.
    pub(super) async fn flushed(&self) {
        loop {
            // Before it is looked at: what is told meanwhile is heard.
            let flushed = self.flushed.notified();
            let is_empty = {
                let queue = self.queue.lock().expect("no panic while held");
                queue.frames.is_empty() && !queue.is_writing
            };
            if is_empty {
                return;
            }
            flushed.await;
        }
    }

    /// Forgets what is of no use any more: inputs and shards of requests that are
    /// finished. Whoever did not read for a while, or was cut off, would get them
    /// before all that is, and others would wait for their links meanwhile.
    pub(super) fn forget(&self, is_finished: &dyn Fn(RequestId) -> bool) {
        let mut queue = self.queue.lock().expect("no panic while held");
        let mut at = 0;
        while let Some(waiting) = queue.frames.get(at) {
            match waiting.frame.request().is_some_and(is_finished) {
                true => drop(queue.take(at)),
                false => at += 1,
            }
        }
    }

    /// Forgets frames that have waited longer than `age`.
    pub(super) fn forget_older(&self, age: Duration) {
        let mut queue = self.queue.lock().expect("no panic while held");
        while queue.frames.front().is_some_and(|waiting| waiting.since.elapsed() > age) {
            queue.pop();
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.outgoing.leave();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quorate_core::audit::Checks;
    use quorate_core::frame::{Data, Frame, Heartbeat};
    use quorate_core::id::{DeviceSet, GatewayRun, PlanId, ValueId};
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
            of_decoded: false,
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

    impl Outbox {
        fn add(&self, frame: &Encoded) -> u64 {
            self.push(frame.clone(), self.outgoing.charge(frame.size()))
        }

        fn first(&self) -> Option<Encoded> {
            self.queue.lock().unwrap().pop().map(|(frame, _)| frame)
        }
    }

    fn outboxes<const N: usize>(bytes: usize) -> [Outbox; N] {
        let outgoing = Arc::new(Outgoing::new(bytes));
        std::array::from_fn(|_| Outbox::new(outgoing.clone()))
    }

    #[test]
    fn oldest_give_way() {
        let [outbox] = outboxes(1 << 20);
        let dropped: u64 = (0..FRAMES_MAX as u64 + 3).map(|i| outbox.add(&beat(i))).sum();
        assert_eq!(dropped, 3);
        assert_eq!(outbox.first().unwrap().to_bytes(), beat(3).to_bytes());
    }

    #[tokio::test]
    async fn flushed_is_what_was_written_to_its_end() {
        let [outbox] = outboxes(1 << 20);
        outbox.flushed().await;
        outbox.add(&beat(0));
        let is_flushed = async || {
            tokio::select! {
                biased;
                () = outbox.flushed() => true,
                () = tokio::task::yield_now() => false,
            }
        };
        assert!(!is_flushed().await);
        outbox.next().await;
        assert!(!is_flushed().await, "it is being written");
        let asked_again = async {
            tokio::select! {
                biased;
                _ = outbox.next() => panic!("there is nothing more"),
                () = outbox.flushed() => {}
            }
        };
        asked_again.await;
        assert!(is_flushed().await);
    }

    #[test]
    fn bytes_are_bounded_but_one_large_frame_passes() {
        let [outbox] = outboxes(200 << 10);
        let large = shard(150 << 10);
        let size = large.size();
        assert!(outbox.has_room(size));
        assert_eq!(outbox.add(&large), 0);
        assert!(!outbox.has_room(size));
        assert_eq!(outbox.add(&large), 1);
        assert_eq!(outbox.queue.lock().unwrap().bytes, size);
        // Signs of life have no input give way.
        let dropped: u64 = (0..2 * FRAMES_MAX as u64).map(|i| outbox.add(&beat(i))).sum();
        assert_eq!(dropped, FRAMES_MAX as u64);
        assert_eq!(outbox.first().unwrap().size(), size);
    }

    #[test]
    fn what_is_of_finished_requests_is_forgotten() {
        let [outbox] = outboxes(200 << 10);
        outbox.add(&shard(50 << 10));
        outbox.add(&beat(0));
        outbox.add(&shard(10));
        outbox.forget(&|_| false);
        assert_eq!(outbox.queue.lock().unwrap().frames.len(), 3);
        outbox.forget(&|_| true);
        assert!(outbox.outgoing.has(99 << 10), "its room is free again");
        let queue = outbox.queue.lock().unwrap();
        assert_eq!((queue.frames.len(), queue.small, queue.bytes), (1, 1, 0));
    }

    #[test]
    fn what_many_wait_for_is_counted_once() {
        let [one, other] = outboxes(200 << 10);
        let large = shard(60 << 10);
        let charge = one.outgoing.charge(large.size());
        assert_eq!(one.push(large.clone(), charge.clone()), 0);
        assert_eq!(other.push(large.clone(), charge), 0);
        assert!(one.outgoing.has(30 << 10));
        // It is there as long as one of them waits.
        drop(one.first());
        assert!(!one.outgoing.has(60 << 10));
        drop(other.first());
        assert!(one.outgoing.has(100 << 10));
    }

    #[test]
    fn each_peer_has_its_share_whatever_others_take() {
        let [slow, quick] = outboxes(400 << 10);
        assert_eq!((0..6).map(|_| slow.add(&shard(30 << 10))).sum::<u64>(), 0);
        assert!(!quick.outgoing.has(30 << 10), "all is taken");
        assert_eq!(quick.add(&shard(90 << 10)), 0, "half is its own");
        assert_eq!(quick.add(&shard(30 << 10)), 1);
        assert_eq!(slow.add(&shard(30 << 10)), 2, "whoever has more gives way");
    }
}
