//! A simulator: the state machines of worker and gateway on virtual time, with
//! shards that are really computed.
//!
//! ```text
//! seed -> Script (requests, faults) -> Cluster (event queue) -> Report
//! ```
//!
//! Safety, always: no answer that differs from the whole model's, every
//! request ends exactly once, or not at all once it was cancelled, and in the
//! end no worker keeps anything.
//! Liveness, by family: what [`script::Promise`] says.

pub mod branches;
pub mod cluster;
pub mod material;
pub mod network;
pub mod random;
pub mod script;

use cluster::{Cluster, Report, healthy_us};
use material::Material;
use script::{Family, Promise, Script};

/// Plays the simulation of a seed; an error names the promise that was broken.
pub fn play(material: &mut Material, family: Family, seed: u64) -> Result<Report, String> {
    let (devices, tolerance) =
        (material.plans.cluster.devices().len(), material.plans.main().tolerance());
    let script = Script::draw(family, seed, devices, tolerance);
    let report = Cluster::play(material, &script)?;
    keep(material, &script, &report)?;
    Ok(report)
}

/// Holds a report against what its script promises.
fn keep(material: &Material, script: &Script, report: &Report) -> Result<(), String> {
    let healthy_us = healthy_us(material, script);
    let kept = report.endings.iter().enumerate().filter(|(index, _)| !report.cancelled[*index]);
    for (index, ending) in kept {
        let Some(ending) = ending else { return Err(format!("request {index} has no end")) };
        let (attempts, plan) = match &ending.outcome {
            Ok(answer) => *answer,
            Err(error) => return Err(format!("request {index}: {error}")),
        };
        let after_us = ending.after_us;
        let said = format!("request {index}: {after_us} us, {attempts} attempts, plan {plan}");
        let limit_us = match script.promise {
            Promise::Unnoticed => healthy_us,
            Promise::Within(longer) => healthy_us + longer.as_micros() as u64,
        };
        if after_us > limit_us {
            return Err(format!("{said}, promised within {limit_us}"));
        }
        if script.promise == Promise::Unnoticed && (attempts, plan) != (1, 0) {
            return Err(format!("{said}, promised to go unnoticed"));
        }
    }
    Ok(())
}
