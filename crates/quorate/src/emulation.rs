//! A device that answers as another, slower one over another, slower network
//! would: with the right results, later.
//!
//! ```text
//! engine:    Engine --EmulatedEngine--> a task takes what it takes on the device
//! transport: Stream --Wire--> a message takes what it takes on the network
//!                      |
//!                      +-- Medium, one for all processes, where it is shared
//! ```
//!
//! The work is really done, and what it takes here is part of what it is made
//! to take. Where this machine is too slow for that, the answer is late: an
//! *overrun*, which is counted, as nothing that was measured then is true of
//! the emulated device. `dilation` slows everything down by the same factor,
//! time-outs too, so that a few cores can be many fast devices.
//!
//! A process that emulates nothing has none of this on the way of a request.

mod builtin;
mod cluster;
mod engine;
mod instant;
mod medium;
mod overruns;
mod reader;
mod record;
mod settings;
mod timer;
mod wire;
mod writer;

pub use self::{
    builtin::{NETWORKS, PROFILES, network, profile},
    cluster::EmulatedCluster,
    engine::EmulatedEngine,
    medium::Medium,
    overruns::{Overruns, count_overruns},
    settings::Emulation,
};
pub(crate) use self::{reader::EmulatedReader, wire::Wire, writer::EmulatedWriter};
