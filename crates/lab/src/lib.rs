//! Simulator and experiments over the state machines of quorate-core.

pub mod codes;
mod engine;
pub mod methods;
pub mod plot;
pub mod sim;
pub mod zoo;
