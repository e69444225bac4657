//! Devices, a gateway and the links between them on one virtual clock.
//!
//! *Invariant:* a simulation depends on its script and its bundle alone.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use quorate_core::admit::Peer;
use quorate_core::frame::Frame;
use quorate_core::gateway::{self, Gateway, RequestError};
use quorate_core::id::{DeviceId, GatewayRun, PlanId};
use quorate_core::time::Time;
use quorate_core::worker::{self, Worker, WorkerConfig};
use quorate_model::tensor::Tensor;

use super::material::Material;
use super::network::Network;
use super::random::SplitMix;
use super::record::{Ending, Record};
use super::script::{Fault, Script};

/// A wake-up that comes this often at one instant will come for ever.
const TICKS_MAX: u32 = 1000;
/// The largest error of an answer that is right.
const ERROR_MAX: f64 = 1e-4;
const RUN: GatewayRun = GatewayRun { gateway: 1, epoch: 1 };

/// What a worker's job made.
type Computed = Result<Vec<worker::Outgoing>, String>;

#[derive(Debug)]
enum Happening {
    Frame { to: usize, from: Peer, incarnation: u32, bytes: Bytes },
    Wake { node: usize, generation: u64 },
    Computed { device: usize, incarnation: u32, job: worker::Job, result: Computed },
    Glued(gateway::Job, Result<Vec<Tensor>, String>),
    Submit(usize),
    Cancel(usize),
    Fault(usize),
    Connected { device: usize, incarnation: u32 },
    Disconnected(usize),
}

struct Device {
    worker: Worker,
    up: bool,
    incarnation: u32,
    frozen: bool,
    /// What came while it was frozen.
    inbox: Vec<Happening>,
    slow: u64,
}

/// One simulation under way.
pub(super) struct Simulation<'a> {
    material: &'a mut Material,
    script: &'a Script,
    random: SplitMix,
    network: Network,
    now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    devices: Vec<Device>,
    gateway: Gateway,
    /// By node: the wake-up that counts.
    wakes: Vec<(u64, Option<u64>)>,
    /// Wake-ups of one node at one instant.
    ticks: (u64, usize, u32),
    hasher: DefaultHasher,
    record: Record,
}

impl<'a> Simulation<'a> {
    /// Plays a script to its end. An error is a broken promise, which is
    /// everything but slowness: that is left to the caller.
    pub(super) fn play(material: &'a mut Material, script: &'a Script) -> Result<Record, String> {
        let mut simulation = Simulation::new(material, script);
        simulation.run()?;
        Ok(simulation.record)
    }

