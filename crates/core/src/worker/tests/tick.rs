//! What the passing of time does.

use super::*;

#[test]
fn a_deadline_ends_it() {
    let mut bench = Bench::of(A);
    bench.shard(0, 0, X, 0).shard(0, 1, X, 0);
    let job = bench.job();
    bench.worker.handle(ms(999), Event::Tick, &mut bench.commands);
    assert_eq!(bench.worker.requests(), 2);
    bench.handle(1000, Event::Tick);
    assert_eq!(bench.worker.requests(), 0);
    bench.done(1001, job);
    assert!(bench.jobs().is_empty() && bench.worker.is_idle());
    // A task that waits for a lane is skipped as well, tick or no tick.
    let mut bench = Bench::of(A);
    bench.shard(0, 0, X, 0).shard(0, 1, X, 0);
    let job = bench.job();
    bench.done(1001, job);
    assert!(bench.jobs().is_empty());
    assert_eq!(bench.worker.counters().skipped, 1);
}

#[test]
fn an_absurd_deadline_is_not_believed() {
    let mut bench = Bench::of(A);
    let mut frame = data(&bench.plans, 0, 0, X, 0);
    frame.deadline_left_us = u32::MAX;
    bench.frame(0, frame).handle(600_000, Event::Tick);
    assert_eq!(bench.worker.requests(), 0);
}

#[test]
fn refusals_are_counted_and_heartbeats_regular() {
    let mut bench = Bench::of(A);
    let mut frame = data(&bench.plans, 0, 0, H, 1);
    frame.members = DeviceSet::first(2);
    bench.handle(0, Event::Data(Peer::Device(B), frame));
    assert!(matches!(bench.commands[0], Command::Refuse(Peer::Device(B), Refusal::Members { .. })));
    bench.commands.clear();
    bench.handle(24, Event::Tick);
    // A count asks for nothing, even where a heartbeat is due.
    bench.handle(25, Event::Dropped(4));
    assert!(bench.commands.is_empty());
    bench.handle(25, Event::Tick);
    let Command::Beat(beat) = &bench.commands[0] else { panic!("no heartbeat") };
    assert_eq!((beat.refused, beat.dropped), (1, 4));
    assert_eq!(bench.worker.wake_at(), ms(50));
}
