//! How fast requests come, in the time of the devices that answer them.

use std::time::{Duration, Instant};

use quorate::node::gateway::Handle;
use quorate_model::tensor::Tensor;

use super::script::Script;
use crate::cli;

/// Requests before latencies are taken.
const WARM_UP: usize = 20;
/// And of emulated devices, which are warm as soon as they are connected.
const WARM_UP_EMULATED: usize = 5;
/// Requests and rate where none are asked for.
const REQUESTS: usize = 2400;
const RATE: f64 = 100.0;
/// Time until a request is lost where none is asked for.
const DEADLINE: Duration = Duration::from_secs(2);
const DEADLINE_EMULATED: Duration = Duration::from_secs(20);
/// How long a stream over emulated devices takes by default, and how much of
/// what they can answer is asked of them.
const SECONDS_EMULATED: f64 = 30.0;
const LOAD_EMULATED: f64 = 0.5;

/// How many requests come how fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Requests in all.
    pub requests: usize,
    /// Requests a second.
    pub rate: f64,
    /// A request without an answer for this long is lost.
    pub deadline: Duration,
    /// How many times slower than here time passes for the devices.
    dilation: f64,
}

/// Requests in all, unless emulated devices turn out to be too slow for it.
pub(crate) fn requests(args: &cli::Demo) -> usize {
    args.requests.unwrap_or(REQUESTS)
}

/// Time until a request is lost.
pub(crate) fn deadline(args: &cli::Demo) -> Duration {
    let emulated = !args.emulate.is_empty();
    args.deadline.unwrap_or(if emulated { DEADLINE_EMULATED } else { DEADLINE })
}

impl Pace {
    /// What `args` ask for. Where they do not say, emulated devices are asked
    /// for as much as they can do, by the answers that they give now. Either
    /// way a few come first, so that every connection is up and every task has
    /// run before latencies are taken.
    pub(crate) async fn find(
        args: &cli::Demo,
        handle: &Handle,
        inputs: &[Tensor],
    ) -> anyhow::Result<Pace> {
        let (emulated, deadline) = (!args.emulate.is_empty(), deadline(args));
        let mut pace = Pace {
            requests: requests(args),
            rate: args.rate.unwrap_or(RATE),
            deadline,
            dilation: handle.dilation(),
        };
        let mut spans = Vec::new();
        for _ in 0..if emulated { WARM_UP_EMULATED } else { WARM_UP } {
            let asked = Instant::now();
            // What matters of these is that they were asked.
            if handle.submit(inputs.to_vec(), deadline)?.await.is_ok() {
                spans.push(pace.since(asked).as_secs_f64());
            }
        }
        spans.sort_by(f64::total_cmp);
        let median = spans.get(spans.len() / 2).copied();
        if let (true, Some(seconds)) = (emulated, median) {
            pace.rate = args.rate.unwrap_or((LOAD_EMULATED / seconds).clamp(0.01, RATE));
            let enough = (pace.rate * SECONDS_EMULATED).ceil() as usize;
            let least = 6 * Script::steps(args.cluster.spares);
            pace.requests = args.requests.unwrap_or(enough.clamp(least, REQUESTS));
        }
        Ok(pace)
    }

    /// Time that has passed for the devices since `instant`.
    pub(crate) fn since(&self, instant: Instant) -> Duration {
        self.span(instant, Instant::now())
    }

    /// Time that passed for the devices from one instant to another.
    pub(crate) fn span(&self, from: Instant, to: Instant) -> Duration {
        to.saturating_duration_since(from).div_f64(self.dilation)
    }

    /// The instant at which `time` has passed for the devices since `origin`.
    pub(crate) fn instant(&self, origin: Instant, time: Duration) -> Instant {
        origin + time.mul_f64(self.dilation)
    }
}
