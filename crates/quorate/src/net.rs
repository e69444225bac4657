//! Frames between processes: one connection and one bounded queue a peer.
//!
//! ```text
//! dial:   Stream -> hello -> its hello -+-> Peer -> Link -> frames out, frames in
//! listen: Stream -> its hello -> hello -+
//!
//! Links: dials, listens, sends; its events carry the link they came over
//! ```
//!
//! A connection proves nothing until the other side has said hello: a stopped
//! process still accepts. A frame that does not decode closes its own
//! connection only. A peer that does not read fills its own queue only, and
//! the oldest frames in it give way. What comes in, and what waits to go out, has
//! a bounded number of bytes, of all peers together.

mod converse;
mod dial;
mod event;
mod handshake;
mod incoming;
mod link;
mod links;
mod listen;
mod local;
mod loopback;
mod outbox;
mod outgoing;
mod reader;
mod stream;
mod traffic;

pub(crate) use event::NetEvent;
pub(crate) use link::Link;
pub(crate) use links::Links;
pub(crate) use listen::Listener;
pub(crate) use local::Local;
pub use loopback::free_addresses;
pub(crate) use stream::Carrier;
