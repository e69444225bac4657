//! Requests that have nothing to do with each other, simulated.

use std::time::Duration;

use quorate::emulation;
use quorate_core::timing::{TIMING_FILE, Timing as Measured};

use crate::experiment::Context;
use crate::fleet::Site;
use crate::sim::blank::Blank;
use crate::sim::timed::{Costs, Script, Timed, Timing};

/// What `count` requests take in milliseconds, each of a cluster of its own, on
/// the devices and the network of these names; `deadline` where one has no
/// answer by then.
pub(super) fn alone(
    context: &Context,
    site: &Site,
    (profile, network): (&str, &str),
    count: usize,
    deadline: Duration,
) -> anyhow::Result<Vec<f64>> {
    let plans = std::sync::Arc::new(site.plans.clone());
    let devices = plans.cluster().devices();
    let text = std::fs::read_to_string(site.bundle().join(&devices[0].name).join(TIMING_FILE))?;
    let costs = Costs::measured(&plans, Measured::parse(&text)?);
    let (profile, network) = (emulation::profile(profile)?, emulation::network(network)?);
    let timing = Timing::new(&profile, devices.len(), &network, costs);
    let mut script = Script::one_by_one(1);
    script.deadline = deadline;
    script.gateway.resubmit_after = deadline;
    let mut latencies = Vec::with_capacity(count);
    for request in 0..count as u64 {
        if request.is_multiple_of(100) {
            context.go_on()?;
        }
        let seed = context.seed().wrapping_mul(1_000_003).wrapping_add(request);
        let mut timed = Timed::new(Blank::new(plans.clone()), timing.clone().seeded(seed))?;
        let took = timed.run(&script)?.latencies().next().unwrap_or(deadline);
        latencies.push(took.as_secs_f64() * 1e3);
    }
    Ok(latencies)
}
