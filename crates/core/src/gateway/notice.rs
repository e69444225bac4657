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
    /// Its bundle, which lacked a plan of this one, has all of them now.
    Match(DeviceId),
    /// Whether a request could be answered now: told when that changes, `false`
    /// at the beginning.
    Quorate(bool),
    /// New requests go by this plan of the file.
    Plan(usize),
    /// Requests that went out again.
    Resubmitted(u64),
}
