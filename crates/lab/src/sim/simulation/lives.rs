//! The gateway stands still, ends, and starts anew.

use quorate_core::cluster::Nanos;
use quorate_core::gateway::Gateway;

use super::Simulation;
use super::change::GOODBYE;
use super::happening::Happening;
use crate::sim::shards::Shards;
use crate::sim::world::World;

impl<S: Shards, W: World> Simulation<S, W> {
    pub(super) fn freeze_gateway(&mut self) {
        self.front.frozen = self.front.up;
    }

    /// It goes on: takes in what has come before it looks at the time.
    pub(super) fn thaw_gateway(&mut self) -> Result<(), String> {
        self.front.frozen = false;
        let is_wake = |happening: &Happening<_>| matches!(happening, Happening::Wake { .. });
        let (wakes, came): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.front.inbox).into_iter().partition(is_wake);
        came.into_iter().chain(wakes).try_for_each(|happening| self.happen(happening))
    }

    /// It ends, and whoever asked it gets no answer.
    pub(super) fn crash_gateway(&mut self) {
        if !self.front.up {
            return;
        }
        let node = self.devices.len();
        self.wakes[node] = (self.wakes[node].0 + 1, None);
        for index in std::mem::take(&mut self.front.numbers).into_values() {
            if self.record.endings[index].is_none() && !self.record.cancelled[index] {
                self.forget_request(index);
            }
        }
        let waiting = std::mem::take(&mut self.front.inbox);
        for happening in waiting {
            if let Happening::Submit(index) = happening {
                self.forget_request(index);
            }
        }
        (self.front.up, self.front.frozen) = (false, false);
        self.gateway_ends(GOODBYE);
        self.front.begun.push(Nanos::MAX);
        let (plans, config) = (self.shards.plans().clone(), self.course.gateway.clone());
        self.front.gateway = Gateway::new(plans, self.front.run(), config);
    }

    /// It starts with nothing in memory, and connects to whoever is up.
    pub(super) fn restart_gateway(&mut self) {
        if self.front.up {
            return;
        }
        self.front.up = true;
        if let Some(begun) = self.front.begun.last_mut() {
            *begun = self.now;
        }
        let after = self.world.reconnect();
        for device in 0..self.devices.len() {
            let incarnation = self.devices[device].incarnation;
            self.at(self.now + after, Happening::Connected { device, incarnation });
        }
    }

    /// A request whose client is told that there is no gateway.
    pub(super) fn forget_request(&mut self, index: usize) {
        self.record.cancelled[index] = true;
        self.open -= 1;
    }
}
