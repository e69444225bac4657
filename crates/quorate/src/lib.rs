//! Runs a neural network across small devices and does not notice when one of
//! them dies.
//!
//! ```text
//! program: cli -> commands -> bundle        inspect, plan, pack
//!                          -> rehearsal     check
//!                          -> node <- net   worker, run, demo
//! ```
//!
//! This library is what the program's commands, and any other front end, are
//! made of. It prints nothing and draws nothing: how far a long work is goes
//! to a callback, and what a person ought to know is returned. It decides
//! nothing either: the state machines of `quorate-core` do.

pub mod bundle;
pub mod emulation;
pub mod input;
pub mod memory;
pub mod net;
pub mod node;
pub mod random;
pub mod rehearsal;
pub mod workers;
