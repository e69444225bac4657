//! What is to happen in one simulation, all of it drawn from one seed.

use std::time::Duration;

use quorate_core::audit::Verify;
use quorate_core::cluster::Nanos;
use quorate_core::gateway::GatewayConfig;

use super::course::{Change, Course, Requests, Until};
use super::family::Family;
use super::fault::Fault;
use super::network::Noise;
use super::promise::Promise;
use super::random::SplitMix;
use super::world::USER_TIMEOUT;

/// The longest that a gateway stands still.
const STALL_MS: u64 = 1500;
const MS: u64 = 1000;
const NANOS_PER_US: Nanos = 1000;
/// The longest that a frame takes a slow link: workers keep a request for ten
/// minutes at most, and a stage sends many.
const SECONDS_MAX: u64 = 1;
/// The longest that a device is in trouble.
const TROUBLE_MS: u64 = 900;
/// Versions of the bundle.
const VERSIONS: u64 = 3;
/// Devices that are well again reach each other after so long at most.
const RELINK: Duration = Duration::from_millis(250);
/// The largest error of an answer that is right.
const ERROR_MAX: f64 = 1e-4;

/// One simulation.
#[derive(Clone, Debug)]
pub(super) struct Script {
    /// What it was drawn from.
    pub(super) seed: u64,
    /// When each request comes in, microseconds.
    pub(super) submits: Vec<u64>,
    /// Time each of them has.
    pub(super) deadline: Duration,
    /// When somebody stops waiting for which request.
    pub(super) cancels: Vec<(u64, usize)>,
    /// When each fault happens.
    pub(super) faults: Vec<(u64, Fault)>,
    /// What befalls frames from when on.
    noises: Vec<(u64, Noise)>,
    /// The longest delay of a link.
    pub(super) delay_us_max: u64,
    /// The longest time a task takes on a device that is not slow.
    pub(super) task_us_max: u64,
    /// How many bytes of shards and inputs a node sends a second, where that is
    /// limited.
    pub(super) bytes_per_s: Option<u64>,
    /// Gateways that requests are asked of in turn.
    pub(super) gateways: usize,
    /// The gateways' habits.
    pub(super) gateway: GatewayConfig,
    /// The most requests of which a device keeps all, and the most bytes, where
    /// that is limited.
    kept: Option<usize>,
    pub(super) memory: Option<usize>,
    /// By device: which version of the bundle it has.
    versions: Vec<usize>,
    /// How answers are checked.
    verify: Verify,
    /// What is promised.
    pub(super) promise: Promise,
}

impl Script {
    /// The simulation of a seed, over `devices` devices of which `tolerance`
    /// may fail.
    pub(super) fn draw(family: Family, seed: u64, devices: usize, tolerance: usize) -> Script {
        let mut random = SplitMix::new(seed);
        let mut script = Script {
            seed,
            submits: Vec::new(),
            cancels: Vec::new(),
            deadline: Duration::from_secs(120),
            faults: Vec::new(),
            noises: Vec::new(),
            delay_us_max: random.between(400, 3000),
            task_us_max: random.between(300, 3000),
            bytes_per_s: None,
            gateways: 1,
            kept: None,
            memory: None,
            versions: Vec::new(),
            gateway: GatewayConfig::default(),
            verify: Verify::Off,
            promise: Promise::Unnoticed,
        };
        match family {
            Family::Tolerated => script.tolerated(devices, tolerance, &mut random),
            Family::Rolling => script.rolling(devices, tolerance, &mut random),
            Family::Beyond => script.beyond(devices, &mut random),
            Family::Chaos => script.chaos(devices, &mut random),
            Family::Load => script.load(&mut random),
            Family::Hidden => script.hidden(devices, &mut random),
            Family::Flapping => script.flapping(&mut random),
            Family::Impatient => script.impatient(&mut random),
            Family::Grey => script.grey(devices, tolerance, &mut random),
            Family::Broken => script.broken(devices, &mut random),
            Family::Slow => script.slow(devices, tolerance, &mut random),
            Family::Wrong => script.wrong(devices, &mut random),
            Family::Stalled => script.stalled(&mut random),
            Family::Restarted => script.restarted(devices, tolerance, &mut random),
            Family::Several => script.several(devices, tolerance, &mut random),
            Family::Mixed => script.mixed(devices, &mut random),
            Family::Narrow => script.narrow(&mut random),
        }
        script.faults.sort_by_key(|(at, _)| *at);
        script.submits.sort_unstable();
        script
    }

