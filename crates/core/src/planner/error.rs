//! Why there is no plan.

use quorate_model::division::method::Method;
use quorate_model::tensor::DType;

use crate::cluster::ClusterError;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum PlannerError {
    #[error(
        "{data} devices and {spares} spares: needs 1 device, and at most {} of both",
        crate::id::DeviceSet::MAX
    )]
    Devices { data: usize, spares: usize },
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("layer {layer}: method {method} is for {needed}")]
    Method { layer: String, method: Method, needed: &'static str },
    #[error("model has no layer {layer} at a border of a stage (it has {known})")]
    Layer { layer: String, known: String },
    #[error("input {input} of the model is read by nothing: take it out of the model")]
    Unread { input: String },
    #[error("{stage}: {dtype} cannot travel as f16, only f32 can")]
    Wire { stage: String, dtype: DType },
    #[error(
        "device {device} has {memory_bytes} bytes of memory, its tasks have {weight_bytes} bytes \
         of weights: give the model more devices, or others"
    )]
    Memory { device: String, weight_bytes: u64, memory_bytes: u64 },
    #[error("{message}")]
    Draft { message: String },
}
