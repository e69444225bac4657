//! What happens in a simulation.

use quorate_core::failure::TaskError;
use quorate_core::gateway;
use quorate_core::worker;
use quorate_model::tensor::Tensor;

use crate::sim::world::Letter;

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
    Glued(gateway::Job, Result<Vec<Tensor>, String>),
    Submit(usize),
    Cancel(usize),
    /// The change at this place of the course.
    Change(usize),
    Connected {
        device: usize,
        incarnation: u32,
    },
    Disconnected(usize),
}
