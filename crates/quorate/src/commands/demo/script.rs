//! What happens to which device, in order.

use quorate::random::SplitMix;
use quorate_core::id::DeviceId;
use quorate_core::plan::Plans;

/// What is done to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// SIGKILL, later a new process.
    Kill,
    /// SIGSTOP, later SIGCONT.
    Freeze,
}

/// Some devices fail at once, and are later restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// What happens.
    pub blow: Blow,
    /// What holds: `data` or `parity`.
    pub role: &'static str,
    /// To whom.
    pub devices: Vec<DeviceId>,
}

impl Event {
    /// A short name, as in the comparison.
    pub(crate) fn kind(&self) -> String {
        let verb = match self.blow {
            Blow::Kill => "kill",
            Blow::Freeze => "freeze",
        };
        format!("{verb} {}", self.role)
    }
}

/// The events of a demo.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// In order.
    pub events: Vec<Event>,
}

impl Script {
    /// Events and the time before the first, as a number of equal parts.
    pub(crate) fn steps(spares: usize) -> usize {
        if spares == 0 { 3 } else { 4 }
    }

    /// Kills as many data devices as there are spares (at least one), then
    /// the spares, then freezes data devices; which ones, the seed says.
    /// The last `spares` devices hold the parity.
    /// Where the plan has none, they are devices like the others.
    pub(crate) fn new(plans: &Plans, data: usize, spares: usize, seed: u64) -> Script {
        let mut random = SplitMix::new(seed ^ 0x005c_219f);
        let mut pick = |first: usize, of: usize, count: usize| {
            let mut devices: Vec<DeviceId> =
                (first..first + of).map(|d| DeviceId(d as u8)).collect();
            random.shuffle(&mut devices);
            devices.truncate(count);
            devices
        };
        let at_once = spares.clamp(1, data);
        let mut events =
            vec![Event { blow: Blow::Kill, role: "data", devices: pick(0, data, at_once) }];
        if spares > 0 {
            let devices = pick(data, spares, spares);
            let role = if plans.main().tolerance() > 0 { "parity" } else { "data" };
            events.push(Event { blow: Blow::Kill, role, devices });
        }
        events.push(Event { blow: Blow::Freeze, role: "data", devices: pick(0, data, at_once) });
        debug_assert!(
            events
                .iter()
                .flat_map(|e| &e.devices)
                .all(|d| d.index() < plans.cluster().devices().len())
        );
        Script { events }
    }
}
