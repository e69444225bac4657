//! Gateways that connect, and connect again.

use super::*;

#[test]
fn a_new_run_of_a_gateway_drops_the_old_one() {
    let mut bench = Bench::of(A);
    bench.shard(0, 0, X, 0).shard(0, 1, X, 0).newer_run(1);
    assert_eq!(bench.worker.requests(), 0);
    let running = bench.job();
    bench.done(2, running);
    assert!(bench.sends().is_empty());
    assert!(bench.worker.is_idle());
    bench.finished(3, 9, &[]);
    let mut frame = data(&bench.plans, 0, 0, X, 0);
    frame.request.run.epoch += 1;
    bench.frame(4, frame);
    assert_eq!(bench.jobs().len(), 1, "an old run's mark says nothing of the new one");
}

/// Shorter than deadlines.
const GRACE: Duration = Duration::from_millis(500);

fn bench() -> Bench {
    Bench::new(A, WorkerConfig { gateway_grace: GRACE, ..WorkerConfig::default() })
}

/// Request 0 of another run, as a device sends a shard of it and as its gateway
/// sends the input.
fn of_run(bench: &Bench, run: GatewayRun) -> [Data; 2] {
    let mut frames = [data(&bench.plans, 0, 0, H, 1), data(&bench.plans, 0, 0, X, 0)];
    frames.iter_mut().for_each(|frame| frame.request.run = run);
    frames
}

#[test]
fn nobody_works_for_a_gateway_that_is_gone() {
    let mut bench = bench();
    bench.handle(0, Event::Gateway(RUN)).shard(1, 0, X, 0);
    let running = bench.job();
    bench.shard(2, 1, X, 0).handle(3, Event::GatewayGone(RUN));
    // It may only have lost its connection: what is under way goes on.
    bench.handle(502, Event::Tick);
    assert_eq!(bench.worker.requests(), 2);
    assert_eq!(bench.worker.wake_at(), ms(503));
    bench.handle(503, Event::Tick).done(504, running);
    assert!(bench.worker.is_idle(), "{} requests", bench.worker.requests());
    assert!(bench.jobs().is_empty() && bench.sends().is_empty());
    // Nor where others still send what they made for it.
    let [shard, input] = of_run(&bench, RUN);
    bench.frame(505, shard);
    assert!(bench.worker.is_idle());
    // It was only away.
    bench.handle(506, Event::Gateway(RUN)).frame(507, input);
    assert_eq!(bench.jobs().len(), 1);
}

#[test]
fn a_gateway_that_is_back_in_time_loses_nothing() {
    let mut bench = bench();
    bench.handle(0, Event::Gateway(RUN)).shard(1, 0, X, 0);
    bench.handle(2, Event::GatewayGone(RUN)).handle(400, Event::Gateway(RUN));
    let running = bench.handle(900, Event::Tick).job();
    bench.done(901, running);
    assert_eq!(bench.sends().len(), 1);
}

#[test]
fn a_higher_number_takes_nobodys_place() {
    let newer = GatewayRun { epoch: u64::MAX, ..RUN };
    let mut bench = Bench::of(A);
    bench.handle(0, Event::Gateway(RUN)).shard(1, 0, X, 0);
    let running = bench.job();
    // Somebody says that there is a newer run, in a shard and then by a hello.
    let [shard, _] = of_run(&bench, newer);
    bench.frame(2, shard).handle(3, Event::Gateway(newer));
    bench.done(4, running);
    assert_eq!(bench.sends().len(), 1, "the one that has its connection is served");
    // That one starts anew: it is served though its number is the lower one.
    let next = GatewayRun { epoch: RUN.epoch + 1, ..RUN };
    bench.handle(5, Event::GatewayGone(RUN)).handle(6, Event::Gateway(next));
    let [_, input] = of_run(&bench, next);
    bench.frame(7, input);
    assert_eq!(bench.jobs().len(), 1);
}

#[test]
fn an_older_run_that_loses_its_connection_ends_where_a_newer_one_has_one() {
    let mut bench = Bench::of(A);
    bench.handle(0, Event::Gateway(RUN)).shard(1, 0, X, 0);
    bench.newer_run(2);
    assert_eq!(bench.worker.requests(), 1);
    bench.handle(3, Event::GatewayGone(RUN));
    assert_eq!(bench.worker.requests(), 0);
}

#[test]
fn runs_are_bounded_and_the_oldest_give_way() {
    let run = |gateway| GatewayRun { gateway, epoch: 1 };
    let mut bench = Bench::of(A);
    for gateway in 0..1000 {
        bench.handle(0, Event::Gateway(run(gateway)));
        bench.handle(0, Event::GatewayGone(run(gateway)));
    }
    assert_eq!(bench.worker.gateways.count(), gateways::RUNS_MAX);
    // Of those that are known from shards alone, too.
    for gateway in 2000..3000 {
        let [_, input] = of_run(&bench, run(gateway));
        bench.frame(0, input).finished_of(0, run(gateway), 1);
    }
    assert_eq!(bench.worker.gateways.count(), gateways::RUNS_MAX);
    assert!(bench.worker.requests() == 0 && bench.worker.serves(run(2999)));
}
