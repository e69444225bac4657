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
        (Err(TaskError::of_device("no memory")), "no memory"),
        (Ok(wrong), "task made Tensor(f32 [1, 2]), plan says f32 [1, 3]"),
    ];
    for (result, words) in cases {
        let mut bench = Bench::of(A);
        bench.shard(0, 0, X, 0);
        let job = bench.job();
        bench.ended(1, job, result);
        let failed = bench.commands.iter().find_map(|command| match command {
            Command::Failed(job, error) => Some((*job, error.to_string())),
            _ => None,
        });
        assert_eq!(failed, Some((job, words.to_owned())));
        assert!(bench.sends().is_empty());
        // Everybody who waits for it is told, and the gateway.
        let (to, failure) = bench.failures().remove(0);
        assert_eq!(to, [Peer::Device(B), Peer::Device(C), Peer::Gateway(RUN)]);
        assert_eq!((failure.stage.0, failure.shard, failure.error.words.as_str()), (0, 0, words));
        // The others' shards are enough for the next task.
        bench.shard(2, 0, H, 1).shard(2, 0, H, 2);
        assert_eq!(stages(&bench.jobs()), [(0, 1, 0)]);
    }
    assert_eq!(plans.main().tolerance(), 1);
}

/// Who waits for a roster does not wait for a shard that will not come.
#[test]
fn a_failure_elsewhere_ends_the_wait_for_it() {
    let text = PLAN.replacen("wait = \"auto\"", "wait = \"500ms\"", 1);
    for (from, waits) in [(C, true), (B, false)] {
        let mut bench =
            Bench::over(Arc::new(Plans::parse(&text).unwrap()), A, WorkerConfig::default());
        bench.shard(0, 0, X, 0);
        let job = bench.job();
        bench.done(1, job).shard(2, 0, H, 2);
        assert!(bench.jobs().is_empty(), "b's shard is of the roster");
        let Job { request, attempt, task } = job;
        let error = TaskError::of_device("no memory");
        let failure =
            Failure { request, attempt, plan: task.plan, stage: StageId(0), shard: 1, error };
        bench.handle(3, Event::Failure(Peer::Device(from), failure));
        assert_eq!(bench.jobs().is_empty(), waits, "only its maker says so");
    }
}

/// A task that takes far longer than it ever did is told of, with all that wait
/// behind it; and what it makes in the end is sent all the same.
#[test]
fn a_task_that_hangs_is_told_of() {
    let mut bench = Bench::of(A);
    for number in 0..16 {
        bench.shard(number * 6, number, X, 0);
        let job = bench.job();
        bench.done(number * 6 + 5, job);
    }
    bench.sends();
    bench.shard(100, 24, X, 0).shard(101, 25, X, 0);
    let job = bench.job();
    for at in (125..=500).step_by(25) {
        bench.handle(at, Event::Tick);
    }
    assert_eq!(bench.worker.wake_at(), ms(510), "twice as long as ever, and some");
    assert!(bench.failures().is_empty());
    bench.handle(510, Event::Tick);
    let late: Vec<_> =
        bench.failures().into_iter().map(|(_, f)| (f.request.number, f.error)).collect();
    assert_eq!(late[0], (24, TaskError::late("has been running for 410 ms")));
    assert_eq!((late.len(), late[1].0, late[1].1.cause), (2, 25, crate::failure::Cause::Late));
    bench.shard(515, 26, X, 0);
    assert_eq!(bench.failures().remove(0).1.request.number, 26, "so is what comes now");
    bench.handle(525, Event::Tick);
    assert!(bench.failures().is_empty(), "once");
    bench.done(530, job);
    assert_eq!(bench.sends().len(), 1);
    assert_eq!(bench.job().request.number, 25);
}
