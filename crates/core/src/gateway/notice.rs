//! What a gateway tells whoever looks on.

use crate::audit::Verified;
use crate::failure::TaskError;
use crate::id::{DeviceId, DeviceSet, PlanId};

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
    /// Shards of this layer contradict each other: one of these devices is wrong.
    Contradiction(String, DeviceSet),
    /// The device is wrong, or seems to be: it is done without for a while.
    Wrong(DeviceId),
    /// The answer to the request of this token, which was given before, has been
    /// checked.
    Audited(u64, Verified),
    /// The device's bundle lacks this plan of the gateway's, and may lack others:
    /// requests that go by it do without the device.
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
