//! Requests that nobody waits for any more.

use super::*;

#[test]
fn at_its_end_the_devices_forget_all() {
    let mut bench = Bench::ready();
    bench.submit(0, 42).submit(0, 43).handle(1, Event::End);
    assert_eq!(bench.marks(), [(2, vec![])]);
    bench.handle(20_000, Event::Tick);
    assert!(bench.answers().is_empty() && bench.failures().is_empty());
    assert_eq!(bench.gateway.pending(), 0);
}

#[test]
fn a_cancelled_request_is_forgotten() {
    let config = GatewayConfig { pending_max: 2, ..GatewayConfig::default() };
    let mut bench = Bench::ready_over(PLAN, config);
    bench.submit(0, 42).submit(0, 43);
    let sent = bench.inputs();
    bench.result(1, 0, 0, &sent[0].1).result(1, 0, 1, &sent[0].1);
    let job = bench.job().expect("gathered");
    bench.handle(2, Event::Cancel(42));
    assert_eq!(bench.marks(), [(1, vec![])], "the devices may forget it");
    // Its last glue, another cancel and one of an unknown token come too late.
    bench.glued(3, job).handle(3, Event::Cancel(42)).handle(3, Event::Cancel(7));
    bench.handle(20_000, Event::Tick);
    assert!(bench.answers().is_empty());
    assert_eq!(bench.failures().len(), 1, "the other one is not cancelled");
    bench.submit(20_000, 44).submit(20_000, 45);
    assert_eq!((bench.gateway.pending(), bench.failures()), (2, vec![]), "its place is free");
}
