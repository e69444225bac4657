//! Checks a simulation's record against what its script promised.

use std::time::Duration;

use quorate_core::id::StageId;
use quorate_core::plan::WaitPolicy;

use super::material::Material;
use super::record::Record;
use super::script::{Promise, Script};

/// Holds a record against what its script promises; an error names what was
/// broken.
pub(super) fn check(material: &Material, script: &Script, record: &Record) -> Result<(), String> {
    let healthy_us = healthy_us(material, script);
    let kept = record.endings.iter().enumerate().filter(|(index, _)| !record.cancelled[*index]);
    for (index, ending) in kept {
        let Some(ending) = ending else { return Err(format!("request {index} has no end")) };
        let (attempts, plan) = match &ending.outcome {
            Ok(answer) => (answer.attempts, answer.plan),
            Err(error) => return Err(format!("request {index}: {error}")),
        };
        let after_us = ending.after.as_micros() as u64;
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

/// The longest that a request may take by itself without faults: every stage
/// waits for every task before it, each on a link at its slowest.
fn healthy_us(material: &Material, script: &Script) -> u64 {
    let plan = material.plans.main();
    let wait = match material.plans.wait() {
        WaitPolicy::Fixed(wait) => wait,
        WaitPolicy::Auto => Duration::ZERO,
    };
    // A device that has several shards of a stage computes one after the other.
    let tasks = (0..plan.stages().len() as u16).map(|stage| {
        let seats = &plan.stage_sharding(StageId(stage)).seats;
        let of = |seat| seats.iter().filter(|other| *other == seat).count() as u64;
        seats.iter().map(of).max().unwrap_or(1)
    });
    let stages = tasks
        .chain([1])
        .map(|tasks| tasks * script.task_us_max + script.delay_us_max + wait.as_micros() as u64);
    stages.sum::<u64>() + script.delay_us_max
}
