//! What a task's output of 4 MiB costs the thread that handles events, as a
//! ratio to what a lane does with it in the same run.
//!
//! ```text
//! cargo bench -p quorate-core --bench event_thread
//! ```

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_core::admit::Peer;
use quorate_core::failure::TaskError;
use quorate_core::frame::{Data, Encoded};
use quorate_core::id::{DeviceId, DeviceSet, GatewayRun, RequestId, ValueId};
use quorate_core::plan::Plans;
use quorate_core::worker::{Command, Event, Worker, WorkerConfig};
use quorate_model::tensor::{DType, Tensor};

const ROUNDS: u64 = 25;
/// Elements of the output.
const ELEMENTS: usize = 1 << 20;
/// Most that the event thread may take of the lane's time.
const LIMIT: f64 = 0.05;

const RUN: GatewayRun = GatewayRun { gateway: 1, epoch: 1 };

/// `a` makes `h`, which three devices read: all of it, or a third each.
fn plans(wire: &str, parts: bool) -> Plans {
    let (third, end) = (ELEMENTS / 3, ELEMENTS);
    let next = match parts {
        false => "method = \"output\"\nrows = [2, 2, 1]".to_owned(),
        true => format!(
            "method = \"input\"\ncolumns = [{third}, {third}, {}]\nparts = [[[0, 1], [0, {third}]], \
             [[0, 1], [{third}, {}]], [[0, 1], [{}, {end}]]]",
            end - 2 * third,
            2 * third,
            2 * third
        ),
    };
    let text = format!(
        "format = 2\nmodel = \"m.onnx\"\nmodel_sha256 = \"{}\"\nwait = \"auto\"\ntolerance = 1e-4\n\
         devices = [\"a\", \"b\", \"c\"]\n\
         [hosts]\na = \"h:1\"\nb = \"h:2\"\nc = \"h:3\"\n\
         [[value]]\nname = \"x\"\ndtype = \"f32\"\nshape = [1, 8]\naxis = 0\n\
         [[value]]\nname = \"h\"\ndtype = \"f32\"\nshape = [1, {ELEMENTS}]\naxis = 1\n\
         [[value]]\nname = \"y\"\ndtype = \"f32\"\nshape = [1, 5]\naxis = 1\n\
         [[plan]]\nname = \"main\"\nresult = [\"y\"]\n\
         [[plan.stage]]\nlayer = \"one\"\nmethod = \"output\"\nreads = [\"x\"]\nvalue = \"h\"\n\
         rows = [{ELEMENTS}]\ncode = \"none\"\nwire = \"{wire}\"\ndata = [\"a\"]\n\
         [[plan.stage]]\nlayer = \"two\"\n{next}\nreads = [\"h\"]\nvalue = \"y\"\ncode = \"none\"\n\
         data = [\"a\", \"b\", \"c\"]\n",
        "0".repeat(64)
    );
    Plans::parse(&text).expect("a plan")
}

fn input(plans: &Plans, number: u64) -> Data {
    Data {
        input: true,
        request: RequestId { run: RUN, number },
        attempt: 0,
        plan: plans.main().id(),
        members: plans.everybody(),
        suspects: DeviceSet::default(),
        checks: Default::default(),
        of_decoded: false,
        deadline_left_us: 1_000_000,
        value: ValueId(0),
        shard: 0,
        place: (0, 1),
        dtype: DType::F32,
        shape: vec![1, 8],
        payload: Bytes::from(vec![0; 32]).into(),
    }
}

/// Least times of the event thread and of the lane over all rounds.
fn measure(plans: Plans) -> (Duration, Duration) {
    let plans = Arc::new(plans);
    let mut worker = Worker::new(plans.clone(), DeviceId(0), WorkerConfig::default());
    let numbers: Vec<f32> = (0..ELEMENTS).map(|i| i as f32 / 64.0).collect();
    let output = [Tensor::from_f32(vec![1, ELEMENTS], &numbers).expect("fits")];
    let (mut events, mut lane) = (Duration::MAX, Duration::MAX);
    for number in 0..ROUNDS {
        let (now, mut commands) = (Default::default(), Vec::new());
        let data = input(&plans, number);
        worker.handle(now, Event::Data(Peer::Gateway(RUN), data), &mut commands);
        // The second stage's task, which reads the output here, is not run.
        while let Some(Command::Run { job, delivery, .. }) = commands.pop() {
            if job.task.stage.0 == 1 {
                let failed = Event::Done(job, Err(TaskError::of_device("not run")));
                worker.handle(now, failed, &mut commands);
                continue;
            }
            let start = Instant::now();
            let outgoing = delivery.prepare(&output);
            lane = lane.min(start.elapsed());
            let start = Instant::now();
            worker.handle(now, Event::Done(job, outgoing), &mut commands);
            let frame = |command: &Command| match command {
                Command::Send(_, frame) => Some(frame.encode()),
                _ => None,
            };
            let frames: Vec<Encoded> = commands.iter().filter_map(frame).collect();
            events = events.min(start.elapsed());
            assert!(!black_box(frames).is_empty(), "something is sent");
            commands.retain(|command| matches!(command, Command::Run { .. }));
        }
    }
    (events, lane)
}

fn main() {
    println!(
        "{:<28} {:>10} {:>10} {:>8} {:>6}",
        "output of 4 MiB", "events us", "lane us", "ratio", "limit"
    );
    for (name, wire, parts) in [
        ("f32, whole to two", "f32", false),
        ("f16, whole to two", "f16", false),
        ("f32, a part to each", "f32", true),
        ("f16, a part to each", "f16", true),
    ] {
        let (events, lane) = measure(plans(wire, parts));
        let (events, lane) = (events.as_secs_f64() * 1e6, lane.as_secs_f64() * 1e6);
        println!("{name:<28} {events:>10.1} {lane:>10.1} {:>8.4} {LIMIT:>6.2}", events / lane);
    }
}
