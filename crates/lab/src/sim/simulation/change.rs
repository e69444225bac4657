//! What goes wrong in a simulation, and right again.

use quorate_core::cluster::Nanos;

use super::Simulation;
use super::device::TaskEnding;
use super::happening::Happening;
use crate::sim::course::Change;
use crate::sim::fault::Fault;
use crate::sim::shards::Shards;
use crate::sim::world::World;

/// From the end of a worker to when its gateway sees the connection end.
pub(super) const GOODBYE: Nanos = 100_000;

impl<S: Shards, W: World> Simulation<S, W> {
    pub(super) fn change(&mut self, change: Change<W::Trouble>) -> Result<(), String> {
        let fault = match change {
            Change::Fault(fault) => fault,
            Change::World(trouble) => {
                self.world.change(trouble);
                return Ok(());
            }
        };
        match fault {
            Fault::Crash { device, goodbye } => self.crash(device, goodbye),
            Fault::Restart(device) => self.restart(device),
            Fault::Freeze(device) => self.devices[device].frozen = self.devices[device].up,
            Fault::Thaw(device) => {
                self.devices[device].frozen = false;
                for happening in std::mem::take(&mut self.devices[device].inbox) {
                    self.happen(happening)?;
                }
            }
            Fault::Slow(device, times) => self.devices[device].slow = times,
            Fault::Err(device) => self.devices[device].ending = TaskEnding::Wrongly,
            Fault::Stray(device) => self.devices[device].ending = TaskEnding::Strangely,
            Fault::Break(device) => self.devices[device].ending = TaskEnding::Badly,
            Fault::Hang(device) => self.devices[device].ending = TaskEnding::Never,
            Fault::Heal(device) => self.heal(device),
            Fault::Cut(a, b) => {
                self.cut.insert((a.min(b), a.max(b)));
                self.link_cut((a.min(b), a.max(b)));
            }
            Fault::Deafen { from, to } => {
                self.deaf.insert((from, to));
                self.link_cut((from.min(to), from.max(to)));
            }
            Fault::FreezeGateway => self.freeze_gateway(),
            Fault::ThawGateway => self.thaw_gateway()?,
            Fault::CrashGateway => self.crash_gateway(),
            Fault::RestartGateway => self.restart_gateway(),
            Fault::Mend(a, b) => {
                self.cut.remove(&(a.min(b), a.max(b)));
                self.deaf.remove(&(a, b));
                self.deaf.remove(&(b, a));
                self.link_mended((a.min(b), a.max(b)));
            }
        }
        Ok(())
    }

    fn crash(&mut self, device: usize, goodbye: bool) {
        if !self.devices[device].up {
            return;
        }
        self.devices[device].crash(self.now, self.shards.plans(), device);
        let noticed = self.world.noticed(goodbye);
        self.devices[device].gone_at = noticed.map(|after| self.now.saturating_add(after));
        self.world.crashed(device);
        self.wakes[device] = (self.wakes[device].0 + 1, None);
        self.links_end(device, goodbye.then_some(GOODBYE));
        if goodbye {
            self.at(self.now + GOODBYE, Happening::Disconnected(device));
        }
    }

    fn heal(&mut self, device: usize) {
        let one = &mut self.devices[device];
        one.ending = TaskEnding::Well;
        let incarnation = one.incarnation;
        for (job, result) in std::mem::take(&mut one.hanging) {
            self.at(self.now, Happening::Computed { device, incarnation, job, result });
        }
    }

    fn restart(&mut self, device: usize) {
        let one = &mut self.devices[device];
        if one.up {
            return;
        }
        one.up = true;
        one.incarnation += 1;
        let incarnation = one.incarnation;
        let after = self.world.reconnect();
        self.at(self.now + after, Happening::Connected { device, incarnation });
        self.links_begin(device);
    }
}