    /// Has no frame take longer than some seconds, where the largest has so many
    /// bytes.
    pub(super) fn send_within_seconds(&mut self, largest: usize) {
        let least = largest as u64 / SECONDS_MAX + 1;
        self.bytes_per_s = self.bytes_per_s.map(|rate| rate.max(least));
    }

    /// Has requests come no faster than one in so many microseconds, on average.
    pub(super) fn come_no_faster_than(&mut self, gap_us: u64) {
        let last = self.submits.last().copied().unwrap_or(0);
        let times = (gap_us * self.submits.len() as u64).div_ceil(last.max(1)).max(1);
        self.submits.iter_mut().for_each(|at| *at *= times);
    }

    /// Limits what devices keep, where that is limited, to some requests of so many
    /// bytes.
    pub(super) fn keep_requests_of(&mut self, bytes: usize) {
        self.memory = self.kept.map(|kept| kept * bytes);
    }

    /// May a request end in any way, as it came before there was peace?
    pub(super) fn is_before_peace(&self, index: usize) -> bool {
        matches!(self.promise, Promise::Again(from, _) if self.submits[index] < from)
    }

    /// Leaves out frames that say they were others.
    pub(super) fn tell_no_lies(&mut self) {
        self.noises.iter_mut().for_each(|(_, noise)| noise.lies = 0);
    }

    /// What happens to the simulation.
    pub(super) fn course(&self) -> Course<Noise> {
        let noises = self.noises.iter().map(|(at, noise)| (*at, Change::World(*noise)));
        let faults = self.faults.iter().map(|(at, fault)| (*at, Change::Fault(*fault)));
        let changes = noises.chain(faults).map(|(at, change)| (at * NANOS_PER_US, change));
        let mut changes: Vec<_> = changes.collect();
        changes.sort_by_key(|(at, _)| *at);
        Course {
            requests: Requests::At(
                self.submits.iter().copied().map(Duration::from_micros).collect(),
            ),
            begin: 0,
            deadline: self.deadline,
            cancels: self.cancels.iter().map(|(at, of)| (at * NANOS_PER_US, *of)).collect(),
            changes,
            gateways: self.gateways,
            gateway: self.gateway.clone(),
            memory: self.memory,
            versions: self.versions.clone(),
            verify: self.verify,
            until: Until::Idle,
            error_max: ERROR_MAX,
        }
    }

    fn every(&mut self, count: u64, gap_ms: u64, random: &mut SplitMix) {
        self.submits = (1..=count).map(|i| (i * gap_ms + random.below(gap_ms / 2)) * MS).collect();
    }

    fn tolerated(&mut self, devices: usize, tolerance: usize, random: &mut SplitMix) {
        self.every(16, 200, random);
        for device in some(devices, tolerance, random) {
            let mut at = random.between(1, 600) * MS;
            while at < 3300 * MS {
                at = self.trouble(device, devices, at, random) + random.between(1, 400) * MS;
            }
        }
    }

    fn rolling(&mut self, devices: usize, tolerance: usize, random: &mut SplitMix) {
        self.every(40, 40, random);
        self.promise = Promise::Within(self.one_trouble());
        let mut at = random.between(1, 100) * MS;
        while at < 1700 * MS && tolerance > 0 {
            let group = some(devices, tolerance, random);
            let ends = group.iter().map(|d| self.trouble(*d, devices, at, random));
            at = ends.max().unwrap_or(at) + random.between(1, 60) * MS;
        }
    }

    fn beyond(&mut self, devices: usize, random: &mut SplitMix) {
        self.deadline = Duration::from_secs(30);
        self.every(20, 100, random);
        // Each of the others noticed by itself, and one time-out.
        let GatewayConfig { resubmit_after, suspect_after, .. } = self.gateway;
        self.promise = Promise::Within(resubmit_after + suspect_after * devices as u32);
        let survivor = random.below(devices as u64) as usize;
        for device in (0..devices).filter(|d| *d != survivor) {
            let mut at = random.between(1, 2000) * MS;
            loop {
                let goodbye = random.chance(500);
                self.faults.push((at, Fault::Crash { device, goodbye }));
                if random.chance(500) {
                    break;
                }
                at += random.between(1, 1500) * MS;
                self.faults.push((at, Fault::Restart(device)));
                at += random.between(1, 1500) * MS;
            }
        }
    }

