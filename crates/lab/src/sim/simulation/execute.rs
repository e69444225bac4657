//! Hands nodes events, and carries out what they command.

use quorate_core::admit::Peer;
use quorate_core::cluster::Nanos;
use quorate_core::failure::{Cause, TaskError};
use quorate_core::frame::Frame;
use quorate_core::gateway::{self, Provenance};
use quorate_core::worker;
use quorate_model::tensor::Tensor;

use super::Simulation;
use super::device::TaskEnding;
use super::front::Front;
use super::happening::{Computed, Happening};
use crate::sim::shards::Shards;
use crate::sim::world::{Address, Next, World};

/// What a broken device says.
const BROKEN: &str = "broken";

impl<S: Shards, W: World> Simulation<S, W> {
    /// Hands a worker an event and carries out what it commands.
    pub(super) fn tell(&mut self, device: usize, event: worker::Event) {
        let (now, mut commands) = (self.time(), std::mem::take(&mut self.commands));
        let worker = &mut self.devices[device].worker;
        worker.handle(now, event, &mut commands);
        let kept = &mut self.record.payload_bytes_max[device];
        *kept = worker.payload_bytes().max(*kept);
        let (first, last) = (self.devices.len(), self.wakes.len());
        for command in commands.drain(..) {
            match command {
                worker::Command::Run { job, inputs, delivery } => {
                    let outputs = self.shards.run(device, job.task, &inputs);
                    let ending = self.devices[device].ending;
                    let outputs =
                        outputs.map_err(TaskError::of_device).map(|outputs| match ending {
                            TaskEnding::Wrongly => with_last(&outputs, |value| value * 2.0 + 1.0),
                            TaskEnding::Strangely => with_last(&outputs, |_| f32::NAN),
                            _ => outputs,
                        });
                    let result = outputs.and_then(|outputs| delivery.prepare(&outputs));
                    self.compute(device, job, result);
                }
                worker::Command::Audit(id, audit, usual) => {
                    let (audited, after) = (audit.audited(usual), self.world.glue());
                    let incarnation = self.devices[device].incarnation;
                    let audited = Happening::Audited { device, incarnation, id, audited };
                    self.at(self.now + after, audited);
                }
                worker::Command::Send(peers, frame) => {
                    let node = |peer| match peer {
                        Peer::Device(other) => quorate_core::id::DeviceId::index(other),
                        Peer::Gateway(run) => first + Front::<W::Hop>::of_run(run),
                    };
                    self.send(device, peers.into_iter().map(node), frame);
                }
                worker::Command::Refuse(..) => self.record.refused += 1,
                worker::Command::Failed(job, error) => {
                    let well = self.devices[device].ending == TaskEnding::Well;
                    let own = error.words == BROKEN || error.cause != Cause::Device;
                    assert!(own || !well, "{job:?}: {error}");
                }
                worker::Command::Beat(beat) => {
                    self.send(device, first..last, Frame::Heartbeat(beat));
                }
            }
        }
        self.commands = commands;
        let at = self.devices[device].worker.wake_at();
        self.wake_later(device, Some(at));
    }

    /// Has a job end when it would.
    fn compute(&mut self, device: usize, job: worker::Job, result: Computed) {
        let after = self.world.task(device, &job.task);
        let one = &mut self.devices[device];
        let after = slowed(after, one.slow);
        let result = match one.ending {
            TaskEnding::Well | TaskEnding::Wrongly | TaskEnding::Strangely => result,
            TaskEnding::Badly => Err(TaskError::of_device(BROKEN)),
            TaskEnding::Never => {
                one.hanging.push((job, result));
                return;
            }
        };
        let incarnation = one.incarnation;
        self.at(self.now + after, Happening::Computed { device, incarnation, job, result });
    }

