//! Requests that come in.

use super::*;

#[test]
fn new_requests_follow_who_is_there() {
    let mut bench = Bench::ready();
    // What happens, the plan of the next request and its members.
    let cases: [(Event, usize, &[DeviceId]); 5] = [
        (Event::Down(A), 0, &[A, B, C]),
        (Event::Down(B), 2, &[C]),
        (Event::Beat(A, Heartbeat::default()), 0, &[A, B, C]),
        (Event::Down(C), 2, &[A]),
        (Event::Beat(B, Heartbeat::default()), 0, &[A, B, C]),
    ];
    for (step, (event, plan, members)) in cases.into_iter().enumerate() {
        let at = step as u64;
        bench.handle(at, event);
        bench.inputs();
        bench.submit(at, at);
        let (_, sent) = bench.input();
        assert_eq!(sent.plan, bench.plans.all()[plan].id(), "step {step}");
        assert_eq!(sent.members, devices(members), "step {step}");
    }
    assert_eq!(bench.gateway.pending(), 5);
}

#[test]
fn inputs_that_wait_are_not_pushed_off_every_device() {
    let mut bench = Bench::ready();
    bench.handle(1, Event::Crowded(devices(&[A]))).submit(1, 42);
    assert_eq!(bench.inputs().len(), 1, "one may miss it");
    bench.handle(2, Event::Crowded(devices(&[A, C]))).submit(2, 43);
    assert!(bench.inputs().is_empty());
    let [(43, words)] = &bench.failures()[..] else { panic!("it is refused") };
    assert!(words.starts_with("inputs for a, c wait to go out, and there is no room"), "{words}");
    bench.handle(3, Event::Crowded(DeviceSet::default())).submit(3, 44);
    assert_eq!(bench.inputs().len(), 1);
}

#[test]
fn nobody_is_there_yet() {
    let mut bench = Bench::alone();
    assert!(!bench.gateway.is_quorate());
    bench.submit(0, 42);
    assert!(bench.inputs().iter().all(|(to, _)| to.is_empty()));
    bench.up(100, C).handle(149, Event::Tick);
    assert!(bench.inputs().is_empty(), "others may come");
    bench.handle(150, Event::Tick);
    let (to, sent) = bench.input();
    assert_eq!((to, sent.plan), (vec![C], bench.plans.all()[2].id()));
    bench.result(151, 0, 0, &sent);
    assert!(bench.job().is_some());
}

/// Without fallbacks a request waits for enough devices, and then goes out.
#[test]
fn a_request_waits_for_enough_devices() {
    let mut bench = Bench::over(without_fallbacks(), GatewayConfig::default());
    bench.submit(0, 42).up(50, A);
    bench.handle(2000, Event::Tick).beats(2500, &[A]);
    assert!(bench.inputs().iter().all(|(to, _)| to.is_empty()));
    bench.up(2600, B).handle(2650, Event::Tick);
    assert_eq!(bench.input().0, [A, B, C]);
}

#[test]
fn wrong_requests_fail_at_once() {
    let config = GatewayConfig { pending_max: 1, ..GatewayConfig::default() };
    let mut bench = Bench::over(PLAN, config);
    let tensor = |shape: &[usize]| {
        let count = shape.iter().product();
        Tensor::from_f32(shape.to_vec(), &vec![0.0; count]).expect("fits")
    };
    let cases: [(Vec<Tensor>, &str); 4] = [
        (vec![], "model has 1 inputs, request 0"),
        (vec![tensor(&[8, 1])], "input x is f32 [8, 1], model takes f32 [1, 8]"),
        (vec![tensor(&[1, 8])], ""),
        (vec![tensor(&[1, 8])], "busy with 1 requests, limit 1: try again in 42 ms"),
    ];
    for (token, (inputs, words)) in cases.into_iter().enumerate() {
        let (token, deadline) = (token as u64, Duration::from_secs(1));
        bench.handle(0, Event::Submit { token, inputs, deadline, verify: Verify::Off });
        let expected = (!words.is_empty()).then(|| (token, words.to_owned()));
        assert_eq!(bench.failures(), Vec::from_iter(expected));
    }
    assert_eq!(bench.gateway.watermark().below, 0, "those that failed took no number");
}

/// While requests flow, no more are under way than keep the devices busy; where
/// nothing flows, all that come are taken in.
#[test]
fn what_is_too_much_is_refused_at_once() {
    let config = GatewayConfig { adapt: true, ..GatewayConfig::default() };
    let mut bench = Bench::ready_over(PLAN, config);
    // One device that does a request each 10 ms, and three times as many.
    let (mut at, mut queue, mut most) = (0, std::collections::VecDeque::new(), 0);
    let mut refused = 0;
    for token in 0..3000 {
        if token % 3 == 0 {
            at += 10;
            if let Some(sent) = queue.pop_front() {
                let sent: Data = sent;
                let number = sent.request.number;
                bench.result(at, number, 0, &sent).result(at, number, 1, &sent);
                let job = bench.job().expect("gathered");
                bench.glued(at, job).answers();
            }
        }
        bench.beats(at, &[A, B, C]).submit(at, token);
        queue.extend(bench.inputs().into_iter().map(|(_, sent)| sent));
        refused += bench.failures().len();
        if token > 1000 {
            most = most.max(bench.gateway.pending());
        }
    }
    assert!(refused > 1900, "{refused} of 3000 refused");
    assert!(most <= 4, "{most} wait for one");
    // Nothing is answered any more: there is room.
    at += 400;
    bench.beats(at, &[A, B, C]).submit(at, 1).submit(at, 2).submit(at, 3);
    assert!(bench.failures().is_empty());
}
