//! Which plan a request goes by, and over which devices.

use super::Gateway;
use crate::id::DeviceSet;

impl Gateway {
    /// The best plan for the devices alive, and who takes its seats.
    pub(super) fn choose(&self) -> Option<(usize, DeviceSet)> {
        self.choose_after(0, 0)
    }

    /// The plan for a request that has timed out so often although all seemed
    /// well, and who takes its seats. The first time a frame may have been lost.
    /// From the second on there is something that the gateway cannot see, such
    /// as a cut link between two devices: it takes half as many devices each
    /// time, and always others, down to a single one that needs nobody.
    pub(super) fn choose_after(&self, number: u64, timeouts: u32) -> Option<(usize, DeviceSet)> {
        // Those whose tasks fail are asked where it does not go without them.
        let reliable = self.choose_among(self.reliable_devices(), number, timeouts);
        reliable.or_else(|| self.choose_among(self.alive_devices(), number, timeouts))
    }

    /// The same among these devices only.
    pub(super) fn choose_among(
        &self,
        alive: DeviceSet,
        number: u64,
        timeouts: u32,
    ) -> Option<(usize, DeviceSet)> {
        let everybody = self.plans.everybody();
        let plans = &self.plans.all();
        let limit = plans[0].seats().checked_shr(timeouts.saturating_sub(1)).unwrap_or(0);
        let holding = |index: usize| self.holdings.holding(index, alive);
        let main = plans[0].viable(everybody, holding(0)).then_some((0, everybody));
        if main.is_some() && limit == plans[0].seats() {
            return main;
        }
        // Within the limit the most seats, beyond it the fewest.
        let rank = |index: usize| match plans[index].seats() {
            seats if seats <= limit => (true, seats),
            seats => (false, DeviceSet::MAX - seats),
        };
        let fitting = (1..plans.len()).rev().filter(|i| plans[*i].seats() <= holding(*i).len());
        let Some(index) = fitting.max_by_key(|i| rank(*i)) else { return main };
        let alive = holding(index);
        let shift = if timeouts < 2 { 0 } else { number.wrapping_add(timeouts.into()) };
        let first = (shift % alive.len() as u64) as usize;
        let rotated = alive.iter().skip(first).chain(alive.iter().take(first));
        Some((index, rotated.take(plans[index].seats()).collect()))
    }

    /// A plan under which these devices can be held against each other, and who
    /// takes its seats: the main plan, else the one with most seats.
    pub(super) fn choose_audited(&self, alive: DeviceSet) -> Option<(usize, DeviceSet)> {
        let (plans, everybody) = (self.plans.all(), self.plans.everybody());
        let holding = |index: usize| self.holdings.holding(index, alive);
        if plans[0].can_be_audited(everybody, holding(0)) {
            return Some((0, everybody));
        }
        let fits = |index: &usize| plans[*index].seats() <= holding(*index).len();
        let seated = |index: usize| -> DeviceSet {
            holding(index).iter().take(plans[index].seats()).collect()
        };
        let audited = |index: &usize| plans[*index].can_be_audited(seated(*index), seated(*index));
        let best = (1..plans.len()).filter(fits).filter(audited);
        let best = best.max_by_key(|index| plans[*index].seats());
        best.map(|index| (index, seated(index)))
    }
}
