//! A worker with what a driver does around it. One file a handler.

mod audits;
mod data;
mod dispatch;
mod done;
mod gateway;
mod tick;

use quorate_model::tensor::{DType, Tensor};

use super::*;
use crate::admit::Refusal;
use crate::fixture::{A, B, C, H, PLAN, RUN, X, Y, data, devices, maker, ms, plans, shard_tensor};
use crate::frame::Failure;
use crate::id::{DeviceSet, ValueId};
use quorate_model::region::crop;

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

    fn finished_of(&mut self, at: u64, run: GatewayRun, below: u64) -> &mut Bench {
        let mark = Watermark { run, below, also: Vec::new() };
        self.handle(at, Event::Watermark(Peer::Gateway(run), mark))
    }

    /// Ends a job with the output its plan wants.
    fn done(&mut self, at: u64, job: Job) -> &mut Bench {
        let plan = self.plans.by_id(job.task.plan).expect("known").clone();
        let value = plan.stages()[job.task.stage.index()].value;
        let output = shard_tensor(&self.plans, &plan, value, job.task.shard);
        self.ended(at, job, Ok(output))
    }

    /// Ends a job with this output, as a lane does.
    fn ended(&mut self, at: u64, job: Job, output: Result<Tensor, TaskError>) -> &mut Bench {
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

    /// Takes out the frames of which `pick` makes something, with their receivers.
    fn sent<T>(&mut self, pick: impl Fn(&Frame) -> Option<T>) -> Vec<(Vec<Peer>, T)> {
        let of = |command: &Command| match command {
            Command::Send(to, frame) => Some((to.clone(), pick(frame)?)),
            _ => None,
        };
        let sent = self.commands.iter().filter_map(of).collect();
        self.commands.retain(|command| of(command).is_none());
        sent
    }

    fn failures(&mut self) -> Vec<(Vec<Peer>, Failure)> {
        self.sent(|frame| match frame {
            Frame::Failure(failure) => Some(failure.clone()),
            _ => None,
        })
    }

    fn sends(&mut self) -> Vec<(Vec<Peer>, Data)> {
        self.sent(|frame| match frame {
            Frame::Data(data) => Some(data.clone()),
            _ => None,
        })
    }
}

fn stages(jobs: &[Job]) -> Vec<(u64, u16, usize)> {
    jobs.iter().map(|j| (j.request.number, j.task.stage.0, j.task.shard)).collect()
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