    fn chaos(&mut self, devices: usize, random: &mut SplitMix) {
        self.every(30, 100, random);
        // The fourth attempt begins after three time-outs: 2 + 4 + 8 s.
        self.promise = Promise::Within(self.gateway.resubmit_after * 7);
        let peace = 4000 * MS;
        let noise = Noise {
            lost: random.below(60) as u32,
            twice: random.below(100) as u32,
            garbage: random.below(30) as u32,
            lies: random.below(60) as u32,
        };
        self.noises = vec![(0, noise), (peace, Noise::default())];
        for device in 0..devices {
            let mut at = random.between(1, 2000) * MS;
            while at < peace - 1000 * MS {
                at = self.trouble(device, devices, at, random) + random.between(1, 1500) * MS;
            }
        }
        for _ in 0..random.below(6) {
            let (a, b) = (random.below(devices as u64 + 1), random.below(devices as u64 + 1));
            let (a, b, at) = (a as usize, b as usize, random.between(1, 3000) * MS);
            if a != b {
                self.faults.push((at, Fault::Cut(a, b)));
                self.faults.push((at + random.between(1, 900) * MS, Fault::Mend(a, b)));
            }
        }
    }

    fn load(&mut self, random: &mut SplitMix) {
        self.submits = (0..200).map(|_| random.between(50, 150) * MS).collect();
        self.promise = Promise::InTurn;
    }

    fn hidden(&mut self, devices: usize, random: &mut SplitMix) {
        self.deadline = Duration::from_secs(40);
        self.every(12, 300, random);
        // As in chaos; but what requests that were answered stood still for is
        // borne of others, too.
        self.promise = Promise::Within(self.gateway.resubmit_after * 10);
        for a in 0..devices {
            for b in (0..a).filter(|_| random.chance(400)).collect::<Vec<_>>() {
                self.faults.push((random.below(2000) * MS, Fault::Cut(a, b)));
            }
        }
        if devices > 1 && random.chance(700) {
            let device = random.below(devices as u64) as usize;
            let goodbye = random.chance(500);
            self.faults.push((random.below(2000) * MS, Fault::Crash { device, goodbye }));
        }
    }

    fn flapping(&mut self, random: &mut SplitMix) {
        self.delay_us_max = random.between(20, 60) * MS;
        self.task_us_max = random.between(5, 40) * MS;
        self.gateway.suspect_after = Duration::from_millis(30);
        self.every(20, 250, random);
        self.promise = Promise::Within(self.gateway.resubmit_after * 3);
    }

    fn impatient(&mut self, random: &mut SplitMix) {
        self.every(30, 30, random);
        // Those that stay wait for a few others at most.
        self.promise = Promise::Within(Duration::from_millis(500));
        let gone: Vec<usize> = (0..self.submits.len()).filter(|_| random.chance(400)).collect();
        let waits = gone.iter().map(|_| random.below(30) * MS).collect::<Vec<_>>();
        let cancel = |(index, wait): (usize, u64)| (self.submits[index] + wait, index);
        self.cancels = gone.into_iter().zip(waits).map(cancel).collect();
    }

    fn grey(&mut self, devices: usize, tolerance: usize, random: &mut SplitMix) {
        self.every(30, 100, random);
        for device in some(devices, tolerance, random) {
            let mut at = random.between(1, 600) * MS;
            while at < 3000 * MS {
                let wrong = [Fault::Hang, Fault::Break, Fault::Stray][random.below(3) as usize];
                self.faults.push((at, wrong(device)));
                at += random.between(1, 900) * MS;
                self.faults.push((at, Fault::Heal(device)));
                at += random.between(1, 400) * MS;
            }
        }
    }

