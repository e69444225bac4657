//! What the passing of time does.

use super::*;

#[test]
fn time_outs_take_fewer_devices_each() {
    let mut bench = Bench::ready();
    bench.submit_with(0, 42, 100_000);
    let mut sent = vec![bench.input().1];
    let mut times = Vec::new();
    for at in (0..40_000).step_by(100) {
        bench.beats(at, &[A, B, C]).handle(at, Event::Tick);
        for (_, data) in bench.inputs() {
            times.push(at);
            sent.push(data);
        }
    }
    assert_eq!(times, [2000, 6000, 14_000, 30_000], "twice as long each time");
    let plan = |data: &Data| bench.plans.all().iter().position(|p| p.id() == data.plan);
    let plans: Vec<_> = sent.iter().map(|data| plan(data).expect("known")).collect();
    assert_eq!(plans, [0, 0, 2, 2, 2]);
    let alone: Vec<_> = sent[2..].iter().map(|data| data.members).collect();
    let alike = alone.iter().filter(|m| **m == alone[0]).count();
    assert_eq!(alike, 1, "another device each time: {alone:?}");
    assert!(bench.failures().is_empty());
}

/// Where everything stands still, trying all of it again would only add to that.
#[test]
fn further_attempts_have_a_budget() {
    let mut bench = Bench::ready();
    for token in 0..1000 {
        bench.submit_with(0, token, 100_000);
    }
    assert_eq!(bench.inputs().len(), 1000);
    let mut again = 0;
    for at in (0..=2000).step_by(100) {
        bench.beats(at, &[A, B, C]).handle(at, Event::Tick);
        again += bench.inputs().len();
    }
    assert_eq!(again, 100, "one for five, and what may be saved at most");
    // Those that lose their devices move, whatever was spent; the rest has just begun.
    for device in [B, C] {
        bench.handle(2001, Event::Down(device));
    }
    assert_eq!(bench.inputs().len(), 900);
}

#[test]
fn a_deadline_says_what_is_missing() {
    let shared = "no answer within 10000 ms and 1 attempts: result y has 1 of 2 shards under plan \
                  main";
    let cases: [(&[DeviceId], String); 2] = [
        (&[A, B, C], format!("{shared}, all devices are heard from")),
        (&[A, C], format!("{shared}, not heard from b")),
    ];
    for (alive, words) in cases {
        let config =
            GatewayConfig { resubmit_after: Duration::from_secs(60), ..GatewayConfig::default() };
        let mut bench = Bench::ready_over(PLAN, config);
        bench.submit(0, 42);
        let (_, sent) = bench.input();
        bench.result(1, 0, 0, &sent);
        (0..10_000).step_by(100).for_each(|at| drop(bench.beats(at, alive).notices()));
        bench.handle(10_000, Event::Tick);
        assert_eq!(bench.failures(), [(42, words)]);
        let mut marks = bench.marks();
        marks.retain(|mark| *mark != (0, vec![]));
        marks.dedup();
        assert_eq!(marks, [(1, vec![])], "the devices may forget it");
        bench.result(10_001, 0, 1, &sent).handle(20_000, Event::Tick);
        assert!(bench.job().is_none() && bench.failures().is_empty());
    }
    let mut bench = Bench::alone();
    bench.submit(0, 42).handle(10_000, Event::Tick);
    let (_, words) = bench.failures().remove(0);
    assert!(words.ends_with(", not heard from a, b, c, which layer fc1 needs"), "{words}");
}

#[test]
fn a_watermark_hides_no_open_request() {
    let mut bench = Bench::ready();
    let mut open = Vec::new();
    for number in 0..600u64 {
        bench.submit_with(0, number, 60_000);
        open.push(number);
    }
    let sent = bench.inputs();
    let finish = |bench: &mut Bench, at: u64, number: u64| {
        let data = &sent[number as usize].1;
        bench.result(at, number, 0, data).result(at, number, 1, data);
        let job = bench.job().expect("gathered");
        bench.glued(at, job);
    };
    // Request 3 stays open for long.
    for (step, number) in (0..600).filter(|n| *n != 3).enumerate() {
        finish(&mut bench, step as u64, number);
        open.retain(|n| *n != number);
        for (below, also) in bench.marks() {
            assert!(open.iter().all(|n| *n >= below && !also.contains(n)));
            assert!(also.len() <= ALSO_MAX);
            assert!(number < 3 || below == 3);
            let newest = also.iter().max().copied();
            assert!(number < 9 || newest >= Some(number - 6), "the newest are announced");
        }
    }
    finish(&mut bench, 700, 3);
    bench.handle(720, Event::Tick);
    assert_eq!(bench.marks().last(), Some(&(600, vec![])));
}

#[test]
fn watermarks_keep_their_distance() {
    let mut bench = Bench::ready();
    (0..4).for_each(|token| drop(bench.submit(0, token).notices()));
    let sent = bench.inputs();
    let mut marks = Vec::new();
    for (at, number) in [(1, 0), (2, 1), (3, 2), (4, 3)] {
        let data = &sent[number as usize].1;
        bench.result(at, number, 0, data).result(at, number, 1, data);
        let job = bench.job().expect("gathered");
        marks.extend(bench.glued(at, job).marks());
    }
    assert_eq!(marks, [(1, vec![])]);
    assert_eq!(bench.gateway.wake_at(), Some(ms(6)));
    assert_eq!(bench.handle(6, Event::Tick).marks(), [(4, vec![])]);
    assert_eq!(bench.plans.main().result(), [ValueId(2)]);
    assert_eq!(plans().main().id(), bench.plans.main().id());
}

/// What came while this process stood still is taken in before anybody counts as
/// silent, however late it is.
#[test]
fn a_stall_of_the_gateway_is_nobodys_silence() {
    for stall in [400, 501, 560, 600, 601, 1500] {
        let mut bench = Bench::ready();
        bench.beats(100, &[A, B, C]);
        let now = ms(100 + stall);
        for device in [A, B, C] {
            let beat = Event::Beat(device, Heartbeat::default());
            bench.gateway.handle(now, beat, &mut bench.commands);
        }
        bench.gateway.handle(now, Event::Tick, &mut bench.commands);
        assert_eq!(bench.gateway.alive_devices(), devices(&[A, B, C]), "{stall} ms");
    }
}
