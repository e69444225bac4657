//! Devices, a gateway and the links between them on one virtual clock.
//!
//! *Invariant:* a simulation depends on its course, its world and its bundle
//! alone.

mod agenda;
mod arrive;
mod change;
mod device;
mod execute;
mod front;
mod happening;
mod links;
mod lives;

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use quorate_core::cluster::Nanos;
use quorate_core::gateway::{self, Provenance, RequestError};
use quorate_core::id::{DeviceId, PlanId};
use quorate_core::time::Time;
use quorate_core::worker;

use self::agenda::Agenda;
use self::device::Device;
use self::front::Front;
use self::happening::{Happening, Pair};
use super::course::{Course, Requests, Until};
use super::record::{Ending, Record, Traffic};
use super::shards::Shards;
use super::world::{Letter, Next, World};

/// A wake-up that comes this often at one instant will come for ever.
const TICKS_MAX: u32 = 1000;
const NANOS_PER_US: Nanos = 1000;

/// One simulation under way.
pub(super) struct Simulation<S, W: World> {
    shards: S,
    world: W,
    course: Course<W::Trouble>,
    now: Nanos,
    agenda: Agenda<Happening<W::Hop>>,
    devices: Vec<Device<W::Hop>>,
    /// Their nodes come after those of the devices.
    fronts: Vec<Front<W::Hop>>,
    /// Links on which nothing passes.
    cut: BTreeSet<(usize, usize)>,
    /// From and to: links on which nothing passes in this direction.
    deaf: BTreeSet<(usize, usize)>,
    /// Devices without a connection.
    apart: BTreeSet<Pair>,
    /// By node: the wake-up that counts.
    wakes: Vec<(u64, Option<Time>)>,
    /// Wake-ups of one node at one instant.
    ticks: (Nanos, usize, u32),
    /// Requests that are to be answered still.
    open: usize,
    /// When it is too late for whatever has come in so far.
    limit: Nanos,
    ended_at: Option<Nanos>,
    hasher: DefaultHasher,
    record: Record,
    /// Room for commands and letters, used again and again.
    commands: Vec<worker::Command>,
    next: Vec<Next<W::Hop>>,
}

impl<S: Shards, W: World> Simulation<S, W> {
    /// Plays a course to its end. An error is a broken promise, which is
    /// everything but slowness: that is left to the caller.
    pub(super) fn play(shards: S, world: W, course: Course<W::Trouble>) -> Result<Record, String> {
        let mut simulation = Simulation::new(shards, world, course);
        while !simulation.is_over() {
            if !simulation.step()? {
                return Err("nothing more happens".to_owned());
            }
            if simulation.now > simulation.limit && !simulation.is_over() {
                return Err(simulation.leftovers());
            }
        }
        Ok(simulation.finish())
    }

    /// A simulation before anything has happened.
    pub(super) fn new(shards: S, world: W, course: Course<W::Trouble>) -> Simulation<S, W> {
        let plans = shards.plans().clone();
        let count = plans.cluster().devices().len();
        let nodes = count + course.gateways;
        let config = course.worker();
        let device = |index| {
            let version = course.versions.get(index).copied().unwrap_or(0);
            Device::new(shards.version(version), index, config.clone())
        };
        let mut simulation = Simulation {
            devices: (0..count).map(device).collect(),
            fronts: (0..course.gateways)
                .map(|gateway| Front::new(&plans, &course.gateway, gateway))
                .collect(),
            shards,
            world,
            now: 0,
            agenda: Agenda::new(),
            cut: BTreeSet::new(),
            deaf: BTreeSet::new(),
            apart: BTreeSet::new(),
            wakes: vec![(0, None); nodes],
            ticks: (0, 0, 0),
            open: 0,
            limit: 2 * nanos(course.deadline),
            ended_at: None,
            hasher: DefaultHasher::new(),
            record: Record {
                traffic: vec![Traffic::default(); nodes],
                payload_bytes_max: vec![0; count],
                ..Record::default()
            },
            course,
            commands: Vec::new(),
            next: Vec::new(),
        };
        for device in 0..count {
            let start = simulation.world.start(device);
            for gateway in 0..simulation.fronts.len() {
                simulation.at(start, Happening::Connected { gateway, device, incarnation: 0 });
            }
        }
        simulation.schedule();
        simulation
    }