    fn broken(&mut self, devices: usize, random: &mut SplitMix) {
        self.deadline = Duration::from_secs(30);
        self.every(30, 100, random);
        // Each failure is told at once, and the request moves on.
        self.promise = Promise::Within(Duration::from_millis(500));
        let survivor = random.below(devices as u64) as usize;
        for device in (0..devices).filter(|d| *d != survivor) {
            let mut at = random.between(1, 2000) * MS;
            while random.chance(700) {
                let wrong = if random.chance(300) { Fault::Stray } else { Fault::Break };
                self.faults.push((at, wrong(device)));
                at += random.between(1, 1500) * MS;
                self.faults.push((at, Fault::Heal(device)));
                at += random.between(1, 1500) * MS;
            }
        }
    }

    fn slow(&mut self, devices: usize, tolerance: usize, random: &mut SplitMix) {
        self.deadline = Duration::from_secs(3600);
        self.promise = Promise::Once;
        self.task_us_max = random.between(500, 5000) * MS;
        self.bytes_per_s = random.chance(700).then(|| random.between(500, 20_000));
        self.submits = (0..random.between(1, 8)).map(|_| random.below(20_000) * MS).collect();
        // Even so, a device may be gone.
        for device in some(devices, tolerance.min(1), random) {
            if random.chance(300) {
                let goodbye = random.chance(500);
                self.faults.push((random.below(20_000) * MS, Fault::Crash { device, goodbye }));
            }
        }
    }

    fn wrong(&mut self, devices: usize, random: &mut SplitMix) {
        self.deadline = Duration::from_secs(30);
        self.verify = Verify::Correct;
        self.every(40, 60, random);
        // An attempt without each device in turn, and reports that are waited for.
        self.promise = Promise::Within(Duration::from_millis(1000 * (1 + devices as u64)));
        let device = random.below(devices as u64) as usize;
        let mut at = random.between(1, 600) * MS;
        while at < 2500 * MS {
            self.faults.push((at, Fault::Err(device)));
            at += random.between(1, 1500) * MS;
            self.faults.push((at, Fault::Heal(device)));
            at += random.between(1, 400) * MS;
        }
    }

    fn stalled(&mut self, random: &mut SplitMix) {
        self.every(30, 120, random);
        // Of two stalls that follow each other, both may hit a request.
        self.promise = Promise::Paused(Duration::from_millis(2 * STALL_MS));
        let mut at = random.between(1, 600) * MS;
        while at < 3500 * MS {
            self.faults.push((at, Fault::FreezeGateway(0)));
            at += random.between(5, STALL_MS) * MS;
            self.faults.push((at, Fault::ThawGateway(0)));
            at += random.between(300, 900) * MS;
        }
    }

    fn restarted(&mut self, devices: usize, tolerance: usize, random: &mut SplitMix) {
        self.deadline = Duration::from_secs(30);
        self.every(30, 100, random);
        self.promise = Promise::Within(self.one_trouble());
        let mut at = random.between(1, 800) * MS;
        while at < 2500 * MS {
            at = self.gateway_restarts(0, at, random) + random.between(200, 1200) * MS;
        }
        for device in some(devices, tolerance, random) {
            let at = random.between(1, 2000) * MS;
            self.trouble(device, devices, at, random);
        }
    }

    fn several(&mut self, devices: usize, tolerance: usize, random: &mut SplitMix) {
        self.gateways = 2;
        self.deadline = Duration::from_secs(30);
        self.every(40, 80, random);
        let stalls = Duration::from_millis(2 * STALL_MS);
        self.promise = Promise::Within(self.one_trouble() + stalls);
        let mut at = random.between(1, 800) * MS;
        while at < 3000 * MS {
            let gateway = random.below(2) as usize;
            if random.chance(500) {
                at = self.gateway_restarts(gateway, at, random);
            } else {
                self.faults.push((at, Fault::FreezeGateway(gateway)));
                at += random.between(5, STALL_MS) * MS;
                self.faults.push((at, Fault::ThawGateway(gateway)));
            }
            at += random.between(300, 1200) * MS;
        }
        for device in some(devices, tolerance, random) {
            let at = random.between(1, 2000) * MS;
            self.trouble(device, devices, at, random);
        }
    }

