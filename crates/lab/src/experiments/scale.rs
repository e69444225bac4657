//! More devices a plan, and more clusters behind one front, by the simulator.

mod fleet;
mod report;
mod subject;
mod sweep;

use serde::Deserialize;

use self::fleet::FrontSpec;
use self::sweep::{SystemSpec, TimedSpec};
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
    timed: TimedSpec,
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
                let again = |context: &mut Context| sweep.time(&seen, spec.timed, context);
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
            let again = |context: &mut Context| front.time(&seen, spec.timed.runs, context);
            let clock = context.step(&format!("{key}-clock"), again)?;
            repeats.extend(clock.iter().map(|clock| clock.differed));
            rows.extend(seen.into_iter().zip(clock));
        }
        report::front(&spec.front, &rows, &mut outcome);
        report::whole(&repeats, &mut outcome);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Bar, Setting, Spec as File, Stop, Store};

    const SMALL: &str = r#"
        seed = 5
        model = "mlp"
        size = "small"
        devices = [3, 5]
        tolerances = [1, 2]
        requests = 6
        timed = { runs = 2, messages = 50 }
        system = [{ profile = "paper", network = "wifi-94", distance_ms = 900.0 }]
        [front]
        profile = "pi-4"
        network = "lan-94"
        devices = 3
        tolerance = 1
        clusters = [1, 4]
        requests = 24
        rate_per_cluster = 20.0
    "#;

    fn outcome(seed: Option<u64>) -> Outcome {
        let folder = tempfile::tempdir().expect("a folder");
        let spec = File::parse(SMALL, seed, false).expect("a spec");
        let store = Store::open(folder.path(), "scale", &spec, false).expect("steps");
        let (program, bar) = (folder.path().join("none"), Bar::hidden());
        let setting = Setting { spec, store, program, stop: Stop::never(), bar };
        Scale.run(&mut Context::new(setting)).expect("runs")
    }

    #[test]
    fn one_seed_gives_the_same_tables() {
        let virtual_times = |outcome: &Outcome| {
            let tables = outcome.tables.iter().filter(|table| !table.measured);
            tables.cloned().collect::<Vec<_>>()
        };
        let (first, second) = (outcome(None), outcome(None));
        assert_eq!(virtual_times(&first), virtual_times(&second));
        assert_ne!(virtual_times(&first), virtual_times(&outcome(Some(6))));
        assert_eq!(virtual_times(&first).len(), 2);
        let counts = first.verdicts.iter().filter(|verdict| verdict.unit_name().is_empty());
        let counts: Vec<f64> = counts.map(|verdict| verdict.ours()).collect();
        assert_eq!(counts, [0.0; 3], "requests without an answer, and runs that differed");
    }
}
