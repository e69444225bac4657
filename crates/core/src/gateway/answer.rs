//! How a request ends.

use std::time::Duration;

use quorate_model::tensor::TensorError;

use crate::audit::Verified;
use crate::id::{DeviceId, DeviceSet};

/// How an answer came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Attempts it took, at least 1.
    pub attempts: u32,
    /// The plan's place in the file, 0 for the main plan.
    pub plan: usize,
    /// Did the gateway decode a result, because a data shard was missing?
    pub decoded: bool,
    /// Devices whose shards were taken for the results.
    pub accepted: DeviceSet,
    /// Was it checked?
    pub verified: Verified,
    /// When which device's shards of the results came, in their order, since
    /// the request did.
    pub arrivals: Vec<(DeviceId, Duration)>,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum RequestError {
    #[error(
        "no answer within {deadline_ms} ms and {attempts} attempts: {stage} has {got} of \
         {needed} shards under plan {plan}{missing}"
    )]
    Deadline {
        deadline_ms: u128,
        attempts: u32,
        stage: String,
        got: usize,
        needed: usize,
        plan: String,
        missing: String,
    },
    #[error("busy with {got} requests, limit {limit}: try again in {again_ms} ms")]
    Busy { got: usize, limit: usize, again_ms: u64 },
    #[error(
        "inputs for {devices} wait to go out, and there is no room for more of them: try again in \
         {again_ms} ms"
    )]
    Crowded { devices: String, again_ms: u64 },
    #[error(
        "no room for {got} bytes more beside requests under way, which may take {limit}: try again \
         in {again_ms} ms, or give more memory"
    )]
    Full { got: usize, limit: usize, again_ms: u64 },
    #[error("model has {needed} inputs, request {got}")]
    Inputs { got: usize, needed: usize },
    #[error("input {name} is {got}, model takes {needed}")]
    Input { name: String, got: String, needed: String },
    #[error("input {name}: {words}")]
    Half { name: String, words: String },
    #[error("{device} cannot compute {layer}: {words}")]
    Failed { device: String, layer: String, words: String },
    #[error(
        "layer {layer}: the shards of {devices} contradict each other, and there are too few \
         devices to tell which is wrong"
    )]
    Contradiction { layer: String, devices: String },
    #[error("the bundle cannot be verified: pack it again with --verify")]
    Unverifiable,
    #[error("last glue: {words}")]
    Glue { words: String },
    #[error("{0}")]
    Tensor(#[from] TensorError),
}

impl RequestError {
    /// Was the request refused at once, for want of room or time, so that it may be
    /// asked again?
    pub fn is_busy(&self) -> bool {
        use RequestError::{Busy, Crowded, Full};
        matches!(self, Busy { .. } | Crowded { .. } | Full { .. })
    }
}
