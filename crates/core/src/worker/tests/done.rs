//! Jobs that end.

use super::*;

#[test]
fn a_request_from_input_to_result() {
    let mut bench = Bench::of(A);
    bench.shard(0, 0, X, 0);
    let first = bench.job();
    assert_eq!(stages(&[first]), [(0, 0, 0)]);
    // Nobody runs it again, however often its input comes.
    bench.shard(0, 0, X, 0);
    assert!(bench.jobs().is_empty());
    bench.done(4, first);
    let sent = bench.sends();
    assert_eq!(sent.len(), 1);
    let (to, data) = &sent[0];
    assert_eq!(to, &[Peer::Device(B), Peer::Device(C)]);
    assert_eq!((data.value, data.shard, data.place), (H, 0, (0, 3)));
    assert_eq!(data.deadline_left_us, 996_000);
    assert_eq!(bench.plans.admit(Peer::Device(A), data).map(|p| p.id()), Ok(first.task.plan));
    // Its own shard and one other are enough: nothing is sent to itself.
    bench.shard(5, 0, H, 1);
    let second = bench.job();
    assert_eq!(stages(&[second]), [(0, 1, 0)]);
    bench.done(6, second);
    let sent = bench.sends();
    assert_eq!(sent[0].0, [Peer::Gateway(RUN)]);
    assert_eq!(bench.worker.payload_bytes(), 0, "all tasks are over");
    assert!(!bench.worker.is_idle(), "until the gateway has said so");
    bench.finished(7, 1, &[]);
    assert!(bench.worker.is_idle());
    assert_eq!(bench.worker.counters().tasks, 2);
    assert_eq!(bench.worker.counters().decoded, 0);
}

#[test]
fn a_newer_attempt_begins_anew() {
    let mut bench = Bench::of(A);
    let old = bench.attempt(0, 0).job();
    bench.attempt(1, 1);
    assert!(bench.jobs().is_empty(), "the lane is taken");
    bench.done(2, old);
    assert!(bench.sends().is_empty(), "nobody wants the old attempt's output");
    let mut bench = Bench::of(A);
    let old = bench.attempt(0, 0).job();
    bench.attempt(1, 1).done(2, old);
    let new = bench.job();
    assert_eq!((new.attempt, new.task), (1, old.task));
    bench.done(3, new);
    assert_eq!(bench.sends()[0].1.attempt, 1);
}

/// The output of a job is not taken for another plan's, whose stages and
/// shards have the same numbers.
#[test]
fn a_job_counts_for_its_own_plan_only() {
    let mut bench = Bench::of(A);
    bench.shard(0, 0, X, 0);
    let job = bench.job();
    bench.handle(2000, Event::Tick);
    assert_eq!(bench.worker.requests(), 0, "past its deadline");
    let mut other = data(&bench.plans, 2, 0, X, 0);
    other.members = devices(&[A]);
    bench.frame(2000, other);
    bench.done(2001, job);
    assert!(bench.sends().is_empty());
    assert_eq!(bench.job().task.plan, bench.plans.all()[2].id());
}

#[test]
fn a_failed_task_is_one_more_erasure() {
    let plans = plans();
    let wrong = Tensor::new(DType::F32, vec![1, 2], vec![0; 8].into()).expect("fits");
    let cases = [
        (Err("no memory".to_owned()), "no memory"),
        (Ok(wrong), "task made Tensor(f32 [1, 2]), plan says f32 [1, 3]"),
    ];
    for (result, words) in cases {
        let mut bench = Bench::of(A);
        bench.shard(0, 0, X, 0);
        let job = bench.job();
        bench.ended(1, job, result);
        let failed = bench.commands.iter().find_map(|command| match command {
            Command::Failed(job, words) => Some((*job, words.clone())),
            _ => None,
        });
        assert_eq!(failed, Some((job, words.to_owned())));
        assert!(bench.sends().is_empty());
        // The others' shards are enough for the next task.
        bench.shard(2, 0, H, 1).shard(2, 0, H, 2);
        assert_eq!(stages(&bench.jobs()), [(0, 1, 0)]);
    }
    assert_eq!(plans.main().tolerance(), 1);
}
