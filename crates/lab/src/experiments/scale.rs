//! More devices a plan, and more clusters behind one front, by the simulator.

mod fleet;
mod report;
mod subject;
mod sweep;

use serde::Deserialize;

use self::fleet::FrontSpec;
use self::sweep::SystemSpec;
use crate::experiment::{Context, Experiment, Outcome};
use crate::zoo::Size;

/// More devices a plan, and more clusters behind one front.
pub(super) struct Scale;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    model: String,
    size: Size,
    devices: Vec<usize>,
    tolerances: Vec<usize>,
    requests: usize,
    timed_messages: u64,
    system: Vec<SystemSpec>,
    front: FrontSpec,
}

impl Experiment for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn title(&self) -> &'static str {
        "More devices, more clusters"
    }

    fn paper(&self) -> &'static str {
        "Section 6: up to 12 Raspberry Pis. Section 6.3: the cost of the coded method is constant \
         with an increasing number of devices. Nothing is said of systems beyond 12 devices, or of \
         many systems side by side."
    }

    fn spec(&self) -> &'static str {
        include_str!("../../specs/scale.toml")
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let spec: Spec = context.spec()?;
        let bytes = crate::zoo::find(&spec.model)?.net(spec.size).to_bytes(context.seed());
        let staged = subject::read(bytes)?;
        let mut outcome = Outcome::default();
        let total = spec.system.len() * spec.devices.len() + spec.front.clusters.len();
        let (mut done, mut repeats) = (0, Vec::new());
        for system in &spec.system {
            let (mut rows, mut clocks) = (Vec::new(), Vec::new());
            for &devices in &spec.devices {
                let key = format!("{}-{devices}", system.profile);
                context.progress(done, total, &format!("{} over {devices} devices", spec.model));
                done += 1;
                let sweep = sweep::Sweep {
                    staged: &staged,
                    system,
                    devices,
                    tolerances: &spec.tolerances,
                    requests: spec.requests,
                    seed: context.seed(),
                };
                let seen = context.step(&key, |context| sweep.run(context))?;
                let again = |context: &mut Context| sweep.time(&seen, spec.timed_messages, context);
                clocks.extend(context.step(&format!("{key}-clock"), again)?);
                rows.extend(seen);
            }
            report::system(system, &rows, &clocks, &mut outcome);
            repeats.extend(clocks.into_iter().map(|clock| clock.differed));
        }
        let mut rows = Vec::new();
        for &clusters in &spec.front.clusters {
            context.progress(done, total, &format!("{clusters} clusters"));
            done += 1;
            let key = format!("front-{clusters}");
            let front = fleet::Fleet { staged: &staged, spec: &spec.front, clusters };
            let seen = context.step(&key, |context| front.run(context))?;
            let again = |context: &mut Context| front.time(&seen, context);
            let clock = context.step(&format!("{key}-clock"), again)?;
            repeats.extend(clock.iter().map(|clock| clock.differed));
            rows.extend(seen.into_iter().zip(clock));
        }
        report::front(&spec.front, &rows, &mut outcome);
        report::whole(&repeats, &mut outcome);
        Ok(outcome)
    }
}
