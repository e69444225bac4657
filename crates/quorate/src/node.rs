//! A process that takes part in answering requests: a worker, or a gateway.
//!
//! Both are drivers of a state machine of `quorate-core`: they wait for the
//! network, the clock and the compute lanes, hand each event over, and carry
//! the commands out.

mod clock;
mod compute;
pub mod gateway;
mod refusals;
pub(crate) mod tasks;
pub mod worker;

use anyhow::Context;

pub use tasks::stems;

/// The runtime of one process: one thread that speaks; compute
/// lanes are threads of their own.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting tokio")
}
