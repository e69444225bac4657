//! What gives a simulation its times: how long tasks take, and when frames
//! arrive.

use std::fmt::Debug;

use quorate_core::cluster::Nanos;
use quorate_core::frame::Frame;
use quorate_core::worker::TaskId;

/// What a byte takes a port, as far as it matters whether any moves.
pub(super) const NANOS_PER_BYTE: Nanos = 100;

/// From when nothing passes to a peer, be it that it lost power or that the link
/// is cut, to when its connection ends.
pub(super) const USER_TIMEOUT: Nanos = 400_000_000;

/// A node that a frame goes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    pub(super) node: usize,
    /// Which life of the node: what was sent to an earlier one is lost.
    pub(super) incarnation: u32,
}

/// A frame on its way.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) from: usize,
    pub(super) to: Address,
    pub(super) sent_at: Nanos,
    /// When all of it has left its sender, as far as that is known: until then
    /// it is lost if the sender crashes.
    pub(super) left_at: Nanos,
    /// `None` where the bytes are no frame any more.
    pub(super) frame: Option<Frame>,
}

/// What comes next of a letter.
#[derive(Debug)]
pub(super) enum Next<H> {
    /// At this time it has got so far.
    Hop(Nanos, Box<Letter>, H),
    /// At this time it is there.
    Arrive(Nanos, Box<Letter>),
}

/// Where a simulation's times come from.
pub(super) trait World {
    /// A place on a letter's way at which something is decided.
    type Hop: Debug;
    /// What may change about it while a simulation runs.
    type Trouble: Copy + Debug;

    /// Sends a frame to some nodes; adds what comes next of each letter. Gives
    /// the frame's size in bytes.
    fn send(
        &mut self,
        now: Nanos,
        from: usize,
        frame: Frame,
        to: &[Address],
        next: &mut Vec<Next<Self::Hop>>,
    ) -> u64;

    /// What comes next of a letter that has got to `hop`.
    fn hop(&mut self, now: Nanos, letter: Box<Letter>, hop: Self::Hop) -> Next<Self::Hop>;

    /// How long a device that is not slow takes for a task.
    fn task(&mut self, device: usize, task: &TaskId) -> Nanos;

    /// How long the gateway takes for the last glue.
    fn glue(&mut self) -> Nanos;

    /// When a device first connects.
    fn start(&mut self, device: usize) -> Nanos;

    /// How long after a crash nothing is sent to the device any more, as its
    /// connections are known to have ended; `None` for never.
    fn noticed(&self, goodbye: bool) -> Option<Nanos>;

    /// How long after a restart a device's connections are up.
    fn reconnect(&self) -> Nanos;

    /// How long after two devices can speak again their connection is up.
    fn relink(&mut self) -> Nanos;

    /// Bytes that have come and gone at a node until `now`, those of messages
    /// half of which are there included.
    fn moved(&self, now: Nanos, node: usize) -> u64;

    /// A device has crashed: what waited to leave it is gone.
    fn crashed(&mut self, device: usize);

    /// Something about it changes.
    fn change(&mut self, trouble: Self::Trouble);
}
