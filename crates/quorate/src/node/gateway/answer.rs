//! What becomes of a request.

use std::time::Instant;

use quorate_core::gateway::{Provenance, RequestError};
use quorate_model::tensor::Tensor;

/// A request's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The model's outputs, in its order.
    pub outputs: Vec<Tensor>,
    /// How it came about.
    pub provenance: Provenance,
    /// When it was ready.
    pub at: Instant,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AskError {
    /// The gateway has ended, or ends before the answer.
    #[error("the gateway has ended")]
    Ended,
    /// The gateway says why; [`RequestError::Busy`] where too many requests
    /// are under way.
    #[error(transparent)]
    Request(#[from] RequestError),
}
