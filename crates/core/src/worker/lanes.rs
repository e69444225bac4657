//! Lanes that compute, and tasks that take too long in them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::job::{Job, TaskId};
use crate::latest::Latest;
use crate::time::Time;

/// Times of a task that are remembered.
const WINDOW: usize = 32;
/// Times of a task from which on it is known what it takes.
const KNOWN_FROM: usize = 16;
/// How many times as long as ever before is too long.
const TOO_LONG: u32 = 2;
/// What is never too long: a busy system lets a thread wait as long, and what
/// is silent for as long is not suspected either.
const SLACK: Duration = Duration::from_millis(400);

/// What is too long for a task that took these times, once enough is known.
fn limit(times: &Latest<WINDOW>) -> Option<Duration> {
    let longest = times.longest().filter(|_| times.count() >= KNOWN_FROM)?;
    Some(longest * TOO_LONG + SLACK)
}

/// A job under way.
#[derive(Clone, Copy, Debug)]
struct Running {
    since: Time,
    /// When it is late, if that is known.
    late_at: Option<Time>,
    is_late: bool,
}

/// What runs now, and what tasks have taken so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    /// One job may be there twice: its request was forgotten and came again.
    running: Vec<(Job, Running)>,
    times: BTreeMap<TaskId, Latest<WINDOW>>,
}

impl Lanes {
    /// Jobs under way.
    pub(super) fn busy(&self) -> usize {
        self.running.len()
    }

    /// Is every job under way late, and no lane of so many free?
    pub(super) fn are_stuck(&self, lanes: usize) -> bool {
        self.running.len() >= lanes && self.running.iter().all(|(_, running)| running.is_late)
    }

    /// A job begins.
    pub(super) fn begin(&mut self, now: Time, job: Job) {
        let limit = self.times.get(&job.task).and_then(limit);
        let late_at = limit.map(|limit| now + limit);
        self.running.push((job, Running { since: now, late_at, is_late: false }));
    }

    /// A job has ended. What was late counts as no longer than to become late.
    pub(super) fn end(&mut self, now: Time, job: Job) {
        let Some(at) = self.running.iter().position(|(other, _)| *other == job) else { return };
        let (_, Running { since, late_at, is_late }) = self.running.remove(at);
        let until = late_at.filter(|_| is_late).unwrap_or(now);
        self.times.entry(job.task).or_default().add(until.since(since));
    }

    /// Jobs that have become late, and how long they have been running.
    pub(super) fn late(&mut self, now: Time) -> Vec<(Job, Duration)> {
        let due = |job: &Running| !job.is_late && job.late_at.is_some_and(|at| at <= now);
        let late = self.running.iter_mut().filter(|(_, running)| due(running));
        let told = late.map(|(job, running)| {
            running.is_late = true;
            (*job, now.since(running.since))
        });
        told.collect()
    }

    /// When the next job becomes late.
    pub(super) fn next(&self) -> Option<Time> {
        let waiting = self.running.iter().filter(|(_, running)| !running.is_late);
        waiting.filter_map(|(_, running)| running.late_at).min()
    }

    /// Nothing here has moved for so long: that is no job's fault.
    pub(super) fn stood_still(&mut self, by: Duration) {
        for (_, running) in &mut self.running {
            running.late_at = running.late_at.map(|at| at + by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ms, request};
    use crate::id::{PlanId, StageId};

    fn job(number: u64) -> Job {
        let task = TaskId { plan: PlanId(1), stage: StageId(0), shard: 0 };
        Job { request: request(number), attempt: 0, task }
    }

    #[test]
    fn late_is_what_takes_far_longer_than_ever() {
        let mut lanes = Lanes::default();
        for number in 0..KNOWN_FROM as u64 {
            lanes.begin(ms(0), job(number));
            assert_eq!(lanes.next(), None, "nothing is known yet");
            lanes.end(ms(10 + number), job(number));
        }
        lanes.begin(ms(1000), job(9));
        assert_eq!(lanes.next(), Some(ms(1450)));
        assert!(lanes.late(ms(1449)).is_empty() && !lanes.are_stuck(1));
        assert_eq!(lanes.late(ms(1450)), [(job(9), Duration::from_millis(450))]);
        assert!(lanes.late(ms(1451)).is_empty(), "told once");
        assert!(lanes.are_stuck(1) && !lanes.are_stuck(2));
        lanes.end(ms(5000), job(9));
        assert!(!lanes.are_stuck(1) && lanes.busy() == 0);
    }

    #[test]
    fn a_pause_of_the_device_is_no_jobs_fault() {
        let mut lanes = Lanes::default();
        for number in 0..KNOWN_FROM as u64 {
            lanes.begin(ms(0), job(number));
            lanes.end(ms(10), job(number));
        }
        lanes.begin(ms(0), job(9));
        lanes.stood_still(Duration::from_millis(700));
        assert!(lanes.late(ms(1100)).is_empty());
        assert_eq!(lanes.late(ms(1120)).len(), 1);
    }
}
