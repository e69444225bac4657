//! Tasks that fail on devices that seem well.

use super::*;
use crate::failure::TaskError;
use crate::frame::Failure;
use crate::id::StageId;

impl Bench {
    /// `device` says that it will not make its shard of stage `stage`.
    fn fails(&mut self, at: u64, device: DeviceId, sent: &Data, stage: u16, error: TaskError) {
        let shard = device.index() as u16;
        let Data { request, attempt, plan, .. } = *sent;
        let failure = Failure { request, attempt, plan, stage: StageId(stage), shard, error };
        self.handle(at, Event::Failure(device, failure));
    }
}

fn broken() -> TaskError {
    TaskError::of_device("no memory")
}

#[test]
fn what_the_code_makes_up_for_costs_nothing() {
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    let (_, sent) = bench.input();
    bench.fails(1, B, &sent, 0, broken());
    assert_eq!(bench.notices(), [Notice::Failing(B, "fc1".to_owned(), broken())]);
    assert!(bench.inputs().is_empty() && bench.failures().is_empty());
    bench.result(2, 0, 0, &sent).result(2, 0, 2, &sent);
    assert!(bench.job().is_some());
    // It is not relied on for a second, though it is there.
    bench.beats(3, &[A, B, C]).submit(3, 43);
    assert_eq!(bench.input().1.suspects, devices(&[B]));
    bench.beats(400, &[A, B, C]).beats(800, &[A, B, C]).beats(1001, &[A, B, C]);
    bench.notices();
    bench.submit(1002, 44);
    assert_eq!(bench.input().1.suspects, DeviceSet::default());
}

#[test]
fn beyond_that_the_request_moves_to_others() {
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    let (_, sent) = bench.input();
    bench.fails(1, B, &sent, 0, broken());
    bench.fails(2, C, &sent, 1, broken());
    assert!(bench.inputs().is_empty(), "one shard of each stage is missing");
    bench.fails(3, C, &sent, 0, broken());
    let (to, moved) = bench.input();
    assert_eq!((to, moved.attempt, moved.members), (vec![A], 1, devices(&[A])));
    // What was said of the first attempt is none of the second's.
    bench.fails(4, A, &sent, 0, broken());
    assert!(bench.inputs().is_empty() && bench.failures().is_empty());
    // The last one fails, too: that is the end.
    bench.fails(5, A, &moved, 1, broken());
    assert_eq!(bench.failures(), [(42, "a cannot compute fc2: no memory".to_owned())]);
    assert_eq!(bench.marks(), [(1, vec![])], "the devices may forget it");
}

#[test]
fn what_is_the_requests_own_fault_ends_it_at_once() {
    let too_large = || TaskError::of_request("700000 does not fit in f16");
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    let (_, sent) = bench.input();
    bench.fails(1, B, &sent, 0, too_large());
    assert!(bench.failures().is_empty(), "the others may do without it");
    bench.fails(2, C, &sent, 0, too_large());
    let words = "b cannot compute fc1: 700000 does not fit in f16";
    assert_eq!(bench.failures(), [(42, words.to_owned())]);
    assert!(bench.notices().is_empty(), "no device is to blame");
}

fn strange() -> TaskError {
    TaskError::not_finite("made numbers of value h that are not finite")
}

#[test]
fn numbers_that_are_not_finite_are_an_erasure_of_their_device() {
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    let (_, sent) = bench.input();
    bench.fails(1, B, &sent, 0, strange());
    assert!(bench.notices().is_empty() && bench.inputs().is_empty());
    bench.result(2, 0, 0, &sent).result(2, 0, 2, &sent);
    let job = bench.job().expect("enough without it");
    bench.glued(3, job);
    assert_eq!(bench.answers().len(), 1);
    // The others could do it: the device is at fault.
    let failing = Notice::Failing(B, "fc1".to_owned(), strange());
    assert!(bench.notices().contains(&failing));
    bench.submit(4, 43);
    assert_eq!(bench.input().1.suspects, devices(&[B]));
}

#[test]
fn numbers_that_a_model_makes_itself_are_taken_as_they_are() {
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    let (_, sent) = bench.input();
    bench.fails(1, B, &sent, 0, strange());
    bench.fails(2, C, &sent, 0, strange());
    // A second opinion of the one that is left.
    let (to, second) = bench.input();
    assert_eq!((to, second.checks.lenient), (vec![A], false));
    bench.fails(3, A, &second, 0, strange());
    bench.handle(100, Event::Tick);
    let (_, third) = bench.input();
    assert_eq!((third.attempt, third.members), (2, devices(&[A, B, C])));
    assert!(third.checks.lenient);
    bench.result(101, 0, 0, &third).result(101, 0, 1, &third);
    let job = bench.job().expect("enough");
    bench.glued(102, job);
    assert_eq!(bench.answers().len(), 1);
    assert!(!bench.notices().iter().any(|notice| matches!(notice, Notice::Failing(..))));
    // It is known from then on.
    bench.submit(103, 43);
    assert!(bench.input().1.checks.lenient);
}

