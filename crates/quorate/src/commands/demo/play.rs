//! The stream of requests and the blows that fall on it.
//!
//! The stream is an open loop: request `k` is due at `k / rate`, whatever
//! became of those before, and its latency counts from then.

use std::time::{Duration, Instant};

use anyhow::ensure;
use quorate::node::gateway::{Answer, AskError, Handle};
use quorate::rehearsal::answer_difference;
use quorate::workers::Workers;
use quorate_core::id::{DeviceId, DeviceSet};
use tokio::sync::mpsc;

use super::material::Material;
use super::pace::Pace;
use super::script::{Blow, Script};
use super::tally::{Disturbance, End, Latencies, Record, Tally};
use super::view::{DeviceLine, Snapshot, View};

/// Time a restored device has until it is used again.
const RETURN_LIMIT: Duration = Duration::from_secs(60);
/// Least silence after which the uncoded system gives a device up.
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// Answers whose latency the live view shows.
const RECENT: usize = 500;

/// How the system gets over a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// By decoding.
    Coded,
    /// By noticing silence, for three times the healthy 99th percentile, and
    /// asking again under the plan for those that are left.
    Timeout,
}

/// Where the script stands.
enum Phase {
    /// All is well until this request.
    Quiet { until: usize },
    /// Devices are down until this request.
    Down { until: usize },
    /// They were restored and are waited for.
    Returning { since: Instant, missing: DeviceSet },
    /// No event is left.
    Over,
}

/// One stream over the workers of one plan.
pub(crate) struct Play<'a> {
    pub pace: Pace,
    pub material: &'a Material,
    pub script: Script,
    pub recovery: Recovery,
    pub handle: &'a Handle,
    pub workers: &'a mut Workers,
    pub view: View,
    pub started: Instant,
}

/// What changes while a stream plays.
struct Stream {
    origin: Instant,
    tally: Tally,
    phase: Phase,
    next_event: usize,
    open: usize,
    beats: Vec<u64>,
    answers: mpsc::UnboundedSender<(usize, Result<Answer, AskError>)>,
}

