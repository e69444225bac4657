//! Frames that come in.

use super::*;

#[test]
fn a_lost_shard_is_decoded() {
    let mut bench = Bench::of(B);
    bench.shard(0, 0, H, 0).shard(0, 0, H, 2);
    let job = bench.job();
    assert_eq!(stages(&[job]), [(0, 1, 1)]);
    assert_eq!(bench.worker.counters().decoded, 1);
}

#[test]
fn what_comes_too_late_is_dropped() {
    // What is known before, and then the frame that must start nothing.
    type Case = (&'static str, fn(&mut Bench) -> &mut Bench, fn(&mut Data));
    let cases: [Case; 7] = [
        ("finished", |b| b.finished(0, 1, &[]), |_| ()),
        ("finished beyond the mark", |b| b.finished(0, 0, &[0]), |_| ()),
        ("no time left", |b| b, |d| d.deadline_left_us = 0),
        ("an older attempt", |b| b.attempt(0, 2), |d| d.attempt = 1),
        ("an older run", |b| b.newer_run(0), |_| ()),
        (
            "not a member",
            |b| b,
            |d| {
                d.plan = plans().all()[1].id();
                d.members = devices(&[B, C]);
            },
        ),
        (
            "another plan in this attempt",
            |b| b.attempt(0, 1),
            |d| {
                d.plan = plans().all()[2].id();
                d.members = devices(&[A]);
                d.attempt = 1;
            },
        ),
    ];
    for (what, before, change) in cases {
        let mut bench = Bench::of(A);
        before(&mut bench);
        bench.jobs();
        let mut frame = data(&bench.plans, 0, 0, X, 0);
        change(&mut frame);
        let (from, requests) = (Peer::Gateway(RUN), bench.worker.requests());
        bench.handle(1, Event::Data(from, frame));
        assert!(bench.jobs().is_empty(), "{what}");
        assert_eq!(bench.worker.requests(), requests, "{what}");
    }
}

/// Who was waited for in vain is not waited for again, before a shard of it comes.
#[test]
fn a_wait_is_in_vain_once() {
    let text = crate::fixture::edited("wait = \"auto\"", "wait = \"5ms\"");
    let mut bench =
        Bench::over(Arc::new(Plans::parse(&text).expect("reads")), B, WorkerConfig::default());
    bench.shard(10, 0, H, 1).shard(11, 0, H, 2).handle(16, Event::Tick);
    let job = bench.job();
    bench.done(17, job).shard(20, 1, H, 1).shard(21, 1, H, 2);
    let job = bench.job();
    assert_eq!(stages(&[job]), [(1, 1, 1)], "at once");
    bench.done(22, job).shard(23, 1, H, 0).shard(30, 2, H, 1).shard(31, 2, H, 2);
    assert!(bench.jobs().is_empty(), "its shard came, though late");
    bench.handle(36, Event::Tick);
    assert_eq!(stages(&bench.jobs()), [(2, 1, 1)]);
}

#[test]
fn with_a_wait_the_roster_is_waited_for() {
    let text = crate::fixture::edited("wait = \"auto\"", "wait = \"5ms\"");
    let plans = Arc::new(Plans::parse(&text).expect("reads"));
    let worker = || {
        let mut bench = Bench::over(plans.clone(), B, WorkerConfig::default());
        bench.handle(0, Event::Tick).shard(10, 0, H, 0).shard(11, 0, H, 2);
        assert!(bench.jobs().is_empty());
        assert_eq!(bench.worker.wake_at(), ms(16));
        bench
    };
    let mut bench = worker();
    bench.handle(16, Event::Tick);
    assert_eq!(bench.jobs().len(), 1, "the time has passed");
    assert_eq!(bench.worker.wake_at(), ms(25), "the heartbeat");
    let mut bench = worker();
    bench.shard(13, 0, H, 1);
    assert_eq!(bench.jobs().len(), 1, "the roster is there");
    assert_eq!(bench.worker.counters().decoded, 0);
    assert_eq!(bench.worker.wake_at(), ms(25), "nothing is left to wait for");
    let mut bench = worker();
    bench.finished(12, 1, &[]);
    assert!(bench.worker.is_idle());
}

#[test]
fn requests_and_bytes_are_bounded() {
    let config = WorkerConfig { requests_max: 3, ..WorkerConfig::default() };
    let mut bench = Bench::new(B, config);
    for number in 0..10 {
        let mut frame = data(&bench.plans, 0, number, H, 0);
        frame.deadline_left_us = 1000 * (100 - number as u32);
        bench.frame(0, frame);
        assert!(bench.worker.requests() <= 3);
    }
    bench.shard(1, 0, H, 1);
    assert_eq!(stages(&bench.jobs()), [(0, 1, 1)], "the oldest stay");

    let config = WorkerConfig { payload_bytes_max: 100, ..WorkerConfig::default() };
    let mut bench = Bench::new(B, config);
    for number in 0..50 {
        bench.shard(0, number, H, 0);
        assert!(bench.worker.payload_bytes() <= 100);
    }
    assert_eq!(bench.worker.payload_bytes(), 96, "12 bytes each");
    // What is let go of is not begun anew by what comes still, and what is nearly
    // done is done: the newest give way to what its shards are merged into.
    for number in [40, 0] {
        bench.shard(1, number, H, 1);
    }
    assert_eq!(stages(&bench.jobs()), [(0, 1, 1)]);
    assert_eq!(bench.worker.payload_bytes(), 96, "two and the value, and four");

    // One gateway's requests do not cost another's.
    let config = WorkerConfig { payload_bytes_max: 100, ..WorkerConfig::default() };
    let mut bench = Bench::new(B, config);
    let other = GatewayRun { gateway: 99, epoch: 1 };
    let mut frame = data(&bench.plans, 0, 0, H, 0);
    frame.request.run = other;
    for number in 0..20 {
        bench.shard(0, number, H, 0);
        if number == 10 {
            bench.frame(0, frame.clone());
        }
    }
    let mut second = data(&bench.plans, 0, 0, H, 1);
    second.request.run = other;
    bench.frame(1, second);
    assert_eq!(bench.job().request.run, other);

    // Frames of a value that no task here reads keep nothing.
    let mut bench = Bench::of(B);
    for number in 0..10 {
        let frame = data(&bench.plans, 1, number, X, 0);
        bench.frame(0, frame);
    }
    assert_eq!(bench.worker.requests(), 0);
    assert_eq!(bench.worker.counters().refused, 0, "they were well-formed");
}
