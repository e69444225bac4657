//! Answers that are checked.

use quorate_code::ShardSet;

use super::*;
use crate::audit::{Audited, Finding, Verified};
use crate::frame::Report;

/// The fixture, where each of two devices has a copy of all.
fn text() -> String {
    let one = "code = \"none\"\ndata = [\"seat-1\"]";
    let two = "rows = [3, 2]\ncode = \"none\"\ndata = [\"seat-1\", \"seat-2\"]";
    let copied = "data = [\"seat-1\"]\nreplicas = [\"seat-2\"]";
    assert!(PLAN.contains(one) && PLAN.contains(two));
    PLAN.replacen(one, copied, 1).replacen(two, &format!("rows = [5]\n{copied}"), 1)
}

/// All three devices are there, and what is usual is known.
fn bench() -> Bench {
    bench_with(GatewayConfig::default())
}

fn bench_with(config: GatewayConfig) -> Bench {
    let (mut usual, text) = (Usual::default(), text());
    for plan in Plans::parse(&text).expect("reads").all() {
        [H, Y].iter().for_each(|value| usual.saw(plan.id(), *value, false, 0.0));
    }
    Bench::ready_over(&text, GatewayConfig { usual: Arc::new(usual), ..config })
}

impl Bench {
    fn ask(&mut self, at: u64, token: u64, verify: Verify) -> Data {
        let inputs = vec![Tensor::from_f32(vec![1, 8], &[1.0; 8]).expect("fits")];
        let deadline = Duration::from_secs(10);
        self.handle(at, Event::Submit { token, inputs, deadline, verify });
        self.inputs().remove(0).1
    }

    /// Two shards of the result, and the last glue.
    fn answered(&mut self, at: u64, number: u64, sent: &Data) -> &mut Bench {
        self.result(at, number, 0, sent).result(at, number, 1, sent);
        let job = self.job().expect("whole");
        self.glued(at, job)
    }

    /// The rest of the result, which fits.
    fn results_fit(&mut self, at: u64, number: u64, sent: &Data) -> &mut Bench {
        self.rest_fits(at, number, (2, sent))
    }

    /// The same, which is this shard.
    fn rest_fits(&mut self, at: u64, number: u64, (last, sent): (usize, &Data)) -> &mut Bench {
        self.result(at, number, last, sent);
        let audits = self.taken(|command| match command {
            Command::Audit(job, audits) => Some((*job, audits.len())),
            _ => None,
        });
        let [(job, 1)] = audits[..] else { panic!("{audits:?}") };
        self.handle(at, Event::Audited(job, vec![found(Y, Finding::Clean)]))
    }

    fn report(&mut self, at: u64, from: DeviceId, sent: &Data, finding: Finding) -> &mut Bench {
        let Data { request, attempt, plan, .. } = *sent;
        let audited = vec![found(H, finding)];
        let report = Report { request, attempt, plan, is_complete: true, audited };
        self.handle(at, Event::Report(from, report))
    }

    fn verified(&mut self) -> Vec<Verified> {
        self.answers().into_iter().map(|(_, provenance)| provenance.verified).collect()
    }
}

fn found(value: ValueId, finding: Finding) -> Audited {
    Audited { value, have: ShardSet::first(3), finding }
}

fn suspects(shards: &[usize]) -> Finding {
    Finding::Corrupt(shards.iter().copied().collect())
}

#[test]
fn an_answer_is_held_back_until_all_was_checked() {
    let mut bench = bench();
    let sent = bench.ask(1, 5, Verify::Correct);
    assert!(sent.checks.audit && sent.checks.strict);
    bench.answered(2, 0, &sent).results_fit(3, 0, &sent);
    bench.report(4, A, &sent, Finding::Clean).report(4, B, &sent, Finding::Clean);
    assert!(bench.verified().is_empty(), "c has said nothing yet");
    bench.report(5, C, &sent, Finding::Clean);
    assert_eq!(bench.verified(), [Verified::Yes]);
    assert_eq!(bench.gateway.pending(), 0);
}

