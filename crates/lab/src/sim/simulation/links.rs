//! Connections: they end with a device, with the gateway or with the link they
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
        let lives = self.lives_of(pair);
        self.at(at, Happening::Link { pair, lives, up });
    }

    fn lives_of(&self, (one, other): Pair) -> (u32, u32) {
        (self.life_of(one), self.life_of(other))
    }

    /// Are two nodes up, and does everything pass between them?
    pub(super) fn passes(&self, pair: Pair) -> bool {
        let up = |node: usize| match self.devices.get(node) {
            Some(device) => device.up,
            None => self.front_of(node).up,
        };
        let (one, other) = pair;
        let deaf = [(one, other), (other, one)].iter().any(|way| self.deaf.contains(way));
        up(one) && up(other) && !self.cut.contains(&pair) && !deaf
    }

    /// A connection ends or comes up, if nothing has changed since.
    pub(super) fn link(&mut self, pair: Pair, lives: (u32, u32), up: bool) {
        if self.lives_of(pair) != lives || self.passes(pair) != up {
            return;
        }
        let changed = if up { self.apart.remove(&pair) } else { self.apart.insert(pair) };
        if !changed {
            return;
        }
        let (one, other) = pair;
        let Some(gateway) = other.checked_sub(self.devices.len()) else {
            [one, other].into_iter().for_each(|one| self.at(self.now, Happening::Reaches(one)));
            return;
        };
        if up {
            let incarnation = lives.0;
            self.at(self.now, Happening::Connected { gateway, device: one, incarnation });
        } else {
            self.gateway_gone(gateway, one, 0);
            if self.fronts[gateway].up {
                self.at(self.now, Happening::Disconnected { gateway, device: one });
            }
        }
    }

    /// Has a device see its connection with a gateway end after so long.
    pub(super) fn gateway_gone(&mut self, gateway: usize, device: usize, after: Nanos) {
        let (incarnation, life) = self.lives_of((device, self.node_of(gateway)));
        let gone = Happening::GatewayGone { gateway, device, incarnation, life };
        self.at(self.now + after, gone);
    }

    /// Devices from which a gateway, which has just ended, is gone: they see it
    /// after so long where anything passes.
    pub(super) fn gateway_ends(&mut self, gateway: usize, after: Nanos) {
        let node = self.node_of(gateway);
        for device in 0..self.devices.len() {
            let pair = (device, node);
            let deaf = self.deaf.contains(&(node, device));
            if !self.apart.insert(pair) || !self.devices[device].up {
                continue;
            }
            let is_told = !self.cut.contains(&pair) && !deaf;
            self.gateway_gone(gateway, device, if is_told { after } else { USER_TIMEOUT });
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
