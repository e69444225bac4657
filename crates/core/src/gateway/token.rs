//! Tokens of requests: clients choose theirs, and some are the gateway's own.

use crate::id::{DeviceId, DeviceSet};

/// Tokens from here on are no client's.
const OWN: u64 = u64::MAX - DeviceSet::MAX as u64;

/// Is a request of this token a client's?
pub(super) const fn is_clients(token: u64) -> bool {
    token < OWN
}

/// The token of a trial of `device`.
pub(super) fn of_trial(device: DeviceId) -> u64 {
    OWN + u64::from(device.0)
}