#[test]
fn reports_are_not_waited_for_for_ever() {
    let mut bench = bench();
    let sent = bench.ask(1, 5, Verify::Correct);
    bench.answered(2, 0, &sent).beats(400, &[A, B, C]);
    bench.handle(502, Event::Tick);
    assert!(bench.verified().is_empty(), "the results themselves are looked at first");
    let audits = bench.taken(|command| match command {
        Command::Audit(job, _) => Some(*job),
        _ => None,
    });
    let unchecked = Audited { have: ShardSet::first(2), ..found(Y, Finding::Unchecked) };
    bench.handle(503, Event::Audited(audits[0], vec![unchecked])).beats(800, &[A, B, C]);
    bench.handle(1002, Event::Tick);
    assert_eq!(bench.verified(), [Verified::No]);
}

/// What is checked is what was used: of shards that somebody has, or may have had
/// a part of, none may be left over.
#[test]
fn a_shard_that_was_used_unchecked_leaves_the_answer_unverified() {
    let set = |shards: &[usize]| shards.iter().copied().collect::<ShardSet>();
    // What c has of `h`, and found; whether the answer is verified.
    let cases = [
        (set(&[0, 1, 2]), Finding::Clean, Verified::Yes),
        (set(&[0, 1]), Finding::Unchecked, Verified::Yes),
        (set(&[0, 2]), Finding::Unchecked, Verified::No),
    ];
    for (have, finding, verified) in cases {
        let mut bench = bench();
        let sent = bench.ask(1, 5, Verify::Correct);
        bench.answered(2, 0, &sent).results_fit(3, 0, &sent);
        let tell = |device, have, finding, is_complete| {
            let Data { request, attempt, plan, .. } = sent;
            let audited = vec![Audited { value: H, have, finding }];
            Event::Report(device, Report { request, attempt, plan, is_complete, audited })
        };
        // Shard 2 of `h` may have come too late for a and b, but not for c.
        let clean = if finding == Finding::Clean { have } else { set(&[0, 1]) };
        bench.handle(4, tell(A, clean, Finding::Clean, true));
        bench.handle(4, tell(B, clean, Finding::Clean, true));
        bench.handle(5, tell(C, have, finding, true));
        assert_eq!(bench.verified(), [verified], "{have:?}");
    }
}

#[test]
fn an_answer_may_be_given_first_and_checked_afterwards() {
    let mut bench = bench();
    let sent = bench.ask(1, 5, Verify::Detect);
    bench.answered(2, 0, &sent);
    assert_eq!(bench.verified(), [Verified::Pending]);
    bench.results_fit(3, 0, &sent);
    for device in [A, B, C] {
        bench.report(4, device, &sent, Finding::Clean);
    }
    assert_eq!(bench.notices(), [Notice::Audited(5, Verified::Yes)]);
    assert_eq!(bench.gateway.pending(), 0);
    let sent = bench.ask(5, 6, Verify::Detect);
    bench.answered(6, 1, &sent).report(7, A, &sent, suspects(&[1]));
    let wrong = [
        Notice::Contradiction("fc1".to_owned(), devices(&[B])),
        Notice::Audited(6, Verified::No),
        Notice::Wrong(B),
    ];
    assert_eq!(bench.notices(), wrong);
    // From now on it is not used.
    let sent = bench.ask(8, 7, Verify::Off);
    assert_eq!((sent.suspects, sent.checks.strict), (devices(&[B]), true));
}

#[test]
fn whoever_may_be_wrong_is_left_out_in_turn() {
    let mut bench = bench();
    let first = bench.ask(1, 5, Verify::Correct);
    bench.report(2, A, &first, suspects(&[0, 1, 2]));
    let (to, second) = bench.input();
    assert_eq!((to, second.attempt, second.members), (vec![A, B], 1, devices(&[A, B])));
    assert_eq!(second.plan, bench.plans.all()[1].id());
    // Of two, either may be wrong: c was not.
    bench.report(3, A, &second, suspects(&[0, 1]));
    let (to, third) = bench.input();
    assert_eq!((to, third.attempt, third.members), (vec![A, C], 2, devices(&[A, C])));
    bench.report(4, A, &third, suspects(&[0, 1]));
    let (to, last) = bench.input();
    assert_eq!((to, last.attempt, last.members), (vec![B, C], 3, devices(&[B, C])));
    assert!(bench.notices().contains(&Notice::Wrong(A)));
}

