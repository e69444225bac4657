//! Whether a simulation's record keeps what was promised.

use std::time::Duration;

use quorate_core::id::{SeatId, StageId, ValueId};
use quorate_core::plan::{Sharding, WaitPolicy};
use quorate_model::value::Value;

use super::material::Material;
use super::promise::Promise;
use super::record::{Ending, Record};
use super::script::Script;

/// Learned waits are this part of what stages take by themselves, at most.
const LEARNED: u64 = 4;

/// Holds a record against what its script promises; an error names what was
/// broken.
pub(super) fn check(material: &Material, script: &Script, record: &Record) -> Result<(), String> {
    let healthy_us = healthy_us(material, script);
    if let Some(most) = script.memory
        && let Some(kept) = record.payload_bytes_max.iter().find(|kept| **kept > most)
    {
        return Err(format!("a device kept {kept} bytes of payload, may keep {most}"));
    }
    let early = |(index, ending): (usize, &Option<Ending>)| {
        script.is_before_peace(index) && ending.as_ref().is_some_and(|end| end.outcome.is_ok())
    };
    if let Promise::Again(..) = script.promise
        && !record.endings.iter().enumerate().any(early)
    {
        return Err("none of the requests at once is answered".to_owned());
    }
    let kept = record.endings.iter().enumerate().filter(|(index, _)| !record.cancelled[*index]);
    for (index, ending) in kept {
        let Some(ending) = ending else { return Err(format!("request {index} has no end")) };
        let (attempts, plan) = match &ending.outcome {
            _ if script.is_before_peace(index) => continue,
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
            Promise::Within(longer) | Promise::Paused(longer) | Promise::Again(_, longer) => {
                healthy_us + longer.as_micros() as u64
            }
        };
        if after_us > limit_us {
            return Err(format!("{said}, promised within {limit_us}"));
        }
        let once = matches!(
            script.promise,
            Promise::Unnoticed | Promise::Paused(_) | Promise::Once | Promise::Again(..)
        );
        if once && (attempts, plan) != (1, 0) {
            return Err(format!("{said}, promised in one attempt under the main plan"));
        }
    }
    Ok(())
}

/// The most bytes of payload that a request takes a device: of every value the
/// shards, and what they are merged into.
pub(super) fn request_bytes(material: &Material) -> usize {
    let plan = material.plans.main();
    let elements = |sharding: &Sharding, form: &Value| -> usize {
        let shape = |shard| sharding.part(shard).output_shape(&form.shape, form.axis);
        (0..sharding.code.shards()).map(|shard| shape(shard).iter().product::<usize>()).sum()
    };
    let bytes = |value: ValueId| {
        let form = &material.plans.values()[value.index()];
        let shards = plan.sharding(value).map_or(0, |sharding| elements(sharding, form));
        shards * form.dtype.size() + form.bytes()
    };
    let made = plan.stages().iter().map(|stage| stage.value);
    plan.inputs().chain(made).map(bytes).sum()
}

/// The longest that one request's tasks may take the device that has the most.
pub(super) fn tasks_us(material: &Material, script: &Script) -> u64 {
    let plan = material.plans.main();
    let tasks = |seat: usize| plan.tasks(SeatId(seat as u8)).count() as u64;
    (0..plan.seats()).map(tasks).max().unwrap_or(0) * script.task_us_max
}

/// The longest that a request may take by itself without faults: every stage
/// waits for every task before it, each on a link at its slowest, and for its
/// roster where readers would decode too far apart.
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
    let all = stages.sum::<u64>() + script.delay_us_max;
    let learned = material.plans.wait() == WaitPolicy::Auto
        && plan.decodes_too_far_apart(material.plans.tolerance());
    if learned { all + all / LEARNED } else { all }
}
