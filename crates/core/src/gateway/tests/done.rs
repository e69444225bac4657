//! Jobs that end.

use super::*;
use crate::audit::Verified;

#[test]
fn a_request_from_submit_to_answer() {
    let mut bench = Bench::ready();
    bench.submit(1, 42);
    let (to, sent) = bench.input();
    assert_eq!(to, [A, B, C]);
    assert_eq!((sent.value, sent.attempt, sent.deadline_left_us), (X, 0, 10_000_000));
    assert_eq!(sent.suspects, DeviceSet::default());
    assert!(bench.plans.admit(Peer::Gateway(RUN), &sent).is_ok());
    bench.result(2, 0, 0, &sent).result(2, 0, 0, &sent);
    assert_eq!(bench.job(), None);
    bench.result(3, 0, 2, &sent);
    let job = bench.job().expect("any two of three");
    bench.result(3, 0, 1, &sent);
    assert_eq!(bench.job(), None, "the last glue runs once");
    bench.glued(4, job).glued(4, job);
    // The bench is at 1 ms a step, a request came at 1.
    let at = |device, ms| (device, Duration::from_millis(ms));
    let accepted = devices(&[A, C]);
    let arrivals = vec![at(A, 1), at(C, 2)];
    let verified = Verified::Off;
    let provenance =
        Provenance { attempts: 1, plan: 0, decoded: true, accepted, verified, arrivals };
    assert_eq!(bench.answers(), [(42, provenance)]);
    assert_eq!(bench.gateway.pending(), 0);
    assert_eq!(bench.marks(), [(1, vec![])]);
}

#[test]
fn a_glue_that_fails_ends_the_request() {
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    let (_, sent) = bench.input();
    bench.result(1, 0, 0, &sent).result(1, 0, 1, &sent);
    let job = bench.job().expect("gathered");
    bench.handle(2, Event::Done(job, Err("no memory".to_owned())));
    assert_eq!(bench.failures(), [(42, "last glue: no memory".to_owned())]);
}
