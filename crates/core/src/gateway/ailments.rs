//! Devices whose tasks fail, whatever they say of themselves.

use std::time::Duration;

use crate::id::{DeviceId, DeviceSet};
use crate::time::Time;

/// How long a device is left alone after its first failure, and at most; twice
/// as long with each further one.
const REST_FIRST: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(60);

/// What is known of one device.
#[derive(Clone, Copy, Debug, Default)]
struct Ailment {
    /// Until then it is not relied on.
    until: Time,
    /// The rest after the next failure.
    rest: Option<Duration>,
}

/// Devices that are not relied on for a while, as their tasks have failed.
#[derive(Clone, Debug)]
pub(super) struct Ailments {
    devices: Vec<Ailment>,
    ailing: DeviceSet,
}

impl Ailments {
    pub(super) fn new(devices: usize) -> Ailments {
        Ailments { devices: vec![Ailment::default(); devices], ailing: DeviceSet::default() }
    }

    /// Who is not relied on now.
    pub(super) fn ailing(&self) -> DeviceSet {
        self.ailing
    }

    /// A task of the device has failed, or is only late; true if it was relied on
    /// so far. Further failures of its rest, of requests that were under way,
    /// count as one.
    pub(super) fn fail(&mut self, now: Time, device: DeviceId, is_late: bool) -> bool {
        if self.ailing.contains(device) {
            return false;
        }
        let ailment = &mut self.devices[device.index()];
        // Well for as long as its last rest was: that one is forgotten.
        let known = ailment.rest.filter(|rest| now < ailment.until + *rest);
        let rest = known.unwrap_or(REST_FIRST);
        *ailment = match is_late {
            true => Ailment { until: now + REST_FIRST, rest: ailment.rest },
            false => Ailment { until: now + rest, rest: Some((rest * 2).min(REST_MAX)) },
        };
        self.ailing.insert(device);
        true
    }

    /// The device's rest, if it has one, is over at `at`, if it is not before.
    pub(super) fn rest_until(&mut self, device: DeviceId, at: Time) {
        if self.ailing.contains(device) {
            let until = &mut self.devices[device.index()].until;
            *until = at.min(*until);
        }
    }

    /// The device has started anew: what was wrong with it may be mended.
    pub(super) fn forgive(&mut self, device: DeviceId) {
        self.devices[device.index()] = Ailment::default();
        self.ailing.remove(device);
    }

    /// Devices whose rest is over at `now`.
    pub(super) fn expire(&mut self, now: Time) -> DeviceSet {
        let over = |device: &DeviceId| self.devices[device.index()].until <= now;
        let rested: DeviceSet = self.ailing.iter().filter(over).collect();
        self.ailing = self.ailing.without(rested);
        rested
    }

    /// When the next rest is over.
    pub(super) fn next(&self) -> Option<Time> {
        self.ailing.iter().map(|device| self.devices[device.index()].until).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{A, B, devices, ms};

    #[test]
    fn rests_grow_with_each_failure_and_are_forgotten_with_time() {
        let mut ailments = Ailments::new(2);
        let mut at = 0;
        for rest in [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000] {
            assert!(ailments.fail(ms(at), A, false));
            assert!(!ailments.fail(ms(at + 5), A, false), "one failure of several requests");
            assert_eq!((ailments.ailing(), ailments.next()), (devices(&[A]), Some(ms(at + rest))));
            assert!(ailments.expire(ms(at + rest - 1)).is_empty());
            at += rest;
            assert_eq!(ailments.expire(ms(at)), devices(&[A]));
        }
        assert!(ailments.fail(ms(at + 120_000), A, false) && ailments.fail(ms(at), B, true));
        assert_eq!(ailments.next(), Some(ms(at + 1000)));
        ailments.forgive(B);
        assert_eq!(ailments.next(), Some(ms(at + 121_000)));
        ailments.rest_until(A, ms(at + 120_500));
        assert_eq!(ailments.next(), Some(ms(at + 120_500)));
    }
}