/// A device that errs now and then has another one blamed, and is found all the
/// same: then nobody but it is left out.
#[test]
fn who_was_left_out_by_mistake_comes_back() {
    let mut bench = bench();
    let sent = bench.ask(1, 5, Verify::Detect);
    bench.answered(2, 0, &sent).report(3, A, &sent, suspects(&[1]));
    assert!(bench.notices().contains(&Notice::Wrong(B)));
    assert_eq!(bench.answers().len(), 1);
    // It was a that erred. Without b, it and c contradict each other.
    let sent = bench.ask(5, 6, Verify::Correct);
    assert_eq!(sent.members, devices(&[A, C]));
    bench.report(6, C, &sent, suspects(&[0, 1]));
    let sent = bench.input().1;
    assert_eq!((sent.attempt, sent.members), (1, devices(&[A, B])));
    bench.report(7, B, &sent, suspects(&[0, 1]));
    assert!(bench.notices().contains(&Notice::Wrong(A)));
    let sent = bench.input().1;
    assert_eq!((sent.attempt, sent.members, sent.suspects), (2, devices(&[B, C]), devices(&[A])));
    let job = bench.result(8, 1, 0, &sent).job().expect("a copy is enough");
    bench.glued(8, job).rest_fits(9, 1, (1, &sent));
    for device in [B, C] {
        bench.report(10, device, &sent, Finding::Clean);
    }
    assert_eq!(bench.verified(), [Verified::Yes]);
    assert!(bench.notices().contains(&Notice::Rested(B)));
    let sent = bench.ask(11, 7, Verify::Correct);
    assert_eq!((sent.members, sent.suspects), (devices(&[B, C]), devices(&[A])));
}

#[test]
fn what_nobody_can_tell_is_an_error() {
    let mut bench = bench();
    bench.handle(1, Event::Down(C)).notices();
    let sent = bench.ask(2, 5, Verify::Correct);
    bench.report(3, A, &sent, suspects(&[0, 1]));
    let words = "layer fc1: the shards of a, b contradict each other, and there are too few \
                 devices to tell which is wrong";
    assert_eq!(bench.failures(), [(5, words.to_owned())]);
}

#[test]
fn a_bundle_that_was_not_measured_cannot_be_verified() {
    let mut bench = Bench::ready();
    let inputs = vec![Tensor::from_f32(vec![1, 8], &[1.0; 8]).expect("fits")];
    let (deadline, verify) = (Duration::from_secs(1), Verify::Detect);
    bench.handle(1, Event::Submit { token: 3, inputs, deadline, verify });
    assert!(bench.failures()[0].1.contains("pack it again"));
}

/// Whoever read what was wrong makes what contradicts the others, and is right.
#[test]
fn makers_are_blamed_only_for_what_they_made_of_what_was_right() {
    // Does anybody say that all of `h` fits, before `y` does not?
    for is_known in [true, false] {
        let mut bench = bench();
        let sent = bench.ask(1, 5, Verify::Correct);
        if is_known {
            bench.report(2, A, &sent, Finding::Clean);
        }
        let Data { request, attempt, plan, .. } = sent;
        let audited = vec![found(Y, suspects(&[1]))];
        let report = Report { request, attempt, plan, is_complete: false, audited };
        bench.handle(3, Event::Report(C, report));
        let notices = bench.notices();
        assert!(notices.contains(&Notice::Contradiction("fc2".to_owned(), devices(&[B]))));
        assert_eq!(notices.contains(&Notice::Wrong(B)), is_known, "{notices:?}");
        assert_eq!(bench.input().1.attempt, 1, "another attempt tells more");
    }
}