impl Play<'_> {
    /// Plays to the end.
    pub(crate) async fn run(mut self) -> anyhow::Result<Tally> {
        let (answers, mut answered) = mpsc::unbounded_channel();
        let part = self.pace.requests / (self.script.events.len() + 1);
        let mut stream = Stream {
            origin: Instant::now() + Duration::from_millis(20),
            tally: Tally { deadline: self.pace.deadline, ..Tally::default() },
            phase: Phase::Quiet { until: part },
            next_event: 0,
            open: 0,
            beats: vec![0; self.handle.plans().cluster().devices().len()],
            answers,
        };
        let mut refresh = tokio::time::interval(Duration::from_millis(100));
        loop {
            let asked = stream.tally.asked();
            let more = asked < self.pace.requests || !matches!(stream.phase, Phase::Over);
            if !more && stream.open == 0 {
                break;
            }
            let due = Duration::from_secs_f64(asked as f64 / self.pace.rate);
            tokio::select! {
                biased;
                Some((number, outcome)) = answered.recv() => {
                    self.on_answer(&mut stream, number, outcome)?;
                }
                () = tokio::time::sleep_until(self.pace.instant(stream.origin, due).into()), if more => {
                    self.ask(&mut stream, due);
                    self.advance(&mut stream, part)?;
                }
                _ = refresh.tick() => self.refresh(&mut stream),
            }
        }
        self.refresh(&mut stream);
        self.view.end();
        let labels = self.material.labels.is_some();
        let right = |number: &usize| {
            self.material.is_right(*number, self.material.answer(*number)) == Some(true)
        };
        let mut tally = stream.tally;
        let is_taken = |number: &usize| tally.records[*number].end != End::Refused;
        let taken = (0..tally.asked()).filter(is_taken);
        tally.right_whole = labels.then(|| taken.filter(right).count());
        Ok(tally)
    }

    fn ask(&mut self, stream: &mut Stream, due: Duration) {
        let number = stream.tally.asked();
        stream.tally.records.push(Record { due, end: End::Open });
        stream.open += 1;
        let inputs = self.material.inputs[self.material.index(number)].clone();
        let submitted = self.handle.submit(inputs, self.pace.deadline);
        let answers = stream.answers.clone();
        tokio::spawn(async move {
            let outcome = match submitted {
                Ok(ticket) => ticket.await,
                Err(error) => Err(error),
            };
            // The stream has ended if nobody listens.
            let _ = answers.send((number, outcome));
        });
    }

    fn on_answer(
        &mut self,
        stream: &mut Stream,
        number: usize,
        outcome: Result<Answer, AskError>,
    ) -> anyhow::Result<()> {
        stream.open -= 1;
        let due = stream.tally.records[number].due;
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) => {
                tracing::info!("request {number}: {error}");
                let is_busy = matches!(&error, AskError::Request(error) if error.is_busy());
                stream.tally.records[number].end = if is_busy { End::Refused } else { End::Lost };
                return Ok(());
            }
        };
        if stream.tally.answered() == 0 && self.recovery == Recovery::Coded {
            let seconds = self.started.elapsed().as_secs_f64();
            self.view.say(&format!("first answer {seconds:.2} s after the program began"));
        }
        let latency = self.pace.span(stream.origin, answer.at).saturating_sub(due);
        let error = answer_difference(&answer.outputs, self.material.answer(number))?;
        let right = self.material.is_right(number, &answer.outputs);
        stream.tally.records[number].end = End::Answered { latency, error, right };
        stream.tally.decoded += u64::from(answer.provenance.decoded);
        if let Phase::Returning { since, missing } = &mut stream.phase
            && self.pace.instant(stream.origin, due) > *since
        {
            *missing = missing.without(answer.provenance.accepted);
            if missing.is_empty() {
                self.returned(stream);
            }
        }
        Ok(())
    }

    /// The devices of the last event are in use again.
    fn returned(&mut self, stream: &mut Stream) {
        let until = self.pace.since(stream.origin);
        if let Some(event) = stream.tally.events.last_mut() {
            event.until = until;
            self.view.say(&format!("{:7.2} s  {} back in use", until.as_secs_f64(), event.devices));
        }
        let breath = self.pace.requests / 50;
        stream.phase = match stream.next_event < self.script.events.len() {
            true => Phase::Quiet { until: stream.tally.asked() + breath },
            false => Phase::Over,
        };
    }

    /// Does what the script wants by now.
    fn advance(&mut self, stream: &mut Stream, part: usize) -> anyhow::Result<()> {
        let asked = stream.tally.asked();
        match stream.phase {
            Phase::Quiet { until } if asked >= until => self.strike(stream, part),
            Phase::Down { until } if asked >= until => self.restore(stream),
            Phase::Returning { since, missing } if self.pace.since(since) > RETURN_LIMIT => {
                let names = self.handle.plans().device_names(missing);
                let limit = RETURN_LIMIT.as_secs();
                self.view.say(&format!("{names} not used again within {limit} s: the end"));
                for device in missing.iter() {
                    let name = self.handle.plans().device_name(device);
                    self.view.say(&self.workers.last_words_of(name));
                }
                stream.tally.unreturned = true;
                if let Some(event) = stream.tally.events.last_mut() {
                    event.until = self.pace.since(stream.origin);
                }
                stream.phase = Phase::Over;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn strike(&mut self, stream: &mut Stream, part: usize) -> anyhow::Result<()> {
        if stream.next_event == 0 && self.recovery == Recovery::Timeout {
            let p99 = Duration::from_secs_f64(stream.tally.overall_answered().p99_ms / 1e3);
            stream.tally.timeout = (3 * p99).max(TIMEOUT_MIN);
            self.handle.suspect_after(stream.tally.timeout);
            let ms = stream.tally.timeout.as_millis();
            self.view.say(&format!("a device that is silent for {ms} ms is given up"));
        }
        let event = self.script.events[stream.next_event].clone();
        let at = self.pace.since(stream.origin);
        for &device in &event.devices {
            match event.blow {
                Blow::Kill => self.workers.kill(device)?,
                Blow::Freeze => self.workers.freeze(device)?,
            }
        }
        let devices = self.names(&event.devices);
        self.view.say(&format!("{:7.2} s  {} {devices}", at.as_secs_f64(), event.kind()));
        let (kind, until) = (event.kind(), at);
        stream.tally.events.push(Disturbance { kind, devices, at, until });
        // Five sixths of its part; the rest is for coming back.
        stream.phase = Phase::Down { until: stream.tally.asked() + (part * 5).div_ceil(6) };
        Ok(())
    }

    fn restore(&mut self, stream: &mut Stream) -> anyhow::Result<()> {
        let event = self.script.events[stream.next_event].clone();
        stream.next_event += 1;
        for &device in &event.devices {
            match event.blow {
                Blow::Kill => self.workers.launch(device)?,
                Blow::Freeze => self.workers.thaw(device)?,
            }
        }
        let verb = if event.blow == Blow::Kill { "start" } else { "thaw" };
        let (at, devices) = (self.pace.since(stream.origin), self.names(&event.devices));
        self.view.say(&format!("{:7.2} s  {verb} {devices} again", at.as_secs_f64()));
        let missing: DeviceSet = event.devices.iter().copied().collect();
        ensure!(!missing.is_empty(), "an event without devices");
        stream.phase = Phase::Returning { since: Instant::now(), missing };
        Ok(())
    }

    fn names(&self, devices: &[DeviceId]) -> String {
        self.handle.plans().device_names(devices.iter().copied().collect())
    }

    fn refresh(&mut self, stream: &mut Stream) {
        let status = self.handle.status();
        let mut devices = Vec::new();
        for (index, beat) in status.beats.iter().enumerate() {
            let device = DeviceId(index as u8);
            // A worker that was started again counts from zero.
            let before = &mut stream.beats[index];
            let fresh = if beat.decoded < *before { beat.decoded } else { beat.decoded - *before };
            *before = beat.decoded;
            stream.tally.decoded += fresh;
            devices.push(DeviceLine {
                connected: status.connected.contains(device),
                alive: status.alive.contains(device),
                beat: *beat,
            });
        }
        let plan = self.handle.plans().all()[status.plan].name().to_owned();
        let tally = &stream.tally;
        let recent = tally.records.len().saturating_sub(RECENT);
        let latencies = tally.records[recent..].iter().filter_map(|record| match record.end {
            End::Answered { latency, .. } => Some(latency),
            _ => None,
        });
        self.view.show(&Snapshot {
            at: self.pace.since(stream.origin),
            plan,
            asked: tally.asked(),
            answered: tally.answered(),
            lost: tally.lost() - stream.open,
            refused: tally.refused(),
            recent: Latencies::of(latencies.collect()),
            decoded: tally.decoded,
            devices,
        });
    }
}
