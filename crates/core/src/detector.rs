//! Detects devices that are not heard from.
//!
//! A wrong suspicion does little harm: a suspect is left out of the roster, and
//! only where too few others are left does a request move to another plan.

use std::time::Duration;

use crate::id::{DeviceId, DeviceSet};
use crate::time::Time;

/// Time to hear what was said while nobody listened.
pub(crate) const GRACE: Duration = Duration::from_millis(50);

/// Suspects devices that are silent for too long.
#[derive(Clone, Debug)]
pub(crate) struct Detector {
    after: Duration,
    heard: Vec<Option<Time>>,
    suspects: DeviceSet,
    /// Devices whose silence was excused since they were last heard from.
    excused: DeviceSet,
}

impl Detector {
    /// A detector that suspects a device `after` this much silence. All of the
    /// `devices` devices are suspects until heard from.
    pub(crate) fn new(devices: usize, after: Duration) -> Detector {
        let suspects = DeviceSet::first(devices);
        let excused = DeviceSet::default();
        Detector { after, heard: vec![None; devices], suspects, excused }
    }

    /// Changes how much silence makes a suspect.
    pub(crate) fn set_after(&mut self, after: Duration) {
        self.after = after;
    }

    /// Takes a sign of life; true if the device was a suspect.
    pub(crate) fn heard(&mut self, now: Time, device: DeviceId) -> bool {
        self.heard[device.index()] = Some(now);
        let was = self.suspects.contains(device);
        self.suspects.remove(device);
        self.excused.remove(device);
        was
    }

    /// Takes a sign of life that was given so long ago; true if the device was a
    /// suspect, and should not have been.
    pub(crate) fn heard_before(&mut self, now: Time, device: DeviceId, ago: Duration) -> bool {
        let known = self.heard[device.index()].is_some_and(|known| known >= now - ago);
        !known && ago < self.after && self.heard(now - ago, device)
    }

    /// Whoever listens stood still for so long: what was said meanwhile is about
    /// to be heard. Nobody's silence is excused twice.
    pub(crate) fn stood_still(&mut self, by: Duration) {
        for device in (0..self.heard.len() as u8).map(DeviceId) {
            if !self.excused.contains(device)
                && let Some(at) = &mut self.heard[device.index()]
            {
                *at = *at + by + GRACE;
                self.excused.insert(device);
            }
        }
    }

    /// Suspects a device at once; true if it was no suspect before.
    pub(crate) fn lost(&mut self, device: DeviceId) -> bool {
        self.heard[device.index()] = None;
        let was = self.suspects.contains(device);
        self.suspects.insert(device);
        !was
    }

    /// Devices that become suspects at `now` by their silence.
    pub(crate) fn expire(&mut self, now: Time) -> DeviceSet {
        let silent = |heard: &Option<Time>| heard.is_none_or(|at| at + self.after <= now);
        let devices = (0..self.heard.len() as u8).map(DeviceId);
        let quiet: DeviceSet = devices.filter(|d| silent(&self.heard[d.index()])).collect();
        let fresh = quiet.without(self.suspects);
        self.suspects = self.suspects.union(fresh);
        fresh
    }

    /// Who is suspected now.
    pub(crate) fn suspects(&self) -> DeviceSet {
        self.suspects
    }

    /// When the next device becomes a suspect if none is heard from.
    pub(crate) fn next(&self) -> Option<Time> {
        let devices = (0..self.heard.len() as u8).map(DeviceId);
        let trusted = devices.filter(|d| !self.suspects.contains(*d));
        trusted.filter_map(|d| self.heard[d.index()]).min().map(|at| at + self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_makes_suspects_and_a_sign_of_life_clears_them() {
        let ms = |n: u64| Time(n * 1000);
        let mut detector = Detector::new(2, Duration::from_millis(100));
        let (a, b) = (DeviceId(0), DeviceId(1));
        assert!(detector.heard(ms(0), a));
        assert!(detector.heard(ms(50), b));
        assert_eq!(detector.next(), Some(ms(100)));
        assert!(detector.expire(ms(99)).is_empty());
        assert_eq!(detector.expire(ms(100)), DeviceSet::first(1));
        assert!(detector.expire(ms(101)).is_empty());
        assert!(detector.heard(ms(120), a));
        assert!(!detector.heard(ms(121), a));
        assert!(detector.lost(b));
        assert!(!detector.lost(b));
        assert_eq!(detector.suspects().iter().collect::<Vec<_>>(), [b]);
    }

    #[test]
    fn a_silence_is_excused_once() {
        let ms = |n: u64| Time(n * 1000);
        let mut detector = Detector::new(1, Duration::from_millis(100));
        let device = DeviceId(0);
        detector.heard(ms(0), device);
        detector.stood_still(Duration::from_millis(700));
        assert_eq!(detector.next(), Some(ms(850)));
        detector.stood_still(Duration::from_millis(700));
        assert_eq!(detector.next(), Some(ms(850)));
        detector.heard(ms(840), device);
        detector.stood_still(Duration::from_millis(10));
        assert_eq!(detector.next(), Some(ms(1000)));
    }

    /// What is told late counts from when it was given.
    #[test]
    fn an_old_sign_of_life_puts_nothing_off() {
        let ms = |n: u64| Time(n * 1000);
        let (device, ago) = (DeviceId(0), Duration::from_millis);
        let mut detector = Detector::new(1, Duration::from_millis(500));
        detector.heard(ms(0), device);
        assert!(!detector.heard_before(ms(500), device, ago(450)));
        assert_eq!(detector.next(), Some(ms(550)));
        assert!(!detector.heard_before(ms(540), device, ago(520)), "that is known better");
        assert_eq!(detector.expire(ms(550)), DeviceSet::first(1));
        assert!(!detector.heard_before(ms(600), device, ago(500)), "it is silent for too long");
        assert!(detector.heard_before(ms(600), device, ago(10)));
    }
}
