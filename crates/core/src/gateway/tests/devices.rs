//! Devices that come and go.

use super::*;
use crate::id::PlanId;

#[test]
fn suspects_are_left_out_of_the_roster() {
    let mut bench = Bench::ready();
    bench.handle(1, Event::Down(B)).submit(1, 0);
    let (to, sent) = bench.input();
    assert_eq!(to, [A, B, C], "it may hear all the same");
    assert_eq!(sent.suspects, devices(&[B]));
    assert_eq!(bench.notices(), [Notice::Suspect(B)]);
    bench.up(2, B).submit(2, 1);
    assert_eq!(bench.input().1.suspects, DeviceSet::default());
    assert_eq!(bench.notices(), [Notice::Healthy(B)]);
}

#[test]
fn silence_is_noticed_and_disconnects_only_where_trusted() {
    let config = GatewayConfig { trust_disconnect: false, ..GatewayConfig::default() };
    let mut bench = Bench::over(PLAN, config);
    bench.up(0, A).up(0, B).up(0, C).beats(300, &[A, C]).handle(300, Event::Down(B));
    bench.handle(300, Event::Beat(A, reaches(&[C])));
    assert_eq!(bench.gateway.alive_devices(), devices(&[A, B, C]), "nor what others say");
    assert_eq!(bench.gateway.wake_at(), Some(ms(500)));
    bench.handle(500, Event::Tick);
    assert_eq!(bench.gateway.alive_devices(), devices(&[A, C]));
    bench.handle(501, Event::SuspectAfter(Duration::from_millis(100))).handle(501, Event::Tick);
    assert!(bench.gateway.alive_devices().is_empty());
}

#[test]
fn too_many_losses_move_a_request_to_a_fallback() {
    let mut bench = Bench::ready();
    bench.submit(1, 42);
    let (_, main) = bench.input();
    bench.handle(2, Event::Down(A));
    assert!(bench.inputs().is_empty(), "one is tolerated");
    bench.handle(3, Event::Down(C));
    let (to, sent) = bench.input();
    assert_eq!((to, sent.members, sent.attempt), (vec![B], devices(&[B]), 1));
    assert_eq!(sent.plan, bench.plans.all()[2].id());
    let notices = bench.notices();
    assert!(notices.contains(&Notice::Plan(2)) && notices.contains(&Notice::Resubmitted(1)));
    // Shards of the first attempt count no more.
    bench.result(4, 0, 1, &main).result(4, 0, 0, &main);
    assert_eq!(bench.job(), None);
    bench.result(5, 0, 0, &sent);
    let job = bench.job().expect("whole");
    assert_eq!(job.attempt, 1);
    bench.glued(6, Job { attempt: 0, ..job });
    assert!(bench.answers().is_empty(), "another attempt's glue");
    bench.glued(6, job);
    let answer = bench.answers().remove(0).1;
    assert_eq!((answer.attempts, answer.plan, answer.accepted), (2, 2, devices(&[B])));
}

#[test]
fn who_comes_anew_has_forgotten() {
    let mut bench = Bench::ready();
    bench.submit(1, 42);
    bench.inputs();
    bench.handle(2, Event::Down(A)).up(3, A).handle(4, Event::Down(B));
    let (to, sent) = bench.input();
    assert_eq!(to, [A, B, C], "A is there, but no longer knows of the first attempt");
    assert_eq!((sent.attempt, sent.suspects), (1, devices(&[B])));
}

#[test]
fn suspicions_that_flap_leave_an_attempt_its_time() {
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    let mut attempts = bench.inputs().len();
    for at in 1..1000 {
        let event = |device| match at % 2 {
            0 => Event::Beat(device, Heartbeat::default()),
            _ => Event::Down(device),
        };
        bench.handle(at, event(A)).handle(at, event(B)).handle(at, event(C));
        bench.handle(at, Event::Tick);
        attempts += bench.inputs().len();
    }
    assert!(attempts < 10, "{attempts} attempts in a second");
}

#[test]
fn another_bundle_takes_no_part() {
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    bench.inputs();
    let lacks = bench.plans.main().id();
    bench.handle(1, Event::Up(B, vec![PlanId(9)]));
    assert_eq!(bench.notices(), [Notice::Mismatch(B, lacks)]);
    assert_eq!(bench.gateway.alive_devices(), devices(&[A, C]));
    bench.beats(2, &[B]);
    assert_eq!(bench.gateway.alive_devices(), devices(&[A, C]), "it lives, but holds another");
    bench.handle(3, Event::Up(A, vec![])).handle(53, Event::Tick);
    assert_eq!(bench.input().1.members, devices(&[C]), "the request under way moves");
    bench.up(54, B).beats(54, &[B]);
    assert_eq!(bench.gateway.alive_devices(), devices(&[B, C]), "until it has this one");
    assert!(bench.notices().contains(&Notice::Match(B)));
}

