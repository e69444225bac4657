//! A plan before it is checked: what a plan file says, or what a planner has
//! decided. [`super::Plans::build`] makes plans of it.

use std::collections::BTreeMap;

use quorate_model::division::Lengths;
use quorate_model::division::method::Method;
use quorate_model::region::Region;
use quorate_model::value::Value;

use super::protect::Protect;
use super::wait::WaitPolicy;
use crate::audit::Verify;
use crate::cluster::Device;

/// Plans for one model and one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// File name of the model.
    pub(crate) model: String,
    /// SHA-256 of the model file, in hex.
    pub(crate) model_sha256: String,
    /// The devices.
    pub(crate) devices: Vec<Device>,
    /// All values that cross stage borders.
    pub(crate) values: Vec<Value>,
    /// Element types that inputs travel as, by name, where those are not their own.
    pub(crate) wires: BTreeMap<String, String>,
    /// The main plan, then its fallbacks.
    pub(crate) plans: Vec<PlanDraft>,
    /// How long a consumer stays with the roster.
    pub(crate) wait: WaitPolicy,
    /// Relative error of an answer that is still right.
    pub(crate) tolerance: f64,
    /// How answers are checked.
    pub(crate) verify: Verify,
    /// How a loss is met.
    pub(crate) protect: Protect,
}

/// One allocation of the whole model.
#[derive(Clone, Debug)]
pub(crate) struct PlanDraft {
    /// Its name in the file.
    pub(crate) name: String,
    /// Number of seats. Those of the first plan of a draft are the devices.
    pub(crate) seats: usize,
    /// Stages, each after those it reads from.
    pub(crate) stages: Vec<StageDraft>,
    /// Values the gateway gathers for the answer.
    pub(crate) result: Vec<String>,
}

/// One stage of a plan.
#[derive(Clone, Debug)]
pub(crate) struct StageDraft {
    /// The layer by which it is divided; `None` where no one layer is at its
    /// end.
    pub(crate) layer: Option<String>,
    /// How it is divided.
    pub(crate) method: Method,
    /// The method's numbers, by the word that a plan file has for them.
    pub(crate) lengths: BTreeMap<String, Lengths>,
    /// Values its tasks read.
    pub(crate) reads: Vec<String>,
    /// The value it makes.
    pub(crate) value: String,
    /// What each data shard reads of each value read: all of the first shard, then
    /// those of the next. `None` where tasks read whole values.
    pub(crate) parts: Option<Vec<Region>>,
    /// Element type that its shards travel as; `None` for the value's own.
    pub(crate) wire: Option<String>,
    /// The code's name; `None` for none, or for copies where there are any.
    pub(crate) code: Option<String>,
    /// Seats of the data shards.
    pub(crate) data: Vec<usize>,
    /// Seats of the parity shards.
    pub(crate) parity: Vec<usize>,
    /// Seats of copies of the data shards, in turn.
    pub(crate) replicas: Vec<usize>,
}

impl StageDraft {
    /// The layer's name, or the value's where no layer is named.
    pub(super) fn name(&self) -> &str {
        self.layer.as_deref().unwrap_or(&self.value)
    }
}