#[test]
fn who_was_wrong_has_to_show_that_it_is_right() {
    let mut bench = bench();
    let sent = bench.ask(1, 5, Verify::Detect);
    bench.answered(2, 0, &sent).report(3, A, &sent, suspects(&[1]));
    assert!(bench.notices().contains(&Notice::Wrong(B)));
    assert_eq!(bench.answers().len(), 1);
    // Its rest is over, and it is still wrong.
    for at in [400, 800, 1003] {
        bench.beats(at, &[A, B, C]);
    }
    let trial = bench.input().1;
    assert_eq!((trial.request.number, trial.suspects), (1, devices(&[])));
    bench.submit(1004, 6);
    assert_eq!(bench.input().1.suspects, devices(&[B]), "nobody else relies on it");
    bench.handle(1005, Event::Cancel(6)).report(1006, C, &trial, suspects(&[1]));
    assert!(bench.notices().contains(&Notice::Wrong(B)));
    // It rests for twice as long, and is right.
    for at in [1400, 1800, 2200, 2600, 3000] {
        assert!(bench.beats(at, &[A, B, C]).inputs().is_empty());
    }
    let trial = bench.beats(3006, &[A, B, C]).input().1;
    bench.answered(3007, 3, &trial).results_fit(3008, 3, &trial);
    for device in [A, B, C] {
        assert!(!bench.notices().contains(&Notice::Rested(B)));
        bench.report(3009, device, &trial, Finding::Clean);
    }
    assert!(bench.notices().contains(&Notice::Rested(B)));
    assert!(bench.answers().is_empty() && bench.failures().is_empty(), "nobody asked");
    bench.submit(3010, 7);
    assert_eq!(bench.input().1.suspects, DeviceSet::default());
}

#[test]
fn a_trial_that_shows_nothing_is_made_again() {
    let mut bench = bench();
    let sent = bench.ask(1, 5, Verify::Detect);
    bench.answered(2, 0, &sent).report(3, A, &sent, suspects(&[1]));
    assert_eq!(bench.answers().len(), 1);
    bench.handle(4, Event::Down(C)).notices();
    for at in [400, 800, 1003] {
        bench.beats(at, &[A, B]);
    }
    // Two that have the same: it can be held against a, until that is gone.
    let trial = bench.input().1;
    assert_eq!((trial.members, trial.request.number), (devices(&[A, B]), 1));
    bench.handle(1004, Event::Down(A)).result(1005, 1, 1, &trial);
    let job = bench.job().expect("a copy is enough");
    bench.glued(1006, job).beats(1400, &[B]).beats(1800, &[B]);
    let audits = bench.taken(|command| match command {
        Command::Audit(job, _) => Some(*job),
        _ => None,
    });
    let unchecked = Audited { have: ShardSet::first(2), ..found(Y, Finding::Unchecked) };
    bench.handle(1801, Event::Audited(audits[0], vec![unchecked])).up(2100, A);
    for at in [2200, 2400, 2800, 3200] {
        assert!(bench.beats(at, &[A, B]).inputs().is_empty());
    }
    let again = bench.beats(3401, &[A, B]).input().1;
    assert_eq!((again.members, again.request.number), (devices(&[A, B]), 2));
    assert!(!bench.notices().contains(&Notice::Rested(B)));
    assert!(bench.answers().is_empty() && bench.failures().is_empty());
}

#[test]
fn who_starts_anew_is_tried_out_at_once() {
    let mut bench = bench();
    let sent = bench.ask(1, 5, Verify::Detect);
    bench.answered(2, 0, &sent).report(3, A, &sent, suspects(&[1]));
    bench.handle(4, Event::Down(B)).up(10, B).handle(11, Event::Tick);
    assert!(!bench.notices().contains(&Notice::Rested(B)));
    let trial = bench.input().1;
    bench.answered(12, 1, &trial).results_fit(13, 1, &trial);
    for device in [A, B, C] {
        bench.report(14, device, &trial, Finding::Clean);
    }
    assert!(bench.notices().contains(&Notice::Rested(B)));
}

/// Their answers are given: nobody waits for them.
#[test]
fn requests_that_are_only_looked_at_take_no_place() {
    let mut bench = bench_with(GatewayConfig { adapt: true, ..GatewayConfig::default() });
    for number in 0..20 {
        let at = 5 * number;
        bench.beats(at, &[A, B, C]);
        let sent = bench.ask(at, number, Verify::Detect);
        bench.answered(at + 4, number, &sent);
        assert_eq!(bench.verified(), [Verified::Pending]);
    }
    assert_eq!(bench.gateway.pending(), 20);
    assert!(bench.failures().is_empty());
}