/// A bundle of another version may have some plans in common with this one.
#[test]
fn a_device_takes_part_in_the_plans_that_it_holds() {
    let mut bench = Bench::ready();
    let [main, two, one] = [0, 1, 2].map(|index| bench.plans.all()[index].id());
    bench.handle(1, Event::Up(B, vec![main, one]));
    assert_eq!(bench.notices(), [Notice::Mismatch(B, two)]);
    bench.submit(2, 42);
    let sent = bench.input().1;
    assert_eq!((sent.plan, sent.suspects), (main, devices(&[])));
    // Who lacks the main plan is one that it does without.
    bench.handle(3, Event::Up(B, vec![two, one])).submit(4, 43);
    assert_eq!(bench.notices()[0], Notice::Mismatch(B, main));
    let sent = bench.input().1;
    assert_eq!((sent.plan, sent.suspects), (main, devices(&[B])));
    // One more is too many: both move to those that hold the plan for two.
    bench.handle(5, Event::Down(A)).handle(60, Event::Tick);
    let by = |bench: &mut Bench| -> Vec<(PlanId, DeviceSet)> {
        bench.inputs().iter().map(|(_, data)| (data.plan, data.members)).collect()
    };
    assert_eq!(by(&mut bench), [(two, devices(&[B, C])); 2]);
    bench.handle(61, Event::Up(B, vec![one])).handle(200, Event::Tick);
    assert_eq!(by(&mut bench), [(one, devices(&[B])); 2]);
}

/// A gateway that heard nobody for a while takes nothing for lost.
#[test]
fn a_pause_of_the_gateway_moves_nothing() {
    let mut bench = Bench::ready();
    bench.submit(0, 42).handle(600, Event::Tick);
    bench.inputs();
    assert!(!bench.gateway.is_quorate());
    bench.beats(601, &[C]).beats(620, &[A, B]).handle(700, Event::Tick);
    assert!(bench.inputs().is_empty());
}

#[test]
fn whether_a_request_could_be_answered_is_told_when_it_changes() {
    let mut bench = Bench::over(without_fallbacks(), GatewayConfig::default());
    let quorate = |bench: &mut Bench| -> Vec<bool> {
        let told = |notice: Notice| match notice {
            Notice::Quorate(now) => Some(now),
            _ => None,
        };
        bench.notices().into_iter().filter_map(told).collect()
    };
    let cases: [(Event, Vec<bool>); 6] = [
        (Event::Beat(A, Heartbeat::default()), vec![]),
        (Event::Beat(B, Heartbeat::default()), vec![true]),
        (Event::Beat(C, Heartbeat::default()), vec![]),
        (Event::Down(A), vec![]),
        (Event::Down(B), vec![false]),
        (Event::Beat(A, Heartbeat::default()), vec![true]),
    ];
    for (step, (event, expected)) in cases.into_iter().enumerate() {
        bench.handle(step as u64, event);
        assert_eq!(quorate(&mut bench), expected, "step {step}");
        assert_eq!(bench.gateway.is_quorate(), bench.gateway.quorate);
    }
}

/// A sign of life from a device that reaches these.
fn reaches(list: &[DeviceId]) -> Heartbeat {
    Heartbeat { reaches: devices(list), ..Heartbeat::default() }
}

#[test]
fn devices_that_do_not_reach_each_other_are_not_counted_on() {
    let mut bench = Bench::ready();
    bench.submit(1, 42);
    bench.input();
    bench.handle(2, Event::Beat(A, reaches(&[C])));
    assert_eq!(bench.gateway.alive_devices(), devices(&[A, C]), "one of the two is enough");
    assert!(bench.inputs().is_empty(), "one is tolerated");
    bench.submit(3, 43);
    assert_eq!(bench.input().1.suspects, devices(&[B]));
    // Without c nobody makes up for what a and b do not send each other.
    bench.handle(4, Event::Down(C));
    let moved = bench.inputs();
    assert_eq!(moved.len(), 2);
    assert!(moved.iter().all(|(to, sent)| (to, sent.attempt) == (&vec![A], 1)), "{moved:?}");
    // What was lost stays lost, but new requests can count on both.
    bench.handle(5, Event::Beat(A, reaches(&[B, C])));
    assert_eq!(bench.gateway.alive_devices(), devices(&[A, B]));
}

#[test]
fn who_comes_anew_reaches_nobody_at_first() {
    let mut bench = Bench::ready();
    bench.handle(1, Event::Beat(B, reaches(&[A, C])));
    bench.handle(2, Event::Down(B)).up(3, B);
    assert_eq!(bench.gateway.alive_devices(), devices(&[A, C]));
    bench.handle(4, Event::Beat(B, reaches(&[A, C])));
    assert_eq!(bench.gateway.alive_devices(), devices(&[A, B, C]));
}

#[test]
fn silent_devices_are_sent_something_that_shows_whether_they_are_there() {
    let mut bench = Bench::ready();
    bench.marks();
    bench.beats(400, &[A, B]).handle(500, Event::Tick);
    let nudges = |bench: &mut Bench| {
        bench.taken(|command| match command {
            Command::Send(to, Frame::Watermark(_)) => Some(to.clone()),
            _ => None,
        })
    };
    assert_eq!(nudges(&mut bench), [[C]]);
    assert_eq!(bench.gateway.wake_at(), Some(ms(600)));
    bench.handle(599, Event::Tick);
    assert!(nudges(&mut bench).is_empty());
    bench.handle(600, Event::Tick);
    assert_eq!(nudges(&mut bench), [[C]]);
    bench.handle(601, Event::Down(C)).beats(650, &[A, B]).handle(700, Event::Tick);
    assert!(nudges(&mut bench).is_empty(), "it is dialled again anyway");
}
