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

#[test]
fn gateways_are_bounded() {
    let mut bench = Bench::of(A);
    for gateway in 0..1000 {
        bench.handle(0, Event::Gateway(GatewayRun { gateway, epoch: 1 }));
    }
    assert!(bench.worker.finished.len() <= GATEWAYS_MAX);
}
