//! A plan file, checked: the main plan, its fallbacks, and what they share.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use quorate_model::tensor::DType;
use quorate_model::value::Value;

use super::allocation::Plan;
use super::protect::Protect;
use super::wait::WaitPolicy;
use crate::audit::Verify;
use crate::cluster::{Cluster, ClusterError};
use crate::id::{DeviceId, DeviceSet, PlanId, ValueId};

/// A plan file, checked.
#[derive(Clone, Debug)]
pub struct Plans {
    /// File name of the model.
    pub(super) model: String,
    /// SHA-256 of the model file, in hex.
    pub(super) model_sha256: String,
    /// The devices.
    pub(super) cluster: Cluster,
    /// All values that cross stage borders.
    pub(super) values: Arc<Vec<Value>>,
    /// Element types that inputs travel as, where those are not their own.
    pub(super) wires: BTreeMap<ValueId, DType>,
    /// The main plan, then its fallbacks.
    pub(super) plans: Vec<Arc<Plan>>,
    /// How long a consumer stays with the roster.
    pub(super) wait: WaitPolicy,
    /// Relative error of an answer that is still right.
    pub(super) tolerance: f64,
    /// How answers are checked, where a request does not say it.
    pub(super) verify: Verify,
    /// How a loss is met.
    pub(super) protect: Protect,
    /// Hash of everything that packing depends on, by name.
    pub(super) fingerprints: BTreeMap<String, String>,
}

impl Plans {
    /// File name of the model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// SHA-256 of the model file, in hex.
    pub fn model_sha256(&self) -> &str {
        &self.model_sha256
    }

    /// The devices.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// All values that cross stage borders.
    pub fn values(&self) -> &Arc<Vec<Value>> {
        &self.values
    }

    /// The main plan, then its fallbacks.
    pub fn all(&self) -> &[Arc<Plan>] {
        &self.plans
    }

    /// How long a consumer stays with the roster.
    pub fn wait(&self) -> WaitPolicy {
        self.wait
    }

    /// Relative error of an answer that is still right.
    pub fn tolerance(&self) -> f64 {
        self.tolerance
    }

    /// How answers are checked, where a request does not say it.
    pub fn verify(&self) -> Verify {
        self.verify
    }

    /// How a loss is met.
    pub fn protect(&self) -> Protect {
        self.protect
    }

    /// Hash of everything that packing depends on, by name.
    pub(crate) fn fingerprints(&self) -> &BTreeMap<String, String> {
        &self.fingerprints
    }

    /// The main plan.
    pub fn main(&self) -> &Arc<Plan> {
        &self.plans[0]
    }

    /// The plan of this identity.
    pub(crate) fn by_id(&self, id: PlanId) -> Option<&Arc<Plan>> {
        self.plans.iter().find(|plan| plan.id() == id)
    }

    /// Every device.
    pub fn everybody(&self) -> DeviceSet {
        self.cluster.everybody()
    }

    /// The same plans with the devices at other addresses, in their order.
    pub fn at(&self, addresses: &[String]) -> Result<Plans, ClusterError> {
        Ok(Plans { cluster: self.cluster.at(addresses)?, ..self.clone() })
    }

    /// The same plans with another tolerance; `None` unless it is in (0, 1).
    pub fn with_tolerance(&self, tolerance: f64) -> Option<Plans> {
        (tolerance > 0.0 && tolerance < 1.0).then(|| Plans { tolerance, ..self.clone() })
    }

    /// Name of a seat of the plan at `plan`: that of its device, or its number.
    pub(super) fn seat_name(&self, plan: usize, seat: usize) -> String {
        match plan {
            0 => self.cluster.devices()[seat].name.clone(),
            _ => fallback_seat(seat),
        }
    }

    /// Which seats of `plan` a device may take: its own in the main plan, the
    /// ones its place in the order allows in a plan for fewer.
    pub fn possible_seats(&self, plan: &Plan, device: DeviceId) -> Range<usize> {
        let spare = self.cluster.devices().len() - plan.seats;
        device.index().saturating_sub(spare)..(device.index() + 1).min(plan.seats)
    }

    /// The value of this name.
    pub(crate) fn value(&self, name: &str) -> Option<ValueId> {
        self.values.iter().position(|v| v.name == name).map(|i| ValueId(i as u16))
    }

    /// Bytes of the largest payload that any plan sends.
    pub fn largest_payload_bytes(&self) -> usize {
        self.values.iter().map(Value::bytes).max().unwrap_or(0)
    }

    /// Names of the values that stages make: where the model is cut.
    pub fn wires(&self) -> Vec<String> {
        let made: BTreeSet<ValueId> =
            self.plans.iter().flat_map(|plan| &plan.stages).map(|stage| stage.value).collect();
        made.into_iter().map(|value| self.values[value.index()].name.clone()).collect()
    }

    /// Names of everything that differs from what was packed, empty if the
    /// bundle still fits.
    pub fn changed_since(&self, packed: &BTreeMap<String, String>) -> Vec<String> {
        let names: BTreeSet<&String> = self.fingerprints.keys().chain(packed.keys()).collect();
        let changed = |name: &&&String| self.fingerprints.get(**name) != packed.get(**name);
        names.iter().filter(changed).map(|name| (*name).clone()).collect()
    }
}

/// What names of seats begin with in plans for fewer devices.
const FALLBACK_SEAT: &str = "seat-";

/// Name of a seat in plans for fewer devices.
pub(super) fn fallback_seat(seat: usize) -> String {
    format!("{FALLBACK_SEAT}{}", seat + 1)
}

/// The seat of this name in plans for fewer devices, of which there may be
/// fewer.
pub(super) fn read_fallback_seat(name: &str) -> Option<usize> {
    let number: u32 = name.strip_prefix(FALLBACK_SEAT)?.parse().ok()?;
    let seat = usize::try_from(number.checked_sub(1)?).ok()?;
    (fallback_seat(seat) == name).then_some(seat)
}
