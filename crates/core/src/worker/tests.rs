use quorate_model::tensor::{DType, Tensor};

use super::*;
use crate::admit::Refusal;
use crate::fixture::{A, B, C, H, PLAN, RUN, X, Y, data, devices, maker, ms, plans, shard_tensor};
use crate::id::{DeviceSet, ValueId};
use crate::region::crop;

/// A worker of the fixture, with what a driver does around it.
struct Bench {
    plans: Arc<Plans>,
    worker: Worker,
    commands: Vec<Command>,
    /// What is to be made of the outputs of jobs.
    deliveries: BTreeMap<Job, Delivery>,
}

impl Bench {
    fn new(device: DeviceId, config: WorkerConfig) -> Bench {
        Bench::over(plans(), device, config)
    }

    fn over(plans: Arc<Plans>, device: DeviceId, config: WorkerConfig) -> Bench {
        let worker = Worker::new(plans.clone(), device, config);
        Bench { plans, worker, commands: Vec::new(), deliveries: BTreeMap::new() }
    }

    fn of(device: DeviceId) -> Bench {
        Bench::new(device, WorkerConfig::default())
    }

    fn handle(&mut self, at: u64, event: Event) -> &mut Bench {
        self.worker.handle(ms(at), event, &mut self.commands);
        self
    }

    fn frame(&mut self, at: u64, data: Data) -> &mut Bench {
        let from = maker(&self.plans, &data);
        self.handle(at, Event::Data(from, data))
    }

    /// Shard `shard` of `value` for request `number` under the main plan.
    fn shard(&mut self, at: u64, number: u64, value: ValueId, shard: usize) -> &mut Bench {
        let data = data(&self.plans, 0, number, value, shard);
        self.frame(at, data)
    }

    fn finished(&mut self, at: u64, below: u64, also: &[u64]) -> &mut Bench {
        let mark = Watermark { run: RUN, below, also: also.to_vec() };
        self.handle(at, Event::Watermark(Peer::Gateway(RUN), mark))
    }

    /// Ends a job with the output its plan wants.
    fn done(&mut self, at: u64, job: Job) -> &mut Bench {
        let plan = self.plans.by_id(job.task.plan).expect("known").clone();
        let value = plan.stages[job.task.stage.index()].value;
        let output = shard_tensor(&self.plans, &plan, value, job.task.shard);
        self.ended(at, job, Ok(output))
    }

    /// Ends a job with this output, as a lane does.
    fn ended(&mut self, at: u64, job: Job, output: Result<Tensor, String>) -> &mut Bench {
        let delivery = &self.deliveries[&job];
        let result = output.and_then(|output| delivery.prepare(&[output]));
        self.handle(at, Event::Done(job, result))
    }

    fn jobs(&mut self) -> Vec<Job> {
        let mut jobs = Vec::new();
        self.commands.retain(|command| match command {
            Command::Run { job, delivery, .. } => {
                jobs.push(*job);
                self.deliveries.insert(*job, delivery.clone());
                false
            }
            _ => true,
        });
        jobs
    }

    fn job(&mut self) -> Job {
        let jobs = self.jobs();
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs[0]
    }

    fn sends(&mut self) -> Vec<(Vec<Peer>, Data)> {
        let mut sends = Vec::new();
        self.commands.retain(|command| match command {
            Command::Send(to, Frame::Data(data)) => {
                sends.push((to.clone(), data.clone()));
                false
            }
            _ => true,
        });
        sends
    }
}

fn stages(jobs: &[Job]) -> Vec<(u64, u16, usize)> {
    jobs.iter().map(|j| (j.request.number, j.task.stage.0, j.task.shard)).collect()
}

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
    assert_eq!(bench.plans.admit(Peer::Device(A), data).map(|p| p.id), Ok(first.task.plan));
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
fn a_lost_shard_is_decoded() {
    let mut bench = Bench::of(B);
    bench.shard(0, 0, H, 0).shard(0, 0, H, 2);
    let job = bench.job();
    assert_eq!(stages(&[job]), [(0, 1, 1)]);
    assert_eq!(bench.worker.counters().decoded, 1);
}

