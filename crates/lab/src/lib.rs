//! Simulator and experiments over the state machines of quorate-core.
