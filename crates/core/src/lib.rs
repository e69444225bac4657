//! Plans, frames and the state machines of worker and gateway.
//!
//! ```text
//! plan file -> Plans            what is where
//! bytes     -> Frame -> admit   what came in, checked against the plan
//! Event     -> Worker | Gateway -> Command
//! ```
//!
//! A state machine takes `(now, event)` and appends commands; whoever drives
//! it (the program over TCP, the simulator over virtual time) carries them
//! out.
//!
//! *Invariant:* this crate opens no file or socket, reads no clock, starts no
//! thread and draws no random number.

pub mod admit;
mod attempt;
pub mod audit;
pub mod cluster;
pub mod cost;
mod detector;
pub mod failure;
mod finished;
mod finite;
#[cfg(test)]
mod fixture;
pub mod frame;
pub mod gateway;
pub mod gather;
mod half;
pub mod hash;
pub mod id;
mod latest;
pub mod packing;
mod parcel;
pub mod plan;
pub mod planner;
pub mod time;
pub mod timing;
pub mod worker;
