//! Requests over time, and what befalls devices meanwhile.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use quorate::node::gateway::{Answer, AskError, Handle};
use quorate::rehearsal::answer_difference;
use quorate::workers::Workers;
use quorate_core::id::DeviceId;
use tokio::sync::mpsc;

use super::request::Request;
use super::site::Site;

/// Something that befalls a device, or the gateway.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Blow {
    /// Its process is killed.
    Kill(usize),
    /// A new process is started.
    Launch(usize),
    /// Its process is stopped where it stands.
    Freeze(usize),
    /// Its process goes on.
    Thaw(usize),
    /// From now on devices are suspected after this much silence.
    SuspectAfter(Duration),
}

/// Requests when they are due, and what befalls devices.
#[derive(Clone, Debug)]
pub struct Script {
    /// When each request is due, ascending.
    pub due: Vec<Duration>,
    /// What happens when, ascending.
    pub blows: Vec<(Duration, Blow)>,
    /// Time until a request is lost.
    pub deadline: Duration,
}

impl Script {
    /// `count` requests, one each `period`.
    pub fn every(period: Duration, count: usize, deadline: Duration) -> Script {
        let due = (0..count as u32).map(|number| period * number).collect();
        Script { due, blows: Vec::new(), deadline }
    }
}

pub(super) fn strike(handle: &Handle, workers: &mut Workers, blow: Blow) -> anyhow::Result<()> {
    let device = |index: usize| DeviceId(index as u8);
    match blow {
        Blow::Kill(index) => workers.kill(device(index)),
        Blow::Launch(index) => workers.launch(device(index)),
        Blow::Freeze(index) => workers.freeze(device(index)),
        Blow::Thaw(index) => workers.thaw(device(index)),
        Blow::SuspectAfter(silence) => {
            handle.suspect_after(silence);
            Ok(())
        }
    }
}

/// Asks for one answer and waits for it.
pub(super) async fn ask(
    handle: &Handle,
    site: &Site,
    number: usize,
    deadline: Duration,
) -> anyhow::Result<Request> {
    let asked = Instant::now();
    let input = site.inputs[number % site.inputs.len()].clone();
    let outcome = match handle.submit(vec![input], deadline) {
        Ok(ticket) => ticket.await,
        Err(error) => Err(error),
    };
    record(handle, site, number, asked, outcome)
}

/// What became of request `number`, which was due at `due`.
fn record(
    handle: &Handle,
    site: &Site,
    number: usize,
    due: Instant,
    outcome: Result<Answer, AskError>,
) -> anyhow::Result<Request> {
    match outcome {
        Ok(answer) => {
            let right = &site.right[number % site.right.len()];
            let error = answer_difference(&answer.outputs, right)?;
            let latency = answer.at.saturating_duration_since(due).div_f64(handle.dilation());
            Ok(Request::answered(latency, error, &answer))
        }
        Err(AskError::Ended) => Err(AskError::Ended.into()),
        Err(AskError::Request(_)) => Ok(Request::default()),
    }
}

/// What became of a script.
pub(super) struct Played {
    pub(super) requests: Vec<Request>,
    /// Requests that were under way when this machine was too slow.
    pub(super) spoilt: BTreeSet<usize>,
}

/// Plays a script to its end. `late` tells how often this machine has been too
/// slow so far.
pub(super) async fn play(
    handle: &Handle,
    site: &Site,
    workers: &mut Workers,
    script: &Script,
    late: impl Fn() -> anyhow::Result<usize>,
) -> anyhow::Result<Played> {
    let (answers, mut answered) = mpsc::unbounded_channel();
    let origin = Instant::now() + Duration::from_millis(20);
    let instant = |time: Duration| origin + time.mul_f64(handle.dilation());
    let mut requests = vec![Request::default(); script.due.len()];
    let (mut next, mut blow, mut open) = (0, 0, BTreeSet::new());
    let (mut known, mut spoilt) = (late()?, BTreeSet::new());
    while next < script.due.len() || blow < script.blows.len() || !open.is_empty() {
        let due = script.due.get(next).map(|at| instant(*at));
        let strikes = script.blows.get(blow).map(|(at, _)| instant(*at));
        let first = due.into_iter().chain(strikes).min();
        let wake = first.unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        tokio::select! {
            biased;
            Some((number, outcome)) = answered.recv() => {
                let at: Duration = script.due[number];
                requests[number] = record(handle, site, number, instant(at), outcome)?;
                requests[number].due_ms = at.as_secs_f64() * 1e3;
                let now = late()?;
                if std::mem::replace(&mut known, now) != now {
                    spoilt.extend(&open);
                }
                open.remove(&number);
            }
            () = tokio::time::sleep_until(wake.into()) => {
                if strikes == first && strikes.is_some() {
                    strike(handle, workers, script.blows[blow].1)?;
                    blow += 1;
                    continue;
                }
                let input = site.inputs[next % site.inputs.len()].clone();
                let submitted = handle.submit(vec![input], script.deadline);
                let (number, answers) = (next, answers.clone());
                tokio::spawn(async move {
                    let outcome = match submitted {
                        Ok(ticket) => ticket.await,
                        Err(error) => Err(error),
                    };
                    // Nobody listens once the stream has ended.
                    let _ = answers.send((number, outcome));
                });
                open.insert(next);
                next += 1;
            }
        }
    }
    Ok(Played { requests, spoilt })
}
