//! What a gateway tells whoever looks on.

use crate::id::{DeviceId, PlanId};

/// Something a person would like to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Not heard from.
    Suspect(DeviceId),
    /// Heard from again.
    Healthy(DeviceId),
    /// Its bundle lacks a plan of this one.
    Mismatch(DeviceId, PlanId),
    /// New requests go by this plan of the file.
    Plan(usize),
    /// Requests that went out again.
    Resubmitted(u64),
}
