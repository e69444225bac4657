//! What happens in a simulation.

use quorate_core::audit::Audited;
use quorate_core::failure::TaskError;
use quorate_core::gateway;
use quorate_core::worker;

use crate::sim::world::Letter;

/// Two devices, the first of which comes before the second, or a device and a
/// gateway.
pub(super) type Pair = (usize, usize);

/// What a worker's job made.
pub(super) type Computed = Result<Vec<worker::Outgoing>, TaskError>;

/// Something that happens at a time. `H` is a place on a letter's way.
#[derive(Debug)]
pub(super) enum Happening<H> {
    Arrive(Box<Letter>),
    Hop(Box<Letter>, H),
    Wake {
        node: usize,
        generation: u64,
    },
    Computed {
        device: usize,
        incarnation: u32,
        job: worker::Job,
        result: Computed,
    },
    Audited {
        device: usize,
        incarnation: u32,
        id: worker::AuditId,
        audited: Audited,
    },
    /// What a gateway's lane did, in that life of its.
    Done {
        gateway: usize,
        life: u32,
        event: gateway::Event,
    },
    Submit(usize),
    Cancel(usize),
    /// The change at this place of the course.
    Change(usize),
    Connected {
        gateway: usize,
        device: usize,
        incarnation: u32,
    },
    Disconnected {
        gateway: usize,
        device: usize,
    },
    /// A device sees that its connection with a gateway has ended, in that life of
    /// either.
    GatewayGone {
        gateway: usize,
        device: usize,
        incarnation: u32,
        life: u32,
    },
    /// The connection between two devices, in these lives of theirs, ends or
    /// comes up.
    Link {
        pair: Pair,
        lives: (u32, u32),
        up: bool,
    },
    /// A device sees whom it reaches.
    Reaches(usize),
}
