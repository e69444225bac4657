//! What a gateway tells whoever looks on.

use crate::failure::TaskError;
use crate::id::{DeviceId, PlanId};

/// Something a person would like to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The device is not heard from.
    Suspect(DeviceId),
    /// The device is heard from again.
    Healthy(DeviceId),
    /// A task of the device has failed, which is called so and for this reason:
    /// it is not relied on for a while.
    Failing(DeviceId, String, TaskError),
    /// That while is over.
    Rested(DeviceId),
    /// The device's bundle lacks this plan of the gateway's.
    Mismatch(DeviceId, PlanId),
    /// The device's bundle, which lacked a plan of the gateway's, has all now.
    Match(DeviceId),
    /// Whether a request could be answered now. Told when that changes; `false`
    /// at the beginning.
    Quorate(bool),
    /// New requests go by the plan at this place in the file.
    Plan(usize),
    /// So many requests went out again.
    Resubmitted(u64),
}
