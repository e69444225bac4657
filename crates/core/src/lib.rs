//! Plans, frames and the state machines of worker and gateway.
