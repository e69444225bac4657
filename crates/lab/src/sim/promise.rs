//! Checks a simulation's record against what its script promised.

use std::time::Duration;

use quorate_core::id::{SeatId, StageId};
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
            Promise::Once => u64::MAX,
            Promise::Unnoticed => healthy_us,
            Promise::InTurn => {
                healthy_us + record.endings.len() as u64 * tasks_us(material, script)
            }
            Promise::Within(longer) | Promise::Paused(longer) => {
                healthy_us + longer.as_micros() as u64
            }
        };
        if after_us > limit_us {
            return Err(format!("{said}, promised within {limit_us}"));
        }
        let once = !matches!(script.promise, Promise::Within(_) | Promise::InTurn);
        if once && (attempts, plan) != (1, 0) {
            return Err(format!("{said}, promised in one attempt under the main plan"));
        }
    }
    Ok(())
}

/// The longest that one request's tasks may take the device that has the most.
pub(super) fn tasks_us(material: &Material, script: &Script) -> u64 {
    let plan = material.plans.main();
    let tasks = |seat: usize| plan.tasks(SeatId(seat as u8)).count() as u64;
    (0..plan.seats()).map(tasks).max().unwrap_or(0) * script.task_us_max
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
