//! What moves is not begun anew.

use super::*;
use crate::frame::{Progress, STANDINGS_MAX, Standing};

impl Bench {
    /// A device says how far some requests are there.
    fn progress(&mut self, at: u64, from: DeviceId, bytes: u64, standings: &[Standing]) {
        let progress = Progress { run: RUN, bytes, standings: standings.to_vec() };
        self.handle(at, Event::Progress(from, progress));
    }
}

fn standing(number: u64, moves: u32, is_busy: bool) -> Standing {
    Standing { number, attempt: 0, moves, is_busy }
}

/// When a request that came at 0 goes out again, where a device says this of it
/// ten times a second for six seconds.
fn again(say: impl Fn(u64) -> (u64, Standing)) -> u64 {
    let mut bench = Bench::ready();
    bench.submit_with(0, 42, 60_000).inputs();
    for at in (100..60_000).step_by(100) {
        bench.beats(at, &[A, B, C]);
        if at <= 6000 {
            let (bytes, standing) = say(at);
            bench.progress(at, B, bytes, &[standing]);
        }
        bench.handle(at, Event::Tick);
        if !bench.inputs().is_empty() {
            return at;
        }
    }
    panic!("never");
}

#[test]
fn only_what_stands_still_goes_out_again() {
    assert_eq!(again(|_| (0, standing(0, 0, true))), 8000, "a task of it runs");
    assert_eq!(again(|at| (0, standing(0, at as u32, false))), 8000, "it gathers");
    assert_eq!(again(|at| (at * 100, standing(0, 1, false))), 8000, "bytes come");
    assert_eq!(again(|at| (at, standing(0, 1, false))), 2100, "signs of life only");
    let other = Standing { attempt: 7, ..standing(0, 0, true) };
    assert_eq!(again(|_| (0, other)), 2000, "of another attempt");
    assert_eq!(again(|_| (0, standing(3, 0, true))), 2000, "of another request");
}

/// Bytes that are others' do not keep a request from going out again.
#[test]
fn what_is_overtaken_does_not_only_wait_for_its_turn() {
    let mut bench = Bench::ready();
    bench.submit_with(0, 42, 60_000).inputs();
    let mut again = None;
    for at in (100..6_000).step_by(100) {
        bench.until(at).beats(at, &[A, B, C]).submit(at, at);
        for (_, sent) in bench.inputs() {
            if sent.request.number == 0 {
                again.get_or_insert(at);
                continue;
            }
            bench.result(at, sent.request.number, 0, &sent).result(
                at,
                sent.request.number,
                1,
                &sent,
            );
            let job = bench.job().expect("gathered");
            bench.glued(at, job);
        }
        bench.progress(at, B, at * 100, &[]);
        bench.handle(at, Event::Tick);
    }
    assert_eq!(again, Some(2300), "two seconds after the third of four others");
}

#[test]
fn those_there_is_no_room_for_wait_behind_the_others() {
    let mut bench = Bench::ready();
    for token in 0..STANDINGS_MAX as u64 + 1 {
        bench.submit_with(0, token, 60_000);
    }
    bench.inputs();
    let standings: Vec<_> = (0..STANDINGS_MAX as u64).map(|n| standing(n, 0, true)).collect();
    for at in (100..6_000).step_by(100) {
        bench.beats(at, &[A, B, C]).progress(at, B, 0, &standings);
        bench.handle(at, Event::Tick);
        assert!(bench.inputs().is_empty(), "{at}");
    }
}

/// A cluster that answers fast is not waited for as long as one that is slow.
#[test]
fn patience_is_learned() {
    for (took, goes_out) in [(10, 500), (300, 1200)] {
        let mut bench = Bench::ready();
        let mut at = 0;
        for number in 0..8 {
            bench.beats(at, &[A, B, C]).submit(at, number);
            let sent = bench.inputs().remove(0).1;
            at += took;
            bench.beats(at, &[A, B, C]);
            bench.result(at, number, 0, &sent).result(at, number, 1, &sent);
            let job = bench.job().expect("gathered");
            bench.glued(at, job);
        }
        bench.submit(at, 42).inputs();
        let start = at;
        while bench.inputs().is_empty() {
            at += 10;
            bench.beats(at, &[A, B, C]).handle(at, Event::Tick);
        }
        assert_eq!(at - start, goes_out);
    }
}
