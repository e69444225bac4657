//! Connections between devices: they end with a device or with the link they
//! go over, and come up again some time after both are back.

use quorate_core::cluster::Nanos;
use quorate_core::id::{DeviceId, DeviceSet};
use quorate_core::worker;

use super::Simulation;
use super::happening::{Happening, Pair};
use crate::sim::shards::Shards;
use crate::sim::world::{USER_TIMEOUT, World};

impl<S: Shards, W: World> Simulation<S, W> {
    /// Has the connections of a device that is gone end, as others see it after
    /// so long, or when nothing of what they send is confirmed.
    pub(super) fn links_end(&mut self, device: usize, after: Option<Nanos>) {
        let at = self.now.saturating_add(after.unwrap_or(USER_TIMEOUT));
        self.pairs(device).for_each(|pair| self.link_at(at, pair, false));
    }

    /// The connections of a device that has started anew: those before are lost,
    /// and others come up one by one.
    pub(super) fn links_begin(&mut self, device: usize) {
        for pair in self.pairs(device) {
            self.apart.insert(pair);
            let at = self.now.saturating_add(self.world.relink());
            self.link_at(at, pair, true);
        }
        (0..self.devices.len()).for_each(|one| self.at(self.now, Happening::Reaches(one)));
    }

    /// A link between two nodes is cut.
    pub(super) fn link_cut(&mut self, pair: Pair) {
        self.link_at(self.now.saturating_add(USER_TIMEOUT), pair, false);
    }

    /// It is mended.
    pub(super) fn link_mended(&mut self, pair: Pair) {
        let at = self.now.saturating_add(self.world.relink());
        self.link_at(at, pair, true);
    }

    fn pairs(&self, device: usize) -> impl Iterator<Item = Pair> + use<S, W> {
        let others = (0..self.devices.len()).filter(move |other| *other != device);
        others.map(move |other| (device.min(other), device.max(other)))
    }

    fn link_at(&mut self, at: Nanos, pair: Pair, up: bool) {
        // The gateway's links are looked at by its silence.
        if pair.1 < self.devices.len() {
            let lives = self.lives_of(pair);
            self.at(at, Happening::Link { pair, lives, up });
        }
    }

    fn lives_of(&self, (one, other): Pair) -> (u32, u32) {
        (self.devices[one].incarnation, self.devices[other].incarnation)
    }

    /// A connection ends or comes up, if nothing has changed since.
    pub(super) fn link(&mut self, pair: Pair, lives: (u32, u32), up: bool) {
        let both_up = self.devices[pair.0].up && self.devices[pair.1].up;
        let (one, other) = pair;
        let deaf = [(one, other), (other, one)].iter().any(|way| self.deaf.contains(way));
        let passes = both_up && !self.cut.contains(&pair) && !deaf;
        if self.lives_of(pair) != lives || passes != up {
            return;
        }
        let changed = if up { self.apart.remove(&pair) } else { self.apart.insert(pair) };
        if changed {
            [pair.0, pair.1].into_iter().for_each(|one| self.at(self.now, Happening::Reaches(one)));
        }
    }

    /// A device sees whom it reaches.
    pub(super) fn reaches(&mut self, device: usize) {
        if self.devices[device].up {
            let apart: Vec<Pair> =
                self.pairs(device).filter(|pair| self.apart.contains(pair)).collect();
            let mut reached = DeviceSet::first(self.devices.len());
            for (one, other) in apart {
                reached.remove(DeviceId(if one == device { other } else { one } as u8));
            }
            self.tell(device, worker::Event::Reaches(reached));
        }
    }
}
