//! A simulator: the state machines of worker and gateway on virtual time, with
//! shards that are really computed.
//!
//! ```text
//! seed -> Script (requests, faults) -> Simulation (event queue) -> Record
//! profiles, network -> timed::Timing --^
//! ```
//!
//! Where its times come from is a `World`: drawn from a seed, to try
//! everything that may happen, or by profiles of devices and networks, to know
//! what something takes ([`timed`]).
//!
//! Safety, always: no answer that differs from the whole model's, every
//! request ends exactly once, or not at all once it was cancelled, and in the
//! end no worker keeps anything.
//! Liveness: each family of simulations promises how late an answer may be.

pub mod blank;
pub mod branches;
mod chance;
mod check;
mod course;
pub mod family;
mod fault;
pub mod material;
mod network;
mod promise;
pub mod random;
mod record;
mod script;
mod shards;
mod simulation;
pub mod timed;
mod world;

use chance::Chance;
pub use course::Requests;
use family::Family;
pub use fault::Fault;
use material::Material;
pub use record::{Ending, Record, ShardArrival, Traffic};
use script::Script;
pub use shards::Shards;
use simulation::Simulation;

/// How many times what it is in the mean the error is at worst of an answer that
/// many readers have decoded apart.
const APART_WORST: f64 = 10.0;

/// Plays the simulation of a seed; an error names the promise that was broken.
pub fn play(material: &mut Material, family: Family, seed: u64) -> Result<Record, String> {
    let (devices, tolerance) =
        (material.plans.cluster().devices().len(), material.plans.main().tolerance());
    if family == Family::Wrong && (devices < 3 || !material.can_be_audited()) {
        return Ok(Record::default());
    }
    let mut script = Script::draw(family, seed, devices, tolerance);
    script.gateway.usual = material.usual();
    script.send_within_seconds(material.plans.largest_payload_bytes());
    script.keep_requests_of(check::request_bytes(material));
    if family == Family::Flapping {
        // Most attempts are for nothing: others must leave room for them.
        script.come_no_faster_than(check::tasks_us(material, &script));
    }
    if !material.tells_shards_apart() {
        script.tell_no_lies();
    }
    let chance = Chance::new(&script, devices);
    let mut course = script.course();
    // What readers that decode apart cost is known for the mean.
    let apart = material.plans.main().inconsistent_error();
    course.error_max = course.error_max.max(APART_WORST * apart);
    let record = Simulation::play(&mut *material, chance, course)?;
    check::check(material, &script, &record)?;
    Ok(record)
}
