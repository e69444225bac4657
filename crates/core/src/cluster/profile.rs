//! What a device and its link can do.
//!
//! One type for all who ask: the planner compares plans by it, the simulator
//! lets virtual time pass by it, an emulated worker answers by it.

use std::time::Duration;

/// What a device and its link can do.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// How fast it computes.
    pub rates: Rates,
    /// Memory for weights, in bytes.
    pub memory_bytes: u64,
    /// How it is connected.
    pub link: Link,
}

/// How fast a device computes, by kind of work. An operation is a
/// multiplication or an addition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Operations a second in convolutions.
    pub conv_flops_per_s: f64,
    /// Operations a second in matrix products.
    pub fc_flops_per_s: f64,
    /// Operations a second in all nodes between layers.
    pub glue_flops_per_s: f64,
    /// Bytes a second at which weights are read from memory.
    pub weight_bytes_per_s: f64,
}

/// How a device is connected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Bytes a second, each way.
    pub bytes_per_s: f64,
    /// What each message costs its sender and its receiver beyond its bytes.
    pub message_overhead: Duration,
    /// How long a message is under way beyond its bytes.
    pub latency: Duration,
}
