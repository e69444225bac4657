//! What the network tells a driver.

use quorate_core::frame::Frame;
use quorate_core::id::PlanId;

use super::incoming::Room;
use super::link::Link;

/// What the network tells a driver, and over which connection.
#[derive(Debug)]
pub(crate) enum NetEvent {
    /// A peer has said hello; the plans of its bundle.
    Up(Link, Vec<PlanId>),
    /// A connection has ended.
    Down(Link),
    /// A frame came in, which takes this room until it is taken in.
    Frame(Link, Frame, Room),
}
