//! What goes wrong with devices and links, and right again.

/// Something that goes wrong, or right again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// A worker ends; its gateway sees the connection end, or only silence.
    Crash {
        /// Which device.
        device: usize,
        /// Does the gateway see the connection end?
        goodbye: bool,
    },
    /// A worker starts with nothing in memory.
    Restart(usize),
    /// A worker that is not up has another version of the bundle when it starts.
    Install {
        /// Which device.
        device: usize,
        /// Which version.
        version: usize,
    },
    /// A worker stops; what arrives waits, and so does what it has not sent.
    Freeze(usize),
    /// It goes on.
    Thaw(usize),
    /// Tasks that it begins from now on take this many times as long.
    Slow(usize, f64),
    /// Tasks that it begins from now on fail.
    Break(usize),
    /// Tasks that it begins from now on do not end.
    Hang(usize),
    /// What tasks make that it begins from now on is wrong.
    Err(usize),
    /// What tasks make that it begins from now on has a number that is not finite.
    Stray(usize),
    /// Its tasks succeed again, and those that hang end.
    Heal(usize),
    /// Nothing passes between two nodes. Gateways are the nodes behind the last
    /// device.
    Cut(usize, usize),
    /// Nothing passes from one node to another; the other way it does, for as
    /// long as nothing has to be confirmed.
    Deafen {
        /// Who is not heard,
        from: usize,
        /// by whom.
        to: usize,
    },
    /// It passes again, both ways.
    Mend(usize, usize),
    /// A gateway stops; what arrives waits.
    FreezeGateway(usize),
    /// It goes on.
    ThawGateway(usize),
    /// A gateway ends, and all its requests with it.
    CrashGateway(usize),
    /// It starts with nothing in memory.
    RestartGateway(usize),
}