    fn new(material: &'a mut Material, script: &'a Script) -> Simulation<'a> {
        let count = material.plans.cluster().devices().len();
        let mut random = SplitMix::new(script.seed ^ 0x5151);
        let network = Network::new(count + 1, script.delay_us_max, &mut random);
        let plans = material.plans.clone();
        let gateway = Gateway::new(plans.clone(), RUN, script.gateway.clone());
        let device = |index: usize| Device {
            worker: fresh(&plans, index),
            up: true,
            incarnation: 0,
            frozen: false,
            inbox: Vec::new(),
            slow: 1,
        };
        let mut simulation = Simulation {
            devices: (0..count).map(device).collect(),
            material,
            script,
            random,
            network,
            now: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            gateway,
            wakes: vec![(0, None); count + 1],
            ticks: (0, 0, 0),
            hasher: DefaultHasher::new(),
            record: Record {
                endings: vec![None; script.submits.len()],
                cancelled: vec![false; script.submits.len()],
                ..Record::default()
            },
        };
        for device in 0..count {
            simulation.at(0, Happening::Connected { device, incarnation: 0 });
        }
        for (index, at) in script.submits.iter().enumerate() {
            simulation.at(*at, Happening::Submit(index));
        }
        for (at, index) in &script.cancels {
            simulation.at(*at, Happening::Cancel(*index));
        }
        for (index, (at, _)) in script.faults.iter().enumerate() {
            simulation.at(*at, Happening::Fault(index));
        }
        simulation
    }

    fn at(&mut self, time: u64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((time, self.sequence), happening);
    }

    fn run(&mut self) -> Result<(), String> {
        let last_submit = self.script.submits.last().copied().unwrap_or(0);
        let end = last_submit + 2 * self.script.deadline.as_micros() as u64;
        while let Some(((time, sequence), happening)) = self.queue.pop_first() {
            self.now = time;
            self.record.events += 1;
            (time, sequence).hash(&mut self.hasher);
            self.happen(happening)?;
            if self.record.ended_us == 0 && self.open() == 0 {
                self.record.ended_us = self.now;
            }
            let faults_over = self.script.faults.last().is_none_or(|(at, _)| *at <= self.now);
            if self.record.ended_us > 0 && faults_over && self.is_idle() {
                self.record.idle_us = self.now;
                self.record.digest = self.hasher.finish();
                return Ok(());
            }
            if self.now > end {
                return Err(self.leftovers());
            }
        }
        Err("nothing more happens".to_owned())
    }

    /// Requests that are to be answered still.
    fn open(&self) -> usize {
        let Record { endings, cancelled, .. } = &self.record;
        endings.iter().zip(cancelled).filter(|(end, gone)| end.is_none() && !**gone).count()
    }

    fn is_idle(&self) -> bool {
        self.gateway.pending() == 0 && self.devices.iter().all(|d| d.worker.is_idle())
    }

    fn leftovers(&self) -> String {
        let open = self.open();
        let left = self.devices.iter().enumerate().map(|(i, d)| {
            let w = &d.worker;
            format!("device {i}: {} requests, {} bytes", w.requests(), w.payload_bytes())
        });
        let left: Vec<String> = left.collect();
        format!("{open} requests without an end, kept at the end: {}", left.join("; "))
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        let happening = match self.owner(&happening) {
            Some(device) if self.devices[device].frozen => {
                self.devices[device].inbox.push(happening);
                return Ok(());
            }
            _ => happening,
        };
        let gateway = self.devices.len();
        match happening {
            Happening::Frame { to, from, incarnation, bytes } if to == gateway => {
                let _ = incarnation;
                self.gateway_frame(from, bytes)
            }
            Happening::Frame { to, from, incarnation, bytes } => {
                let device = &self.devices[to];
                if device.up && device.incarnation == incarnation {
                    self.worker_frame(to, from, bytes);
                }
                Ok(())
            }
            Happening::Wake { node, generation } => self.wake(node, generation),
            Happening::Computed { device, incarnation, job, result } => {
                if self.devices[device].up && self.devices[device].incarnation == incarnation {
                    self.tell(device, worker::Event::Done(job, result));
                }
                Ok(())
            }
            Happening::Glued(job, result) => self.ask(gateway::Event::Done(job, result)),
            Happening::Submit(index) => {
                let inputs = self.material.inputs[index % self.material.inputs.len()].clone();
                let (token, deadline) = (index as u64, self.script.deadline);
                self.ask(gateway::Event::Submit { token, inputs, deadline })
            }
            Happening::Cancel(index) => {
                self.record.cancelled[index] = self.record.endings[index].is_none();
                self.ask(gateway::Event::Cancel(index as u64))
            }
            Happening::Fault(index) => self.fault(self.script.faults[index].1),
            Happening::Connected { device, incarnation } => self.connected(device, incarnation),
            Happening::Disconnected(device) => {
                self.ask(gateway::Event::Down(DeviceId(device as u8)))
            }
        }
    }

    /// The device that a happening waits for while it is frozen.
    fn owner(&self, happening: &Happening) -> Option<usize> {
        match happening {
            Happening::Frame { to, .. } => Some(*to).filter(|to| *to < self.devices.len()),
            Happening::Computed { device, .. } => Some(*device),
            Happening::Connected { device, .. } => Some(*device),
            Happening::Wake { node, .. } => Some(*node).filter(|node| *node < self.devices.len()),
            _ => None,
        }
    }

    fn connected(&mut self, device: usize, incarnation: u32) -> Result<(), String> {
        if !self.devices[device].up || self.devices[device].incarnation != incarnation {
            return Ok(());
        }
        let held: Vec<PlanId> = self.material.plans.all().iter().map(|plan| plan.id()).collect();
        self.tell(device, worker::Event::Gateway(RUN));
        self.ask(gateway::Event::Up(DeviceId(device as u8), held))
    }

    fn wake(&mut self, node: usize, generation: u64) -> Result<(), String> {
        if self.wakes[node].0 != generation {
            return Ok(());
        }
        self.wakes[node].1 = None;
        let again = self.ticks.0 == self.now && self.ticks.1 == node;
        self.ticks = (self.now, node, if again { self.ticks.2 + 1 } else { 0 });
        if self.ticks.2 > TICKS_MAX {
            return Err(format!("node {node} is woken for ever at {} us", self.now));
        }
        if node == self.devices.len() {
            return self.ask(gateway::Event::Tick);
        }
        if self.devices[node].up {
            self.tell(node, worker::Event::Tick);
        }
        Ok(())
    }

    fn worker_frame(&mut self, device: usize, from: Peer, bytes: Bytes) {
        let event = match Frame::decode(bytes) {
            Ok(Frame::Data(data)) => worker::Event::Data(from, data),
            Ok(Frame::Watermark(mark)) => worker::Event::Watermark(from, mark),
            Ok(_) => return,
            Err(_) => {
                self.record.refused += 1;
                return;
            }
        };
        self.tell(device, event);
    }

    fn gateway_frame(&mut self, from: Peer, bytes: Bytes) -> Result<(), String> {
        let Peer::Device(from) = from else { return Ok(()) };
        match Frame::decode(bytes) {
            Ok(Frame::Data(data)) => self.ask(gateway::Event::Data(from, data)),
            Ok(Frame::Heartbeat(beat)) => self.ask(gateway::Event::Beat(from, beat)),
            Ok(_) => Ok(()),
            Err(_) => {
                self.record.refused += 1;
                Ok(())
            }
        }
    }

    /// Hands a worker an event and carries out what it commands.
    fn tell(&mut self, device: usize, event: worker::Event) {
        let mut commands = Vec::new();
        self.devices[device].worker.handle(Time(self.now), event, &mut commands);
        let gateway = self.devices.len();
        for command in commands {
            match command {
                worker::Command::Run { job, inputs, delivery } => {
                    let outputs = self.material.run(device, job.task, &inputs);
                    let result = outputs.and_then(|outputs| delivery.prepare(&outputs));
                    let after = self.task_us() * self.devices[device].slow;
                    let incarnation = self.devices[device].incarnation;
                    let done = Happening::Computed { device, incarnation, job, result };
                    self.at(self.now + after, done);
                }
                worker::Command::Send(peers, frame) => {
                    let bytes = frame.encode().to_bytes();
                    for peer in peers {
                        let to = match peer {
                            Peer::Device(other) => other.index(),
                            Peer::Gateway(_) => gateway,
                        };
                        self.send(device, to, &bytes);
                    }
                }
                worker::Command::Refuse(..) => self.record.refused += 1,
                worker::Command::Failed(job, words) => panic!("{job:?}: {words}"),
                worker::Command::Beat(beat) => {
                    let bytes = Frame::Heartbeat(beat).encode().to_bytes();
                    self.send(device, gateway, &bytes);
                }
            }
        }
        let at = self.devices[device].worker.wake_at().0;
        self.wake_later(device, Some(at));
    }

    /// Hands the gateway an event and carries out what it commands.
    fn ask(&mut self, event: gateway::Event) -> Result<(), String> {
        let mut commands = Vec::new();
        self.gateway.handle(Time(self.now), event, &mut commands);
        let gateway = self.devices.len();
        for command in commands {
            match command {
                gateway::Command::Send(devices, frame) => {
                    let bytes = frame.encode().to_bytes();
                    devices.iter().for_each(|to| self.send(gateway, to.index(), &bytes));
                }
                gateway::Command::Run(job, inputs) => {
                    let result = self.material.glue(&inputs);
                    let after = self.task_us();
                    self.at(self.now + after, Happening::Glued(job, result));
                }
                gateway::Command::Answer(token, outputs, provenance) => {
                    let inputs = self.material.inputs.len();
                    let error = self.material.error(token as usize % inputs, &outputs);
                    self.record.error = self.record.error.max(error);
                    if error > ERROR_MAX {
                        return Err(format!("request {token} answered wrongly, error {error:e}"));
                    }
                    self.end(token, Ok((provenance.attempts, provenance.plan)))?;
                }
                gateway::Command::Fail(token, error) => self.end(token, Err(error))?,
                gateway::Command::Refuse(..) => self.record.refused += 1,
                gateway::Command::Notice(_) => {}
            }
        }
        let at = self.gateway.wake_at().map(|time| time.0);
        self.wake_later(gateway, at);
        Ok(())
    }

    fn end(
        &mut self,
        token: u64,
        outcome: Result<(u32, usize), RequestError>,
    ) -> Result<(), String> {
        let index = token as usize;
        if self.record.endings[index].is_some() {
            return Err(format!("request {token} ended twice"));
        }
        if self.record.cancelled[index] {
            return Err(format!("request {token} ended after it was cancelled"));
        }
        let after_us = self.now - self.script.submits[index];
        (token, after_us).hash(&mut self.hasher);
        self.record.endings[index] = Some(Ending { after_us, outcome });
        Ok(())
    }

    fn send(&mut self, from: usize, to: usize, frame: &Bytes) {
        let incarnation = self.devices.get(to).map_or(0, |device| device.incarnation);
        for arrival in self.network.carry(from, to, frame, &mut self.random) {
            let count = self.devices.len();
            let sender = if arrival.wrong_sender { (from + 1) % count } else { from };
            let from = match sender {
                gateway if gateway == count => Peer::Gateway(RUN),
                device => Peer::Device(DeviceId(device as u8)),
            };
            let frame = Happening::Frame { to, from, incarnation, bytes: arrival.bytes };
            self.at(self.now + arrival.after_us, frame);
        }
    }

    fn task_us(&mut self) -> u64 {
        self.random.between(self.script.task_us_max / 4, self.script.task_us_max)
    }

    fn wake_later(&mut self, node: usize, at: Option<u64>) {
        if self.wakes[node].1 == at {
            return;
        }
        self.wakes[node] = (self.wakes[node].0 + 1, at);
        if let Some(at) = at {
            let generation = self.wakes[node].0;
            self.at(at.max(self.now), Happening::Wake { node, generation });
        }
    }

    fn fault(&mut self, fault: Fault) -> Result<(), String> {
        match fault {
            Fault::Crash { device, goodbye } => {
                let one = &mut self.devices[device];
                if one.up {
                    one.up = false;
                    one.frozen = false;
                    one.inbox.clear();
                    one.worker = fresh(&self.material.plans, device);
                    self.wakes[device] = (self.wakes[device].0 + 1, None);
                    if goodbye {
                        self.at(self.now + 100, Happening::Disconnected(device));
                    }
                }
            }
            Fault::Restart(device) => {
                let one = &mut self.devices[device];
                if !one.up {
                    one.up = true;
                    one.incarnation += 1;
                    let incarnation = one.incarnation;
                    let after = self.script.delay_us_max;
                    self.at(self.now + after, Happening::Connected { device, incarnation });
                }
            }
            Fault::Freeze(device) => self.devices[device].frozen = self.devices[device].up,
            Fault::Thaw(device) => {
                self.devices[device].frozen = false;
                for happening in std::mem::take(&mut self.devices[device].inbox) {
                    self.happen(happening)?;
                }
            }
            Fault::Slow(device, times) => self.devices[device].slow = times,
            Fault::Cut(a, b) => self.network.set_cut(a, b, true),
            Fault::Mend(a, b) => self.network.set_cut(a, b, false),
            Fault::Noise(noise) => self.network.set_noise(noise),
        }
        Ok(())
    }
}

fn fresh(plans: &std::sync::Arc<quorate_core::plan::Plans>, device: usize) -> Worker {
    Worker::new(plans.clone(), DeviceId(device as u8), WorkerConfig::default())
}
