//! Who is there: devices that are heard from, reach each other, and can be
//! relied on.

use std::time::Duration;

use super::pending::Pending;
use super::reach::pair;
use super::{Command, Gateway, Notice, SETTLE};
use crate::frame::Heartbeat;
use crate::id::{DeviceId, DeviceSet, PlanId};
use crate::time::Time;

impl Gateway {
    /// Devices believed alive, who reach each other.
    pub fn alive_devices(&self) -> DeviceSet {
        let heard = self.heard_devices();
        heard.without(self.reach.apart(heard))
    }

    /// Devices that are heard from.
    pub(super) fn heard_devices(&self) -> DeviceSet {
        let useless = self.holdings.useless();
        self.plans.everybody().without(self.detector.suspects()).without(useless)
    }

    /// Suspects whose connection has not ended.
    pub(super) fn silent(&self) -> DeviceSet {
        self.connected.intersection(self.detector.suspects())
    }

    /// Devices whose tasks are believed to succeed, too.
    pub(super) fn reliable_devices(&self) -> DeviceSet {
        self.alive_devices().without(self.ailments.ailing()).without(self.wrong_devices())
    }

    /// Devices that the roster leaves out where requests go by this plan.
    pub(super) fn doubted_devices(&self, plan: usize) -> DeviceSet {
        let apart = self.reach.apart(self.heard_devices());
        let ailing = self.ailments.ailing().union(self.wrong_devices());
        self.detector.suspects().union(ailing).union(apart).union(self.holdings.lacking(plan))
    }

    pub(super) fn on_up(
        &mut self,
        now: Time,
        device: DeviceId,
        held: &[PlanId],
        out: &mut Vec<Command>,
    ) {
        let id = |plan: usize| self.plans.all()[plan].id();
        match self.holdings.learn(device, |plan| held.contains(&id(plan))) {
            (Some(plan), _) => out.push(Command::Notice(Notice::Mismatch(device, id(plan)))),
            (None, Some(_)) => out.push(Command::Notice(Notice::Match(device))),
            (None, None) => {}
        }
        // It may have started anew: what it had of these requests is gone, what
        // was wrong with it may be mended, and what is finished it knows no more.
        if self.ailments.ailing().contains(device) && !self.wrong_devices().contains(device) {
            out.push(Command::Notice(Notice::Rested(device)));
        }
        self.ailments.forgive(device);
        // It is tried out at once, not believed.
        self.wrong.rest_until(device, now);
        self.connected.insert(device);
        self.reach.up(device);
        self.marked &= self.next_number == 0;
        self.pending.values_mut().for_each(|pending| pending.restarted.insert(device));
        if self.detector.heard(now, device) {
            out.push(Command::Notice(Notice::Healthy(device)));
        }
        self.regroup(now, SETTLE, out);
    }

    pub(super) fn on_beat(
        &mut self,
        now: Time,
        from: DeviceId,
        beat: Heartbeat,
        out: &mut Vec<Command>,
    ) {
        self.beats[from.index()] = beat;
        self.alive(now, from, out);
        // Who is not reached any more is known by the end of a connection.
        if self.config.trust_disconnect
            && let Some(lost) = self.reach.learn(from, beat.reaches)
        {
            let cut =
                |pending: &mut Pending| pending.cut.extend(lost.iter().map(|to| pair(from, to)));
            self.pending.values_mut().for_each(cut);
            self.regroup(now, SETTLE, out);
        }
    }

    /// A device was heard from so long ago.
    pub(super) fn was_alive(
        &mut self,
        now: Time,
        device: DeviceId,
        ago: Duration,
        out: &mut Vec<Command>,
    ) {
        let was_suspect = self.detector.heard_before(now, device, ago);
        self.is_back(now, device, was_suspect, out);
    }

    pub(super) fn alive(&mut self, now: Time, device: DeviceId, out: &mut Vec<Command>) {
        let was_suspect = self.detector.heard(now, device);
        self.is_back(now, device, was_suspect, out);
    }

    /// A device was heard from: others may be about to be, where it was a suspect.
    fn is_back(&mut self, now: Time, device: DeviceId, was_suspect: bool, out: &mut Vec<Command>) {
        if was_suspect {
            out.push(Command::Notice(Notice::Healthy(device)));
            self.regroup(now, SETTLE, out);
        }
    }
}
