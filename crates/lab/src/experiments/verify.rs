//! Bits that are flipped in one device: are they found, and is nothing taken for
//! wrong that is right?

mod bench;
mod case;
mod flip;
mod healthy;
mod report;
mod seen;

use serde::Deserialize;

use crate::experiment::{Context, Experiment, Outcome};
use bench::Bench;
use case::Case;
use flip::Place;
use seen::Seen;

/// Bits that are flipped in one device.
pub(super) struct Verify;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    /// Flips of each kind, a case.
    flips: usize,
    /// Stages of healthy requests in all.
    healthy: usize,
    case: Vec<Case>,
}

impl Experiment for Verify {
    fn name(&self) -> &'static str {
        "verify"
    }

    fn title(&self) -> &'static str {
        "Bits that are flipped in one device"
    }

    fn paper(&self) -> &'static str {
        "Section 5 makes up for devices that are lost, and takes answers that come for right. The \
         same spare shards show one that is wrong: with one, that there is one; with two, which."
    }

    fn spec(&self) -> &'static str {
        include_str!("../../specs/verify.toml")
    }

    fn run(&self, context: &mut Context) -> anyhow::Result<Outcome> {
        let spec: Spec = context.spec()?;
        let (mut outcome, mut all) = (Outcome::default(), Vec::new());
        for (at, case) in spec.case.iter().enumerate() {
            let progress = |context: &Context, part: usize, what: &str| {
                let what = format!("{}: {what}", case.title);
                context.progress(3 * at + part, 3 * spec.case.len(), &what);
            };
            progress(context, 0, "healthy");
            let seen: Seen = context.step(&case.name, |context| {
                let bench = Bench::pack(case, context.seed())?;
                let stages = spec.healthy / spec.case.len();
                let healthy = healthy::ask(&bench, stages, context)?;
                let mut flips = Vec::new();
                for (part, place) in (1..).zip([Place::Weights, Place::Shards]) {
                    progress(context, part, &format!("bits of {place}"));
                    flips.extend(flip::flip(&bench, place, spec.flips, context)?);
                }
                Ok(Seen { flips, healthy, tolerance: bench.rehearsal.limit() })
            })?;
            all.push((case, seen));
        }
        report::tell(&all, &mut outcome);
        Ok(outcome)
    }
}