    /// Hands the gateway an event and carries out what it commands.
    pub(super) fn ask(&mut self, gateway: usize, event: gateway::Event) -> Result<(), String> {
        let mut commands = Vec::new();
        let now = self.time();
        self.fronts[gateway].gateway.handle(now, event, &mut commands);
        let (node, life) = (self.node_of(gateway), self.fronts[gateway].life());
        for command in commands {
            match command {
                gateway::Command::Send(devices, frame) => {
                    // All devices are members of the main plan, whatever they hold.
                    if let Frame::Data(data) = &frame
                        && data.plan != self.shards.plans().main().id()
                        && let Some(device) = self.fronts[gateway].lacking(&devices, data.plan)
                    {
                        return Err(format!("{device:?} is asked to go by a plan that it lacks"));
                    }
                    self.send(node, devices.into_iter().map(|to| to.index()), frame);
                }
                gateway::Command::Run(job, inputs) => {
                    let result = self.shards.glue(&inputs);
                    let after = self.world.glue();
                    let event = gateway::Event::Done(job, result);
                    self.at(self.now + after, Happening::Done { gateway, life, event });
                }
                gateway::Command::Audit(job, audits) => {
                    let audited = audits.iter().map(|(usual, audit)| audit.audited(*usual));
                    let audited = audited.collect();
                    let after = self.world.glue();
                    let event = gateway::Event::Audited(job, audited);
                    self.at(self.now + after, Happening::Done { gateway, life, event });
                }
                gateway::Command::Answer(token, outputs, provenance) => {
                    let error = self.shards.error(token as usize, &outputs);
                    self.record.error = self.record.error.max(error);
                    if error > self.course.error_max {
                        let Provenance { attempts, plan, accepted, verified, .. } = provenance;
                        return Err(format!(
                            "request {token} answered wrongly, error {error:e}: attempt {attempts} \
                             under plan {plan} by {accepted:?}, verified {verified}"
                        ));
                    }
                    self.end(token, Ok(provenance))?;
                }
                gateway::Command::Fail(token, error) => self.end(token, Err(error))?,
                gateway::Command::Refuse(..) => self.record.refused += 1,
                gateway::Command::Notice(_) => {}
            }
        }
        let at = self.fronts[gateway].gateway.wake_at();
        self.wake_later(node, at);
        Ok(())
    }

    fn send(&mut self, from: usize, to: impl Iterator<Item = usize>, frame: Frame) {
        let (cut, apart, devices, now) = (&self.cut, &self.apart, &self.devices, self.now);
        let deaf = &self.deaf;
        let gone = |to: &usize| devices.get(*to).and_then(|device| device.gone_at);
        let to = to
            .filter(|to| {
                ![cut, apart].iter().any(|no| no.contains(&(from.min(*to), from.max(*to))))
            })
            .filter(|to| !deaf.contains(&(from, *to)))
            .filter(|to| gone(to).is_none_or(|at| now < at));
        let to: Vec<Address> =
            to.map(|node| Address { node, incarnation: self.life_of(node) }).collect();
        if to.is_empty() {
            return;
        }
        let is_data = matches!(frame, Frame::Data(_));
        let mut next = std::mem::take(&mut self.next);
        let bytes = self.world.send(self.now, from, frame, &to, &mut next);
        let (messages, bytes) = (to.len() as u64, to.len() as u64 * bytes);
        let traffic = &mut self.record.traffic[from];
        traffic.messages += messages;
        traffic.bytes += bytes;
        if is_data {
            traffic.data_messages += messages;
            traffic.data_bytes += bytes;
        }
        next.drain(..).for_each(|next| self.follow(next));
        self.next = next;
    }

    /// Has a letter's next step happen when it is due.
    pub(super) fn follow(&mut self, next: Next<W::Hop>) {
        match next {
            Next::Hop(at, letter, hop) => self.at(at, Happening::Hop(letter, hop)),
            Next::Arrive(at, letter) => self.at(at, Happening::Arrive(letter)),
        }
    }
}

fn slowed(time: Nanos, times: f64) -> Nanos {
    if times == 1.0 { time } else { (time as f64 * times).round() as Nanos }
}

/// The same with the last value of each changed.
fn with_last(right: &[Tensor], change: impl Fn(f32) -> f32) -> Vec<Tensor> {
    let changed = |right: &Tensor| {
        let Ok(mut values) = right.to_f32() else { return right.clone() };
        if let Some(value) = values.last_mut() {
            *value = change(*value);
        }
        Tensor::from_f32(right.shape().to_vec(), &values).unwrap_or_else(|_| right.clone())
    };
    right.iter().map(changed).collect()
}
