//! Shards that are held against each other.

use quorate_code::ShardSet;

use super::*;
use crate::audit::{Audited, Checks, Finding};
use crate::frame::Report;

/// A worker that knows what is usual.
fn bench() -> Bench {
    let (plans, mut usual) = (plans(), Usual::default());
    [H, Y].iter().for_each(|value| usual.saw(plans.main().id(), *value, false, 0.0));
    Bench::new(A, WorkerConfig { usual: Arc::new(usual), ..WorkerConfig::default() })
}

impl Bench {
    /// A shard of an audited request, where these are suspects.
    fn audited(&mut self, at: u64, value: ValueId, shard: usize, suspects: &[DeviceId]) {
        let mut data = data(&self.plans, 0, 0, value, shard);
        data.checks = Checks { audit: true, strict: true, ..Checks::default() };
        data.suspects = devices(suspects);
        self.frame(at, data);
    }

    /// A shard of the request of this number, whose answer waits for what is found
    /// or does not.
    fn asked(&mut self, at: u64, number: u64, (value, shard): (ValueId, usize), prompt: bool) {
        let mut data = data(&self.plans, 0, number, value, shard);
        data.checks = Checks { audit: true, strict: true, prompt, lenient: false };
        self.frame(at, data);
    }

    fn audits(&mut self) -> Vec<(AuditId, ShardSet)> {
        let of = |command: &Command| match command {
            Command::Audit(id, audit, _) => Some((*id, audit.have())),
            _ => None,
        };
        let audits = self.commands.iter().filter_map(of).collect();
        self.commands.retain(|command| of(command).is_none());
        audits
    }

    fn reports(&mut self) -> Vec<Report> {
        let reports = self.sent(|frame| match frame {
            Frame::Report(report) => Some(report.clone()),
            _ => None,
        });
        assert!(reports.iter().all(|(to, _)| to == &[Peer::Gateway(RUN)]));
        reports.into_iter().map(|(_, report)| report).collect()
    }

    fn found(&mut self, at: u64, id: AuditId, have: ShardSet, finding: Finding) {
        let audited = Audited { value: id.value, have, finding };
        self.handle(at, Event::Audited(id, audited));
    }
}

#[test]
fn shards_are_held_against_each_other_once_all_are_there() {
    let mut bench = bench();
    bench.audited(0, X, 0, &[]);
    let first = bench.job();
    bench.done(1, first);
    bench.audited(2, H, 1, &[]);
    let second = bench.job();
    bench.audited(3, H, 2, &[]);
    assert!(bench.audits().is_empty(), "the lane computes");
    bench.done(4, second);
    let [(id, have)] = bench.audits()[..] else { panic!("one audit") };
    assert_eq!((id.value, have), (H, ShardSet::first(3)));
    assert!(bench.reports().is_empty());
    bench.found(5, id, have, Finding::Clean);
    let reports = bench.reports();
    assert!(reports.len() == 1 && reports[0].is_complete, "{reports:?}");
    assert_eq!(reports[0].audited[0].finding, Finding::Clean);
    assert_eq!(bench.worker.payload_bytes(), 0);
    bench.finished(6, 1, &[]);
    assert!(bench.worker.is_idle());
}

/// Where the answer waits for it, an audit's turn is before tasks of requests that
/// came later; otherwise after all tasks.
#[test]
fn audits_that_answers_wait_for_are_not_put_off() {
    for prompt in [true, false] {
        let mut bench = bench();
        (0..3).for_each(|number| bench.asked(0, number, (X, 0), prompt));
        let first = bench.job();
        [1, 2].iter().for_each(|shard| bench.asked(1, 0, (H, *shard), prompt));
        bench.done(2, first);
        let own = bench.job();
        assert_eq!((own.request.number, own.task.stage.0), (0, 1), "tasks of the same come first");
        bench.done(3, own);
        if !prompt {
            for number in 1..3 {
                let job = bench.job();
                assert_eq!(job.request.number, number);
                bench.done(4, job);
            }
        }
        let [(id, _)] = bench.audits()[..] else { panic!("one audit") };
        assert!(id.request.number == 0 && bench.jobs().is_empty());
        bench.found(5, id, ShardSet::first(3), Finding::Clean);
        assert_eq!(bench.jobs().len(), usize::from(prompt));
    }
}

#[test]
fn shards_that_do_not_come_are_not_waited_for_long() {
    let mut bench = bench();
    bench.audited(0, X, 0, &[]);
    let first = bench.job();
    bench.done(1, first);
    bench.audited(2, H, 1, &[]);
    let second = bench.job();
    bench.done(3, second).handle(52, Event::Tick);
    assert!(bench.audits().is_empty());
    bench.handle(53, Event::Tick);
    let [(id, have)] = bench.audits()[..] else { panic!("one audit") };
    assert_eq!(have, ShardSet::first(2));
    bench.found(54, id, have, Finding::Unchecked);
    assert!(bench.reports()[0].is_complete);
    assert_eq!(bench.worker.payload_bytes(), 0);
}

#[test]
fn shards_of_suspects_are_not_used() {
    let mut bench = bench();
    bench.audited(0, X, 0, &[B]);
    let first = bench.job();
    bench.done(1, first);
    bench.audited(2, H, 1, &[B]);
    assert!(bench.jobs().is_empty(), "b is not to be relied on");
    bench.audited(3, H, 2, &[B]);
    let second = bench.job();
    bench.done(4, second);
    let [(_, have)] = bench.audits()[..] else { panic!("one audit") };
    assert_eq!(have, [0, 2].into_iter().collect());
}

/// What others may have slightly differently is said to be so, and what is made of
/// it.
#[test]
fn what_is_made_of_decoded_values_says_so() {
    // The shard that comes beside the own one, what it says, and whether the
    // other is lost.
    for (shard, of_decoded, suspects, said) in
        [(1, false, &[][..], false), (1, true, &[], true), (2, false, &[B], true)]
    {
        let mut bench = bench();
        bench.audited(0, X, 0, suspects);
        let first = bench.job();
        bench.done(1, first);
        assert!(bench.sends().iter().all(|(_, data)| !data.of_decoded), "of the input");
        let mut data = data(&bench.plans, 0, 0, H, shard);
        data.checks = Checks { audit: true, strict: true, ..Checks::default() };
        (data.suspects, data.of_decoded) = (devices(suspects), of_decoded);
        bench.frame(2, data);
        let second = bench.job();
        bench.done(3, second);
        let sends = bench.sends();
        assert!(!sends.is_empty() && sends.iter().all(|(_, data)| data.of_decoded == said));
    }
}
