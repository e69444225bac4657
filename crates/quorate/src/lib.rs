//! Runs a neural network across small devices and does not notice when one of
//! them dies.
//!
//! ```text
//! cli -> commands -> bundle, planner        inspect, plan, pack, check
//!                 -> worker  <- net -> gateway <- run, demo
//! ```
//!
//! This crate decides nothing: the state machines of `quorate-core` do. Here
//! are the command line, the sockets, the threads and the files.

pub mod bundle;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod demo;
pub mod gateway;
pub mod input;
pub mod lanes;
pub mod net;
pub mod process;
pub mod progress;
pub mod random;
pub mod refusals;
pub mod rehearsal;
pub mod words;
pub mod worker;