#[test]
fn where_nobody_else_is_there_such_numbers_are_taken_at_once() {
    let text = without_fallbacks().replace("code = \"sum\"", "code = \"none\"");
    let text = text.replace("parity = [\"c\"]\n", "");
    let mut bench = Bench::ready_over(&text, GatewayConfig::default());
    bench.submit(0, 42);
    let (_, sent) = bench.input();
    bench.fails(1, B, &sent, 0, strange());
    bench.handle(100, Event::Tick);
    let (_, second) = bench.input();
    assert!(second.checks.lenient, "there are no others");
    bench.result(101, 0, 0, &second).result(101, 0, 1, &second);
    let job = bench.job().expect("enough");
    bench.glued(102, job).submit(103, 43);
    assert!(!bench.input().1.checks.lenient, "one alone does not speak for the model");
}

/// What a client asked says nothing of the model, and whoever is away may come back.
#[test]
fn numbers_are_not_taken_for_the_models_too_soon() {
    let mut bench = Bench::ready_over(without_fallbacks(), GatewayConfig::default());
    bench.submit(0, 42);
    let (_, sent) = bench.input();
    bench.handle(1, Event::Down(C)).fails(2, B, &sent, 0, strange());
    bench.handle(100, Event::Tick);
    assert!(bench.inputs().is_empty(), "c may come back");
    let nan = vec![Tensor::from_f32(vec![1, 8], &[f32::NAN; 8]).expect("fits")];
    let mut bench = Bench::ready();
    let (deadline, verify) = (Duration::from_secs(10), Verify::Off);
    bench.handle(0, Event::Submit { token: 1, inputs: nan, deadline, verify });
    let (_, mut sent) = bench.input();
    for (at, makers) in [(1, &[B, C][..]), (100, &[A][..])] {
        makers.iter().for_each(|device| bench.fails(at, *device, &sent, 0, strange()));
        bench.handle(at + 50, Event::Tick);
        sent = bench.input().1;
    }
    assert!(sent.checks.lenient);
    bench.result(300, 0, 0, &sent).result(300, 0, 1, &sent);
    let job = bench.job().expect("enough");
    bench.glued(301, job).submit(302, 43);
    assert!(!bench.input().1.checks.lenient);
}

/// A device that is away may come back, and one that is late may still do it.
#[test]
fn what_may_still_come_is_waited_for() {
    let late = || TaskError::late("has been running for 700 ms");
    for (away, error) in [(true, broken()), (false, late())] {
        let mut bench = Bench::ready_over(without_fallbacks(), GatewayConfig::default());
        bench.submit(0, 42);
        let (_, sent) = bench.input();
        if away {
            bench.handle(1, Event::Down(A));
        } else {
            bench.fails(1, A, &sent, 0, error.clone());
        }
        bench.fails(2, B, &sent, 0, error);
        assert!(bench.failures().is_empty() && bench.inputs().is_empty());
        bench.beats(500, &[B, C]).beats(900, &[B, C]);
        bench.result(950, 0, 1, &sent).result(950, 0, 2, &sent);
        assert!(bench.job().is_some());
    }
}

#[test]
fn only_the_maker_of_a_shard_says_that_it_fails() {
    let mut bench = Bench::ready();
    bench.submit(0, 42);
    let (_, sent) = bench.input();
    for (from, shard, stage, attempt) in [(A, 1, 0, 0), (B, 1, 0, 1), (B, 9, 0, 0), (B, 1, 9, 0)] {
        let Data { request, plan, .. } = sent;
        let failure =
            Failure { request, attempt, plan, stage: StageId(stage), shard, error: broken() };
        bench.handle(1, Event::Failure(from, failure));
        assert!(bench.notices().is_empty(), "{from:?} {shard} {stage} {attempt}");
    }
}

#[test]
fn a_deadline_tells_of_what_failed() {
    let config = GatewayConfig { resubmit_after: Duration::from_secs(60), ..Default::default() };
    let mut bench = Bench::ready_over(PLAN, config);
    bench.submit_with(0, 42, 400);
    let (_, sent) = bench.input();
    bench.fails(1, B, &sent, 0, broken());
    bench.beats(300, &[A, B, C]).handle(400, Event::Tick);
    let words = "no answer within 400 ms and 1 attempts: result y has 0 of 2 shards under plan \
                 main, all devices are heard from, b cannot compute fc1: no memory";
    assert_eq!(bench.failures(), [(42, words.to_owned())]);
}