    /// Enters all that is to happen.
    fn schedule(&mut self) {
        match self.course.requests.clone() {
            Requests::At(times) => {
                times.iter().for_each(|time| self.request_at(nanos(*time)));
            }
            Requests::OneByOne { count, .. } => {
                (0..count).for_each(|_| self.add());
                if count > 0 {
                    self.at(self.course.begin, Happening::Submit(0));
                }
            }
        }
        for (at, index) in self.course.cancels.clone() {
            self.at(self.course.begin.saturating_add(at), Happening::Cancel(index));
        }
        for index in 0..self.course.changes.len() {
            let at = self.course.begin.saturating_add(self.course.changes[index].0);
            self.at(at, Happening::Change(index));
        }
    }

    /// Has one more request come in at `at` of the course.
    pub(super) fn request_at(&mut self, at: Nanos) {
        let at = self.course.begin.saturating_add(at);
        self.at(at, Happening::Submit(self.record.endings.len()));
        self.limit = self.limit.max(at.saturating_add(2 * nanos(self.course.deadline)));
        self.add();
    }

    fn add(&mut self) {
        self.open += 1;
        self.record.came.push(Duration::ZERO);
        self.record.endings.push(None);
        self.record.cancelled.push(false);
        self.record.arrivals.push(Vec::new());
    }

    /// Requests that are to be answered still.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Goes on with all that happens before `until` of the course.
    pub(super) fn go_on(&mut self, until: Nanos) -> Result<(), String> {
        let until = self.course.begin.saturating_add(until);
        while self.agenda.next_at().is_some_and(|at| at < until) {
            self.step()?;
        }
        Ok(())
    }

    fn at(&mut self, time: Nanos, happening: Happening<W::Hop>) {
        self.agenda.push(time, happening);
    }

    /// The time that the nodes are told.
    fn time(&self) -> Time {
        Time(self.now / NANOS_PER_US)
    }

    /// Lets the next thing happen; false if there is none.
    fn step(&mut self) -> Result<bool, String> {
        let Some((time, sequence, happening)) = self.agenda.pop() else { return Ok(false) };
        self.now = time;
        self.record.events += 1;
        (time / NANOS_PER_US, sequence).hash(&mut self.hasher);
        self.happen(happening)?;
        if self.ended_at.is_none() && self.open == 0 {
            self.ended_at = Some(self.now);
        }
        Ok(true)
    }