    fn mixed(&mut self, devices: usize, random: &mut SplitMix) {
        self.beyond(devices, random);
        // Who lacks a plan is not asked to go by it, so that nothing times out.
        self.promise = Promise::Within(self.gateway.suspect_after * devices as u32);
        let starts = self.faults.iter().filter_map(|(at, fault)| match fault {
            Fault::Restart(device) => Some((*at, *device)),
            _ => None,
        });
        let starts: Vec<(u64, usize)> = starts.collect();
        self.versions = (0..devices).map(|_| random.below(VERSIONS) as usize).collect();
        // Who never fails.
        let fails = |device: &usize| {
            let of = |fault: &Fault| matches!(fault, Fault::Crash { device: d, .. } if d == device);
            self.faults.iter().any(|(_, fault)| of(fault))
        };
        let lives: Vec<usize> = (0..devices).filter(|device| !fails(device)).collect();
        lives.into_iter().for_each(|device| self.versions[device] = 0);
        for (at, device) in starts {
            let version = random.below(VERSIONS) as usize;
            self.faults.push((at - 1, Fault::Install { device, version }));
        }
    }

    fn narrow(&mut self, random: &mut SplitMix) {
        let peace = 25_000 * MS;
        self.deadline = Duration::from_secs(20);
        self.kept = Some(random.between(2, 8) as usize);
        let late = (1..=10).map(|at| peace + at * 300 * MS);
        self.submits = (0..100).map(|_| random.between(50, 150) * MS).chain(late).collect();
        self.promise = Promise::Again(peace, self.gateway.resubmit_after);
    }

    /// A gateway that ends at `at`; returns when it starts anew.
    fn gateway_restarts(&mut self, gateway: usize, at: u64, random: &mut SplitMix) -> u64 {
        self.faults.push((at, Fault::CrashGateway(gateway)));
        // Now and then for longer than devices wait for it.
        let longest = if random.chance(250) { 2500 } else { 700 };
        let end = at + random.between(1, longest) * MS;
        self.faults.push((end, Fault::RestartGateway(gateway)));
        end
    }

    /// What a request may lose by devices in trouble: it moves on as slowly as one
    /// that is slow, is noticed once to have stopped, and times out once for what
    /// nobody notices.
    fn one_trouble(&self) -> Duration {
        let GatewayConfig { resubmit_after, suspect_after, .. } = self.gateway;
        Duration::from_millis(TROUBLE_MS) + suspect_after + resubmit_after + RELINK
    }

    /// One device in trouble from `at` on; returns when it is well again.
    fn trouble(&mut self, device: usize, devices: usize, at: u64, random: &mut SplitMix) -> u64 {
        let end = at + random.between(1, TROUBLE_MS) * MS;
        let others = (0..devices + self.gateways).filter(|other| *other != device);
        let mend = |other: usize| Fault::Mend(device, other);
        let pairs = match random.below(5) {
            0 => {
                let goodbye = random.chance(500);
                vec![(Fault::Crash { device, goodbye }, Fault::Restart(device))]
            }
            1 => vec![(Fault::Freeze(device), Fault::Thaw(device))],
            2 => {
                vec![(Fault::Slow(device, random.between(2, 100) as f64), Fault::Slow(device, 1.0))]
            }
            3 => others.map(|other| (Fault::Cut(device, other), mend(other))).collect(),
            // Nothing that it says is heard, or it hears nothing; and soon, as
            // nothing is confirmed, neither.
            _ => {
                let is_mute = random.chance(500);
                let way = |(from, to): (usize, usize)| match is_mute {
                    true => Fault::Deafen { from, to },
                    false => Fault::Deafen { from: to, to: from },
                };
                let later = at + USER_TIMEOUT / NANOS_PER_US;
                if later < end {
                    let cut = |other| (later, Fault::Cut(device, other));
                    self.faults.extend(others.clone().map(cut));
                }
                others.map(|other| (way((device, other)), mend(other))).collect()
            }
        };
        for (wrong, right) in pairs {
            self.faults.push((at, wrong));
            self.faults.push((end, right));
        }
        end
    }
}

/// `count` of `0..devices`.
fn some(devices: usize, count: usize, random: &mut SplitMix) -> Vec<usize> {
    let mut all: Vec<usize> = (0..devices).collect();
    (0..count).map(|_| all.swap_remove(random.below(all.len() as u64) as usize)).collect()
}
