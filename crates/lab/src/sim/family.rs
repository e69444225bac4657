//! Kinds of simulation.

/// Kinds of simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Family {
    /// The same devices fail again and again, no more than tolerated.
    Tolerated,
    /// One after the other fails, no more than tolerated at a time.
    Rolling,
    /// More fail than tolerated; one lives.
    Beyond,
    /// Everything at once, then peace.
    Chaos,
    /// More requests than the devices can do at once; nothing fails.
    Load,
    /// Links between devices are cut for good and a device is gone, which the
    /// gateway cannot tell from its own links.
    Hidden,
    /// Signs of life come so unevenly that everybody is suspected all the time.
    Flapping,
    /// Nothing fails; clients go away before they are answered.
    Impatient,
    /// Tasks fail or hang on devices that seem well, no more than tolerated.
    Grey,
    /// The same on more than tolerated; one is well.
    Broken,
    /// Tasks take seconds, and so do values on their way; nothing fails.
    Slow,
    /// One device computes wrongly for a time, and all answers are to be right.
    Wrong,
    /// The gateway stands still now and then; devices do not.
    Stalled,
    /// The gateway ends and starts anew, with devices in trouble beside it.
    Restarted,
    /// Two gateways ask the same devices; one of them ends or stands still now and
    /// then, and devices are in trouble beside it.
    Several,
    /// Devices have versions of the bundle without the plans for fewer devices, or
    /// with others; they end, and start with others. One lives, and has all plans.
    Mixed,
    /// More requests at once than devices can keep, then peace.
    Narrow,
}

/// All families.
pub const FAMILIES: [Family; 17] = [
    Family::Tolerated,
    Family::Rolling,
    Family::Beyond,
    Family::Chaos,
    Family::Load,
    Family::Hidden,
    Family::Flapping,
    Family::Impatient,
    Family::Grey,
    Family::Broken,
    Family::Slow,
    Family::Wrong,
    Family::Stalled,
    Family::Restarted,
    Family::Several,
    Family::Mixed,
    Family::Narrow,
];