    fn is_over(&self) -> bool {
        let Some(ended) = self.ended_at else { return false };
        match self.course.until {
            Until::After(linger) => self.now >= ended.saturating_add(nanos(linger)),
            Until::Idle => {
                let begin = self.course.begin;
                let passed = |at: Nanos| begin.saturating_add(at) <= self.now;
                let changed = self.course.changes.last().is_none_or(|(at, _)| passed(*at));
                changed && self.is_idle()
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.fronts.iter().all(|front| front.gateway.pending() == 0)
            && self.devices.iter().all(|device| device.worker.is_idle())
    }

    /// What came of it.
    pub(super) fn finish(self) -> Record {
        let decoded = |device: &Device<_>| device.worker.counters().decoded;
        Record {
            decoded: self.devices.iter().map(decoded).collect(),
            digest: self.hasher.finish(),
            ended_us: self.ended_at.map_or(0, |at| self.since(at).as_micros() as u64),
            idle_us: self.since(self.now).as_micros() as u64,
            ..self.record
        }
    }

    /// From the beginning of the course to `at`.
    fn since(&self, at: Nanos) -> Duration {
        Duration::from_nanos(at.saturating_sub(self.course.begin))
    }

    fn leftovers(&self) -> String {
        let left = self.devices.iter().enumerate().map(|(i, d)| {
            let w = &d.worker;
            format!("device {i}: {} requests, {} bytes", w.requests(), w.payload_bytes())
        });
        let (open, left) = (self.open, left.collect::<Vec<String>>());
        format!("{open} requests without an end, kept at the end: {}", left.join("; "))
    }

    fn happen(&mut self, happening: Happening<W::Hop>) -> Result<(), String> {
        if let Some(node) = self.waits_for(&happening) {
            match self.devices.get_mut(node) {
                Some(device) => device.inbox.push(happening),
                None => {
                    let gateway = node - self.devices.len();
                    self.fronts[gateway].inbox.push(happening);
                }
            }
            return Ok(());
        }
        match happening {
            Happening::Arrive(letter) => self.arrive(*letter),
            Happening::Hop(letter, hop) => {
                if !self.is_lost(&letter) {
                    let next = self.world.hop(self.now, letter, hop);
                    self.follow(next);
                }
                Ok(())
            }
            Happening::Wake { node, generation } => self.wake(node, generation),
            Happening::Computed { device, incarnation, job, result } => {
                if self.lives(device, incarnation) {
                    self.tell(device, worker::Event::Done(job, result));
                }
                Ok(())
            }
            Happening::Audited { device, incarnation, id, audited } => {
                if self.lives(device, incarnation) {
                    self.tell(device, worker::Event::Audited(id, audited));
                }
                Ok(())
            }
            Happening::Done { gateway, life, event } => {
                if life == self.fronts[gateway].life() {
                    self.ask(gateway, event)?;
                }
                Ok(())
            }
            Happening::Submit(index) => self.submit(index),
            Happening::Cancel(index) => {
                let cancelled = self.record.endings[index].is_none();
                if cancelled && !std::mem::replace(&mut self.record.cancelled[index], true) {
                    self.open -= 1;
                }
                let gateway = self.asked(index);
                if self.fronts[gateway].up {
                    self.ask(gateway, gateway::Event::Cancel(index as u64))?;
                }
                Ok(())
            }
            Happening::Change(index) => self.change(self.course.changes[index].1),
            Happening::Connected { gateway, device, incarnation } => {
                self.connected(gateway, device, incarnation)
            }
            Happening::Link { pair, lives, up } => {
                self.link(pair, lives, up);
                Ok(())
            }
            Happening::Reaches(device) => {
                self.reaches(device);
                Ok(())
            }
            Happening::GatewayGone { gateway, device, incarnation, life } => {
                // Unless it is back already: it has another connection.
                let is_back =
                    life == self.fronts[gateway].life() && !self.is_apart(gateway, device);
                if self.lives(device, incarnation) && !is_back {
                    let run = self.fronts[gateway].run_of(life);
                    self.tell(device, worker::Event::GatewayGone(run));
                }
                Ok(())
            }
            Happening::Disconnected { gateway, device } => {
                if self.fronts[gateway].up {
                    self.ask(gateway, gateway::Event::Down(DeviceId(device as u8)))?;
                }
                Ok(())
            }
        }
    }

    /// The node that stands still for which a happening has to wait.
    fn waits_for(&self, happening: &Happening<W::Hop>) -> Option<usize> {
        let (node, other) = match happening {
            Happening::Arrive(letter) => (letter.to.node, None),
            // What has not left its sender yet.
            Happening::Hop(letter, _) if letter.left_at == Nanos::MAX => (letter.from, None),
            Happening::Wake { node, .. } => (*node, None),
            Happening::Computed { device, .. }
            | Happening::Audited { device, .. }
            | Happening::GatewayGone { device, .. }
            | Happening::Reaches(device) => (*device, None),
            Happening::Connected { gateway, device, .. } => (*device, Some(self.node_of(*gateway))),
            Happening::Done { gateway, .. } | Happening::Disconnected { gateway, .. } => {
                (self.node_of(*gateway), None)
            }
            Happening::Submit(index) | Happening::Cancel(index) => {
                (self.node_of(self.asked(*index)), None)
            }
            Happening::Hop(..) | Happening::Change(_) | Happening::Link { .. } => return None,
        };
        let frozen = |node: &usize| match self.devices.get(*node) {
            Some(device) => device.frozen,
            None => self.front_of(*node).frozen,
        };
        [Some(node), other].into_iter().flatten().find(frozen)
    }

    /// Has a letter's sender crashed before all of it had left?
    fn is_lost(&self, letter: &Letter) -> bool {
        let crashed = self.devices.get(letter.from).and_then(|device| device.crashed_at);
        crashed.is_some_and(|at| letter.sent_at <= at && at < letter.left_at)
    }

    fn submit(&mut self, index: usize) -> Result<(), String> {
        let gateway = self.asked(index);
        if !self.fronts[gateway].up {
            self.forget_request(index);
            return Ok(());
        }
        self.record.came[index] = self.since(self.now);
        let deadline = self.course.deadline;
        self.limit = self.limit.max(self.now.saturating_add(2 * nanos(deadline)));
        let inputs = self.shards.inputs(index);
        let number = self.fronts[gateway].gateway.next_number();
        let (token, verify) = (index as u64, self.course.verify);
        self.ask(gateway, gateway::Event::Submit { token, inputs, deadline, verify })?;
        // What was refused at once has no number.
        let front = &mut self.fronts[gateway];
        if front.gateway.next_number() > number {
            front.numbers.insert(number, index);
        }
        Ok(())
    }

    fn end(&mut self, token: u64, outcome: Result<Provenance, RequestError>) -> Result<(), String> {
        let index = token as usize;
        if self.record.endings[index].is_some() {
            return Err(format!("request {token} ended twice"));
        }
        if self.record.cancelled[index] {
            return Err(format!("request {token} ended after it was cancelled"));
        }
        let after = self.since(self.now).saturating_sub(self.record.came[index]);
        (token, after.as_micros() as u64).hash(&mut self.hasher);
        self.record.endings[index] = Some(Ending { after, outcome });
        self.open -= 1;
        if let Requests::OneByOne { count, pause } = self.course.requests
            && index + 1 < count
        {
            self.at(self.now.saturating_add(nanos(pause)), Happening::Submit(index + 1));
        }
        Ok(())
    }

    /// Which gateway a request is asked of: they take turns.
    fn asked(&self, index: usize) -> usize {
        index % self.fronts.len()
    }

    /// The node of a gateway.
    fn node_of(&self, gateway: usize) -> usize {
        self.devices.len() + gateway
    }

    /// The gateway of a node that is no device.
    fn front_of(&self, node: usize) -> &Front<W::Hop> {
        &self.fronts[node - self.devices.len()]
    }

    /// Which life of its a node is in.
    fn life_of(&self, node: usize) -> u32 {
        let device = self.devices.get(node);
        device.map_or_else(|| self.front_of(node).life(), |device| device.incarnation)
    }

    /// Has a device no connection with a gateway?
    fn is_apart(&self, gateway: usize, device: usize) -> bool {
        !self.fronts[gateway].up || self.apart.contains(&(device, self.node_of(gateway)))
    }

    /// Is a device up, and in this life of its?
    fn lives(&self, device: usize, incarnation: u32) -> bool {
        self.devices[device].up && self.devices[device].incarnation == incarnation
    }

    fn connected(&mut self, gateway: usize, device: usize, incarnation: u32) -> Result<(), String> {
        if !self.lives(device, incarnation) || !self.fronts[gateway].up {
            return Ok(());
        }
        let pair = (device, self.node_of(gateway));
        if !self.passes(pair) {
            // It comes up when the link does.
            self.apart.insert(pair);
            return Ok(());
        }
        self.apart.remove(&pair);
        self.devices[device].gone_at = None;
        let held: Vec<PlanId> =
            self.devices[device].plans.all().iter().map(|plan| plan.id()).collect();
        self.fronts[gateway].told.insert(device, held.clone());
        self.tell(device, worker::Event::Gateway(self.fronts[gateway].run()));
        self.ask(gateway, gateway::Event::Up(DeviceId(device as u8), held))
    }

    fn wake(&mut self, node: usize, generation: u64) -> Result<(), String> {
        if self.wakes[node].0 != generation {
            return Ok(());
        }
        self.wakes[node].1 = None;
        let again = self.ticks.0 == self.now && self.ticks.1 == node;
        self.ticks = (self.now, node, if again { self.ticks.2 + 1 } else { 0 });
        if self.ticks.2 > TICKS_MAX {
            return Err(format!("node {node} is woken for ever at {} ns", self.now));
        }
        let moved = self.world.moved(self.now, node);
        if let Some(gateway) = node.checked_sub(self.devices.len()) {
            if std::mem::replace(&mut self.fronts[gateway].moved, moved) != moved {
                self.ask(gateway, gateway::Event::Moved)?;
            }
            return self.ask(gateway, gateway::Event::Tick);
        }
        if self.devices[node].up {
            self.tell(node, worker::Event::Moved(moved));
            self.tell(node, worker::Event::Tick);
        }
        Ok(())
    }

    fn wake_later(&mut self, node: usize, at: Option<Time>) {
        if self.wakes[node].1 == at {
            return;
        }
        self.wakes[node] = (self.wakes[node].0 + 1, at);
        if let Some(at) = at {
            let generation = self.wakes[node].0;
            let at = at.0.saturating_mul(NANOS_PER_US).max(self.now);
            self.at(at, Happening::Wake { node, generation });
        }
    }
}

/// A time on the virtual clock.
fn nanos(time: Duration) -> Nanos {
    Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX / 4)
}
