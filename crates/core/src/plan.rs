//! The allocation: which device holds which shard of which stage.
//!
//! A plan file ([`mod@file`]) holds one *main* plan, whose seats are the devices
//! by name, and *fallback* plans for fewer devices, whose seats are taken by
//! whichever devices are left, in the file's order. [`Plans`] is such a file,
//! checked: every index in it is valid, every value is made before it is read.
//!
//! ```text
//! plan file, planner -> Draft -> Plans::build -> Plans
//! ```
//!
//! *Invariant:* two files that differ only in addresses, `wait` or
//! `tolerance` have the same [plan ids](crate::id::PlanId).

mod allocation;
mod bound;
mod build;
pub(crate) mod draft;
pub mod file;
mod identity;
mod need;
mod needs;
mod plans;
mod protect;
mod sharding;
mod stage;
mod task;
mod wait;

pub use self::{
    allocation::Plan,
    plans::Plans,
    protect::Protect,
    sharding::Sharding,
    stage::Stage,
    task::OUTPUT_TASK,
    wait::{WaitPolicy, parse_span},
};
pub(crate) use need::Need;
pub(crate) use sharding::REPLICATION;

#[cfg(test)]
mod tests;
