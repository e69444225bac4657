//! Simulator and experiments over the state machines of quorate-core.

mod accuracy;
pub mod balance;
pub mod codes;
pub mod confined;
mod data;
mod drawing;
mod engine;
pub mod experiment;
pub mod experiments;
pub mod fleet;
pub mod import;
pub mod judge;
pub mod methods;
mod npy;
pub mod operators;
pub mod plot;
pub mod random_graph;
mod remembering;
pub mod report;
pub mod runner;
pub mod sim;
pub mod simulate;
pub mod statistics;
pub mod stopwatch;
pub mod system;
mod whole_file;
pub mod zoo;