#[test]
fn what_comes_too_late_is_dropped() {
    // What is known before, and then the frame that must start nothing.
    type Case = (&'static str, fn(&mut Bench) -> &mut Bench, fn(&mut Data));
    let cases: [Case; 7] = [
        ("finished", |b| b.finished(0, 1, &[]), |_| ()),
        ("finished beyond the mark", |b| b.finished(0, 0, &[0]), |_| ()),
        ("no time left", |b| b, |d| d.deadline_left_us = 0),
        ("an older attempt", |b| b.attempt(0, 2), |d| d.attempt = 1),
        ("an older run", |b| b.newer_run(0), |_| ()),
        (
            "not a member",
            |b| b,
            |d| {
                d.plan = plans().plans[1].id;
                d.members = devices(&[B, C]);
            },
        ),
        (
            "another plan in this attempt",
            |b| b.attempt(0, 1),
            |d| {
                d.plan = plans().plans[2].id;
                d.members = devices(&[A]);
                d.attempt = 1;
            },
        ),
    ];
    for (what, before, change) in cases {
        let mut bench = Bench::of(A);
        before(&mut bench);
        bench.jobs();
        let mut frame = data(&bench.plans, 0, 0, X, 0);
        change(&mut frame);
        let (from, requests) = (Peer::Gateway(RUN), bench.worker.requests());
        bench.handle(1, Event::Data(from, frame));
        assert!(bench.jobs().is_empty(), "{what}");
        assert_eq!(bench.worker.requests(), requests, "{what}");
    }
}

impl Bench {
    fn attempt(&mut self, at: u64, attempt: u32) -> &mut Bench {
        let mut frame = data(&self.plans, 0, 0, X, 0);
        frame.attempt = attempt;
        self.frame(at, frame)
    }

    fn newer_run(&mut self, at: u64) -> &mut Bench {
        let run = GatewayRun { epoch: RUN.epoch + 1, ..RUN };
        self.handle(at, Event::Gateway(run))
    }
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
    assert_eq!(bench.job().task.plan, bench.plans.plans[2].id);
}

#[test]
fn a_new_run_of_a_gateway_drops_the_old_one() {
    let mut bench = Bench::of(A);
    bench.shard(0, 0, X, 0).shard(0, 1, X, 0).newer_run(1);
    assert_eq!(bench.worker.requests(), 0);
    let running = bench.job();
    bench.done(2, running);
    assert!(bench.sends().is_empty());
    assert!(bench.worker.is_idle());
    bench.finished(3, 9, &[]);
    let mut frame = data(&bench.plans, 0, 0, X, 0);
    frame.request.run.epoch += 1;
    bench.frame(4, frame);
    assert_eq!(bench.jobs().len(), 1, "an old run's mark says nothing of the new one");
}

#[test]
fn a_deadline_ends_it() {
    let mut bench = Bench::of(A);
    bench.shard(0, 0, X, 0).shard(0, 1, X, 0);
    let job = bench.job();
    bench.worker.handle(ms(999), Event::Tick, &mut bench.commands);
    assert_eq!(bench.worker.requests(), 2);
    bench.handle(1000, Event::Tick);
    assert_eq!(bench.worker.requests(), 0);
    bench.done(1001, job);
    assert!(bench.jobs().is_empty() && bench.worker.is_idle());
    // A task that waits for a lane is skipped as well, tick or no tick.
    let mut bench = Bench::of(A);
    bench.shard(0, 0, X, 0).shard(0, 1, X, 0);
    let job = bench.job();
    bench.done(1001, job);
    assert!(bench.jobs().is_empty());
    assert_eq!(bench.worker.counters().skipped, 1);
}

/// The fixture's main plan with a third layer, whose output is the result.
fn three_layers() -> Arc<Plans> {
    let end = PLAN.match_indices("[[plan]]").nth(1).expect("a fallback").0;
    let (head, main) = PLAN[..end].split_at(PLAN.find("[[plan]]").expect("a plan"));
    let value = "[[value]]\nname = \"z\"\ndtype = \"f32\"\nshape = [1, 4]\naxis = 1\n\n";
    let last = &main[main.rfind("[[plan.stage]]").expect("a stage")..];
    let last = last.replace("\"y\"", "\"z\"").replace("\"h\"", "\"y\"").replace("fc2", "fc3");
    let last = last.replace("[3, 2]", "[2, 2]");
    let main = main.replace("result = [\"y\"]", "result = [\"z\"]");
    Arc::new(Plans::parse(&[head, value, &main, &last].concat()).expect("reads"))
}

#[test]
fn a_superseded_task_is_skipped() {
    // Shards of y, which the last layer reads, that are here before this
    // device has begun its own shard of h; how many tasks are skipped.
    let cases: [(&[usize], u64); 3] = [(&[], 0), (&[0], 0), (&[0, 1], 1)];
    for (shards, skipped) in cases {
        let plans = three_layers();
        let mut bench = Bench::over(plans, C, WorkerConfig::default());
        bench.shard(0, 0, X, 0).shard(0, 1, X, 0);
        let busy = bench.job();
        for shard in shards {
            bench.shard(1, 1, Y, *shard);
        }
        bench.done(2, busy);
        let next = stages(&bench.jobs());
        let stage = if skipped == 0 { 0 } else { 2 };
        assert_eq!(next, [(1, stage, 2)], "{shards:?}");
        assert_eq!(bench.worker.counters().skipped, skipped, "{shards:?}");
    }
}

/// Who has the part that it reads knows nothing of the others.
#[test]
fn a_part_supersedes_nothing() {
    let text = three_layers().to_toml();
    let (head, main) = text.split_at(text.find("[[plan]]").expect("a plan"));
    let stage = |from: &str, to: &str, method: &str| {
        let start = main.find(&format!("layer = \"{from}\"")).expect("the layer");
        let end = main[start..].find("[[plan.stage]]").map_or(main.len(), |at| start + at);
        (main[start..end].to_owned(), format!("layer = \"{from}\"\n{method}{to}\n"))
    };
    let (y, uncoded) = stage(
        "fc2",
        "reads = [\"h\"]\nvalue = \"y\"\nrows = [3, 2]\ncode = \"none\"\ndata = [\"a\", \"b\"]\n",
        "method = \"output\"\n",
    );
    let (z, terms) = stage(
        "fc3",
        "reads = [\"y\"]\nvalue = \"z\"\ncolumns = [2, 2, 1]\n\
         parts = [[[0, 1], [0, 2]], [[0, 1], [2, 4]], [[0, 1], [4, 5]]]\n\
         code = \"none\"\ndata = [\"a\", \"b\", \"c\"]\n",
        "method = \"input\"\n",
    );
    let text = head.to_owned() + &main.replace(&y, &uncoded).replace(&z, &terms);
    let plans = Arc::new(Plans::parse(&text).expect("reads"));
    let mut bench = Bench::over(plans, C, WorkerConfig::default());
    bench.shard(0, 0, X, 0).shard(0, 1, X, 0);
    let busy = bench.job();
    let mut part = data(&bench.plans, 0, 1, Y, 1);
    let shard = shard_tensor(&bench.plans, bench.plans.main(), Y, 1);
    let last = crop(&shard, &vec![0..1, 3..5], &vec![0..1, 4..5]).expect("a part");
    (part.shape, part.payload) = (vec![1, 1], last.data().clone().into());
    bench.frame(1, part);
    bench.done(2, busy);
    assert_eq!(stages(&bench.jobs()), [(1, 0, 2)], "others wait for this shard of h");
    assert_eq!(bench.worker.counters().skipped, 0);
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

#[test]
fn with_a_wait_the_roster_is_waited_for() {
    let text = crate::fixture::edited("wait = \"auto\"", "wait = \"5ms\"");
    let plans = Arc::new(Plans::parse(&text).expect("reads"));
    let worker = || {
        let mut bench = Bench::over(plans.clone(), B, WorkerConfig::default());
        bench.handle(0, Event::Tick).shard(10, 0, H, 0).shard(11, 0, H, 2);
        assert!(bench.jobs().is_empty());
        assert_eq!(bench.worker.wake_at(), ms(16));
        bench
    };
    let mut bench = worker();
    bench.handle(16, Event::Tick);
    assert_eq!(bench.jobs().len(), 1, "the time has passed");
    assert_eq!(bench.worker.wake_at(), ms(25), "the heartbeat");
    let mut bench = worker();
    bench.shard(13, 0, H, 1);
    assert_eq!(bench.jobs().len(), 1, "the roster is there");
    assert_eq!(bench.worker.counters().decoded, 0);
    assert_eq!(bench.worker.wake_at(), ms(25), "nothing is left to wait for");
    let mut bench = worker();
    bench.finished(12, 1, &[]);
    assert!(bench.worker.is_idle());
}

#[test]
fn requests_and_bytes_are_bounded() {
    let config = WorkerConfig { requests_max: 3, ..WorkerConfig::default() };
    let mut bench = Bench::new(B, config);
    for number in 0..10 {
        let mut frame = data(&bench.plans, 0, number, H, 0);
        frame.deadline_left_us = 1000 * (100 - number as u32);
        bench.frame(0, frame);
        assert!(bench.worker.requests() <= 3);
    }
    bench.shard(1, 0, H, 1);
    assert_eq!(stages(&bench.jobs()), [(0, 1, 1)], "the furthest deadlines stay");

    let config = WorkerConfig { payload_bytes_max: 100, ..WorkerConfig::default() };
    let mut bench = Bench::new(B, config);
    for number in 0..50 {
        bench.shard(0, number, H, 0);
        assert!(bench.worker.payload_bytes() <= 100);
    }
    assert_eq!(bench.worker.requests(), 8, "12 bytes each");

    // Frames of a value that no task here reads keep nothing.
    let mut bench = Bench::of(B);
    for number in 0..10 {
        let frame = data(&bench.plans, 1, number, X, 0);
        bench.frame(0, frame);
    }
    assert_eq!(bench.worker.requests(), 0);
    assert_eq!(bench.worker.counters().refused, 0, "they were well-formed");
}

#[test]
fn an_absurd_deadline_is_not_believed() {
    let mut bench = Bench::of(A);
    let mut frame = data(&bench.plans, 0, 0, X, 0);
    frame.deadline_left_us = u32::MAX;
    bench.frame(0, frame).handle(600_000, Event::Tick);
    assert_eq!(bench.worker.requests(), 0);
}

#[test]
fn gateways_are_bounded() {
    let mut bench = Bench::of(A);
    for gateway in 0..1000 {
        bench.handle(0, Event::Gateway(GatewayRun { gateway, epoch: 1 }));
    }
    assert!(bench.worker.finished.len() <= GATEWAYS_MAX);
}

#[test]
fn refusals_are_counted_and_heartbeats_regular() {
    let mut bench = Bench::of(A);
    let mut frame = data(&bench.plans, 0, 0, H, 1);
    frame.members = DeviceSet::first(2);
    bench.handle(0, Event::Data(Peer::Device(B), frame));
    assert!(matches!(bench.commands[0], Command::Refuse(Peer::Device(B), Refusal::Members { .. })));
    bench.handle(0, Event::Dropped(4)).commands.clear();
    bench.handle(0, Event::Tick);
    let Command::Beat(beat) = &bench.commands[0] else { panic!("no heartbeat") };
    assert_eq!((beat.refused, beat.dropped), (1, 4));
    assert_eq!(bench.worker.wake_at(), ms(25));
}

#[test]
fn oldest_request_first() {
    let mut bench = Bench::of(A);
    for number in [5, 3, 4] {
        bench.shard(0, number, X, 0);
    }
    let mut order = Vec::new();
    while let Some(job) = bench.jobs().first().copied() {
        order.push(job.request.number);
        bench.done(1, job);
    }
    assert_eq!(order, [5, 3, 4]);
}
