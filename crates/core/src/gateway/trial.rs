//! Trials of devices that computed wrongly. Before one is relied on again it takes
//! part in a request that nobody waits for, and all that it makes of it has to
//! fit what the others make.

use std::time::Duration;

use super::pending::Pending;
use super::token::{is_clients, of_trial};
use super::{Command, Gateway, Notice};
use crate::audit::Verify;
use crate::id::{DeviceId, DeviceSet};
use crate::time::Time;

/// A trial that takes longer has shown nothing.
const DEADLINE: Duration = Duration::from_secs(10);

impl Gateway {
    /// Devices that are not relied on as they computed wrongly, or did until it is
    /// shown that they do no longer.
    pub(super) fn wrong_devices(&self) -> DeviceSet {
        self.wrong.ailing().union(self.trials.keys().copied().collect())
    }

    /// The rests of these devices are over: each has to show that it is right.
    pub(super) fn try_out(&mut self, now: Time, devices: DeviceSet, out: &mut Vec<Command>) {
        let reliable = self.reliable_devices().without(devices);
        for device in devices.iter() {
            if self.begin_trial(now, device, reliable, out).is_none() {
                // Later, there may be somebody to hold it against.
                self.wrong.fail(now, device, true);
            }
        }
    }

    fn begin_trial(
        &mut self,
        now: Time,
        device: DeviceId,
        reliable: DeviceSet,
        out: &mut Vec<Command>,
    ) -> Option<()> {
        let inputs = self.sample.clone().filter(|_| self.alive_devices().contains(device))?;
        let others: Vec<DeviceId> = reliable.iter().filter(|other| *other != device).collect();
        // As many others as take a part beside it.
        let (taking, (index, members)) = (0..=others.len()).rev().find_map(|count| {
            let taking: DeviceSet = others[..count].iter().copied().chain([device]).collect();
            let chosen = self.choose_audited(taking)?;
            chosen.1.contains(device).then_some((taking, chosen))
        })?;
        let suspects = self.plans.everybody().without(self.holdings.holding(index, taking));
        let number = self.next_number;
        let draft = (index, members, suspects);
        self.begin(now, (of_trial(device), inputs, DEADLINE, Verify::Correct), draft, out);
        self.trials.insert(device, number);
        Some(())
    }

    /// The trial of a request that ends with all its audits, if it is one: is the
    /// device right again?
    pub(super) fn end_trial(
        &mut self,
        now: Time,
        pending: &Pending,
        is_clean: bool,
        out: &mut Vec<Command>,
    ) {
        let number = pending.attempt.request.number;
        let Some(device) = self.on_trial(number) else { return };
        self.trials.remove(&device);
        if is_clean && pending.shows(device) {
            self.wrong.forgive(device);
            out.push(Command::Notice(Notice::Rested(device)));
            self.regroup(now, Duration::ZERO, out);
        } else {
            self.wrong.fail(now, device, true);
        }
    }

    /// The device that the request of this number is a trial of.
    pub(super) fn on_trial(&self, number: u64) -> Option<DeviceId> {
        let mut trials = self.trials.iter();
        trials.find(|(_, of)| **of == number).map(|(device, _)| *device)
    }

    /// After an event: trials that have ended without having shown anything are
    /// made again later, and nobody is told of what came of any.
    pub(super) fn settle_trials(&mut self, now: Time, out: &mut Vec<Command>) {
        out.retain(|command| match command {
            Command::Answer(token, ..) | Command::Fail(token, _) => is_clients(*token),
            _ => true,
        });
        let ended = self.trials.iter().filter(|(_, number)| !self.pending.contains_key(*number));
        let ended: DeviceSet = ended.map(|(device, _)| *device).collect();
        for device in ended.iter() {
            self.trials.remove(&device);
            self.wrong.fail(now, device, true);
        }
    }
}

impl Pending {
    /// Was every shard that `device` makes in this attempt found to fit?
    pub(super) fn shows(&self, device: DeviceId) -> bool {
        let (plan, members) = (&self.attempt.plan, self.attempt.members);
        let own: DeviceSet = [device].into_iter().collect();
        let fits = |value| {
            let made = plan.sharding(value).map(|sharding| sharding.shards_of(members, own));
            let told = self.audits.told.get(&value).copied().unwrap_or_default();
            made.is_some_and(|made| made.is_subset(told.clean))
        };
        members.contains(device) && plan.stages().iter().all(|stage| fits(stage.value))
    }
}
