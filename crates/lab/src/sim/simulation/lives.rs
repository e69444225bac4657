//! A gateway stands still, ends, and starts anew.

use quorate_core::cluster::Nanos;
use quorate_core::gateway::Gateway;

use super::Simulation;
use super::change::GOODBYE;
use super::happening::Happening;
use crate::sim::shards::Shards;
use crate::sim::world::World;

impl<S: Shards, W: World> Simulation<S, W> {
    pub(super) fn freeze_gateway(&mut self, gateway: usize) {
        self.fronts[gateway].frozen = self.fronts[gateway].up;
    }

    /// It goes on: takes in what has come before it looks at the time.
    pub(super) fn thaw_gateway(&mut self, gateway: usize) -> Result<(), String> {
        self.fronts[gateway].frozen = false;
        let is_wake = |happening: &Happening<_>| matches!(happening, Happening::Wake { .. });
        let (wakes, came): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.fronts[gateway].inbox).into_iter().partition(is_wake);
        came.into_iter().chain(wakes).try_for_each(|happening| self.happen(happening))
    }

    /// It ends, and whoever asked it gets no answer.
    pub(super) fn crash_gateway(&mut self, gateway: usize) {
        if !self.fronts[gateway].up {
            return;
        }
        let node = self.node_of(gateway);
        self.wakes[node] = (self.wakes[node].0 + 1, None);
        for index in std::mem::take(&mut self.fronts[gateway].numbers).into_values() {
            if self.record.endings[index].is_none() && !self.record.cancelled[index] {
                self.forget_request(index);
            }
        }
        let waiting = std::mem::take(&mut self.fronts[gateway].inbox);
        for happening in waiting {
            if let Happening::Submit(index) = happening {
                self.forget_request(index);
            }
        }
        (self.fronts[gateway].up, self.fronts[gateway].frozen) = (false, false);
        self.gateway_ends(gateway, GOODBYE);
        let (plans, config) = (self.shards.plans().clone(), self.course.gateway.clone());
        let front = &mut self.fronts[gateway];
        front.begun.push(Nanos::MAX);
        front.told.clear();
        front.gateway = Gateway::new(plans, front.run(), config);
    }

    /// It starts with nothing in memory, and connects to whoever is up.
    pub(super) fn restart_gateway(&mut self, gateway: usize) {
        let front = &mut self.fronts[gateway];
        if front.up {
            return;
        }
        front.up = true;
        if let Some(begun) = front.begun.last_mut() {
            *begun = self.now;
        }
        let after = self.world.reconnect();
        for device in 0..self.devices.len() {
            let incarnation = self.devices[device].incarnation;
            self.at(self.now + after, Happening::Connected { gateway, device, incarnation });
        }
    }

    /// A request whose client is told that there is no gateway.
    pub(super) fn forget_request(&mut self, index: usize) {
        self.record.cancelled[index] = true;
        self.open -= 1;
    }
}
