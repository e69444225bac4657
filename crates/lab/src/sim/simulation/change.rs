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
            Fault::Install { device, version } => {
                let plans = self.shards.version(version);
                self.devices[device].install(plans, device);
            }
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
            Fault::FreezeGateway(gateway) => self.freeze_gateway(gateway),
            Fault::ThawGateway(gateway) => self.thaw_gateway(gateway)?,
            Fault::CrashGateway(gateway) => self.crash_gateway(gateway),
            Fault::RestartGateway(gateway) => self.restart_gateway(gateway),
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
        self.devices[device].crash(self.now, device);
        let noticed = self.world.noticed(goodbye);
        self.devices[device].gone_at = noticed.map(|after| self.now.saturating_add(after));
        self.world.crashed(device);
        self.wakes[device] = (self.wakes[device].0 + 1, None);
        self.links_end(device, goodbye.then_some(GOODBYE));
        if goodbye {
            for gateway in 0..self.fronts.len() {
                self.at(self.now + GOODBYE, Happening::Disconnected { gateway, device });
            }
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
        for gateway in 0..self.fronts.len() {
            self.at(self.now + after, Happening::Connected { gateway, device, incarnation });
        }
        self.links_begin(device);
    }
}
