//! Events in any order: a worker never panics, keeps within its bounds, and
//! keeps nothing once its gateway says that all is finished.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate_core::admit::Peer;
use quorate_core::failure::TaskError;
use quorate_core::frame::{Failure, Watermark};
use quorate_core::id::{DeviceId, DeviceSet, GatewayRun, StageId};
use quorate_core::worker::{Command, Delivery, Event, Job, Worker, WorkerConfig};
use quorate_fuzz::{RUN, Reader, data, output, plans};

const REQUESTS_MAX: usize = 3;

fuzz_target!(|bytes: &[u8]| {
    let (plans, mut bytes) = (plans(), Reader(bytes));
    let device = DeviceId(bytes.below(3));
    let config = WorkerConfig {
        requests_max: REQUESTS_MAX,
        payload_bytes_max: 400,
        lanes: 1 + usize::from(bytes.below(2)),
        ..WorkerConfig::default()
    };
    let mut worker = Worker::new(plans.clone(), device, config);
    let mut running: Vec<(Job, Delivery)> = Vec::new();
    let mut audits = Vec::new();
    let (mut now, mut out) = (0, Vec::new());
    while !bytes.is_empty() {
        now += u64::from(bytes.byte()) * 1000;
        let peer = match bytes.below(4) {
            3 => Peer::Gateway(RUN),
            other => Peer::Device(DeviceId(other)),
        };
        let event = match bytes.below(10) {
            0..4 => {
                let (from, data) = data(&plans, &mut bytes);
                Event::Data(if bytes.below(8) == 0 { peer } else { from }, data)
            }
            4 | 5 if !running.is_empty() => {
                let at = usize::from(bytes.byte()) % running.len();
                let (job, delivery) = running.swap_remove(at);
                let made = match bytes.below(4) {
                    0 => Err(TaskError::of_device("broken")),
                    1 => Err(TaskError::of_request("too large")),
                    _ => delivery.prepare(&[output(&plans, job.task)]),
                };
                Event::Done(job, made)
            }
            6 if !audits.is_empty() => {
                let (id, audited) = audits.swap_remove(usize::from(bytes.byte()) % audits.len());
                Event::Audited(id, audited)
            }
            7 => {
                let below = u64::from(bytes.below(4));
                let mark = Watermark { run: RUN, below, also: vec![u64::from(bytes.below(6))] };
                Event::Watermark(peer, mark)
            }
            8 => {
                let (_, data) = data(&plans, &mut bytes);
                let (stage, shard) = (StageId(bytes.below(3).into()), bytes.below(4).into());
                let error = TaskError::late("too late");
                let (request, attempt, plan) = (data.request, data.attempt, data.plan);
                Event::Failure(peer, Failure { request, attempt, plan, stage, shard, error })
            }
            9 => match bytes.below(5) {
                0 => Event::Reaches(DeviceSet(bytes.byte().into())),
                1 => Event::Moved(now * 7),
                // Another run of it, or this one.
                2 => Event::Gateway(GatewayRun { epoch: bytes.below(4).into(), ..RUN }),
                3 => Event::GatewayGone(GatewayRun { epoch: bytes.below(4).into(), ..RUN }),
                _ => Event::Dropped(1),
            },
            _ => Event::Tick,
        };
        step(&mut worker, now, event, &mut out, &mut running, &mut audits);
        assert!(worker.requests() <= REQUESTS_MAX, "{} requests", worker.requests());
    }
    // Peace: what runs ends, and the gateway says that all is finished.
    while let Some((job, delivery)) = running.pop() {
        let made = delivery.prepare(&[output(&plans, job.task)]);
        step(&mut worker, now, Event::Done(job, made), &mut out, &mut running, &mut audits);
    }
    for epoch in 0..5 {
        let run = GatewayRun { epoch, ..RUN };
        let mark = Watermark { run, below: u64::MAX, also: Vec::new() };
        let end = Event::Watermark(Peer::Gateway(run), mark);
        step(&mut worker, now, end, &mut out, &mut running, &mut audits);
    }
    while let Some((job, delivery)) = running.pop() {
        let made = delivery.prepare(&[output(&plans, job.task)]);
        step(&mut worker, now, Event::Done(job, made), &mut out, &mut running, &mut audits);
    }
    while let Some((id, audited)) = audits.pop() {
        let event = Event::Audited(id, audited);
        step(&mut worker, now, event, &mut out, &mut running, &mut audits);
    }
    assert!(worker.is_idle() && worker.payload_bytes() == 0, "{} requests", worker.requests());
});

type Audits = Vec<(quorate_core::worker::AuditId, quorate_core::audit::Audited)>;

fn step(
    worker: &mut Worker,
    now: u64,
    event: Event,
    out: &mut Vec<Command>,
    running: &mut Vec<(Job, Delivery)>,
    audits: &mut Audits,
) {
    worker.handle(quorate_core::time::Time(now), event, out);
    for command in out.drain(..) {
        match command {
            Command::Run { job, delivery, .. } => running.push((job, delivery)),
            Command::Audit(id, audit, usual) => audits.push((id, audit.audited(usual))),
            _ => {}
        }
    }
}
