//! Events in any order: a gateway never panics, and each request ends once.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use quorate_code::ShardSet;
use quorate_core::audit::Audited;
use quorate_core::audit::{Finding, Usual, Verify};
use quorate_core::failure::TaskError;
use quorate_core::frame::{Failure, Heartbeat, Progress, Report, Standing};
use quorate_core::gateway::{Command, Event, Gateway, GatewayConfig, Job};
use quorate_core::id::{DeviceId, DeviceSet, StageId, ValueId};
use quorate_core::time::Time;
use quorate_fuzz::{RUN, Reader, data, input, plans};

const DEADLINE: Duration = Duration::from_secs(2);

fuzz_target!(|bytes: &[u8]| {
    let (plans, mut bytes) = (plans(), Reader(bytes));
    let mut usual = Usual::default();
    for plan in plans.all() {
        (0..3).for_each(|value| usual.saw(plan.id(), ValueId(value), false, 0.0));
    }
    let config =
        GatewayConfig { usual: Arc::new(usual), pending_max: 4, ..GatewayConfig::default() };
    let mut gateway = Gateway::new(plans.clone(), RUN, config);
    let (mut now, mut next) = (0u64, 0u64);
    let mut open: BTreeSet<u64> = BTreeSet::new();
    let mut jobs: Vec<Job> = Vec::new();
    let mut audits: Vec<(Job, Vec<Audited>)> = Vec::new();
    let held: Vec<_> = plans.all().iter().map(|plan| plan.id()).collect();
    while !bytes.is_empty() {
        now += u64::from(bytes.byte()) * 1000;
        let device = DeviceId(bytes.below(3));
        let event = match bytes.below(14) {
            0 | 1 => {
                let verify =
                    [Verify::Off, Verify::Detect, Verify::Correct][usize::from(bytes.below(3))];
                let token = next;
                next += 1;
                open.insert(token);
                Event::Submit { token, inputs: vec![input()], deadline: DEADLINE, verify }
            }
            2 => {
                let token = u64::from(bytes.byte());
                open.remove(&token);
                Event::Cancel(token)
            }
            3 => Event::Up(device, held[..usize::from(bytes.below(4)).min(held.len())].to_vec()),
            4 => Event::Up(device, held.clone()),
            5 => match bytes.below(4) {
                0 => Event::Crowded(DeviceSet(bytes.byte().into())),
                _ => Event::Down(device),
            },
            6 => Event::Data(device, data(&plans, &mut bytes).1),
            7 => {
                let (from, data) = data(&plans, &mut bytes);
                match from {
                    quorate_core::admit::Peer::Device(from) => Event::Data(from, data),
                    _ => Event::Tick,
                }
            }
            8 => {
                let reaches = DeviceSet(bytes.byte().into());
                Event::Beat(device, Heartbeat { reaches, ..Heartbeat::default() })
            }
            9 if !jobs.is_empty() => {
                let job = jobs.swap_remove(usize::from(bytes.byte()) % jobs.len());
                let made = if bytes.below(4) == 0 { Err("no".to_owned()) } else { Ok(vec![]) };
                Event::Done(job, made)
            }
            10 if !audits.is_empty() => {
                let (job, found) = audits.swap_remove(usize::from(bytes.byte()) % audits.len());
                Event::Audited(job, found)
            }
            11 => {
                let (_, data) = data(&plans, &mut bytes);
                let (stage, shard) = (StageId(bytes.below(3).into()), bytes.below(4).into());
                let error = match bytes.below(4) {
                    0 => TaskError::of_device("broken"),
                    1 => TaskError::of_request("too large"),
                    2 => TaskError::not_finite("not finite"),
                    _ => TaskError::late("too late"),
                };
                let (request, attempt, plan) = (data.request, data.attempt, data.plan);
                let failure = Failure { request, attempt, plan, stage, shard, error };
                Event::Failure(device, failure)
            }
            12 => {
                let (_, data) = data(&plans, &mut bytes);
                let (request, attempt, plan) = (data.request, data.attempt, data.plan);
                let (have, suspects) = (bytes.byte().into(), bytes.byte().into());
                let finding = match bytes.below(3) {
                    0 => Finding::Unchecked,
                    1 => Finding::Clean,
                    _ => Finding::Corrupt(ShardSet::from_bits(suspects)),
                };
                let have = ShardSet::from_bits(have);
                let audited =
                    vec![Audited { value: ValueId(bytes.below(4).into()), have, finding }];
                let is_complete = bytes.below(2) == 1;
                Event::Report(device, Report { request, attempt, plan, is_complete, audited })
            }
            13 => {
                let (number, attempt) = (bytes.below(4).into(), bytes.below(3).into());
                let moves = bytes.byte().into();
                let standings = vec![Standing { number, attempt, moves, is_busy: false }];
                Event::Progress(device, Progress { run: RUN, bytes: now, standings })
            }
            _ => Event::Tick,
        };
        step(&mut gateway, now, event, &mut open, &mut jobs, &mut audits);
    }
    // Whatever has been said, all ends by its deadline.
    for _ in 0..1000 {
        let Some(at) = gateway.wake_at().filter(|_| gateway.pending() > 0) else { break };
        now = now.max(at.0);
        step(&mut gateway, now, Event::Tick, &mut open, &mut jobs, &mut audits);
        while let Some((job, found)) = audits.pop() {
            let event = Event::Audited(job, found);
            step(&mut gateway, now, event, &mut open, &mut jobs, &mut audits);
        }
    }
    assert!(open.is_empty() && gateway.pending() == 0, "{open:?} have no end");
});

fn step(
    gateway: &mut Gateway,
    now: u64,
    event: Event,
    open: &mut BTreeSet<u64>,
    jobs: &mut Vec<Job>,
    audits: &mut Vec<(Job, Vec<Audited>)>,
) {
    let mut out = Vec::new();
    gateway.handle(Time(now), event, &mut out);
    for command in out {
        match command {
            Command::Run(job, _) => jobs.push(job),
            Command::Audit(job, all) => {
                let found = all.iter().map(|(usual, audit)| audit.audited(*usual)).collect();
                audits.push((job, found));
            }
            Command::Answer(token, ..) | Command::Fail(token, _) => {
                assert!(open.remove(&token), "request {token} ends again");
            }
            _ => {}
        }
    }
}
