//! What a gateway knows of its devices.

use quorate_core::frame::Heartbeat;
use quorate_core::gateway::Notice;
use quorate_core::id::DeviceSet;

/// What a gateway knows of its devices, and of its requests.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Devices with a connection.
    pub connected: DeviceSet,
    /// Devices believed alive.
    pub alive: DeviceSet,
    /// Last heartbeat of each device.
    pub beats: Vec<Heartbeat>,
    /// Devices that are not relied on for a while, as their tasks have failed.
    pub failing: DeviceSet,
    /// Could a request be answered?
    pub quorate: bool,
    /// Devices whose bundle lacks a plan of this one.
    pub mismatched: DeviceSet,
    /// Place in the file of the plan for new requests.
    pub plan: usize,
    /// Frames that gave way to newer ones so far.
    pub dropped: u64,
    /// Requests that went out again so far.
    pub resubmitted: u64,
}

impl Status {
    /// Updates the status by a notice; `alive` are the devices believed alive
    /// after it.
    pub(super) fn note(&mut self, notice: &Notice, alive: DeviceSet) {
        self.alive = alive;
        match *notice {
            Notice::Suspect(_) | Notice::Healthy(_) => {}
            Notice::Contradiction(..) | Notice::Audited(..) => {}
            Notice::Failing(device, ..) | Notice::Wrong(device) => self.failing.insert(device),
            Notice::Rested(device) => self.failing.remove(device),
            Notice::Mismatch(device, _) => self.mismatched.insert(device),
            Notice::Match(device) => self.mismatched.remove(device),
            Notice::Plan(plan) => self.plan = plan,
            Notice::Resubmitted(requests) => self.resubmitted += requests,
            Notice::Quorate(quorate) => self.quorate = quorate,
        }
    }
}
