//! Who this process is on the network.

use std::sync::Arc;

use quorate_core::frame::{HEAD_BYTES_MAX, Hello, Role};
use quorate_core::plan::Plans;

use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::stream::Carrier;
use super::traffic::Total;
use crate::memory::Memory;

/// Who this process is, and the longest frame that it reads.
#[derive(Debug)]
pub(crate) struct Local {
    /// What it says first.
    pub(super) hello: Hello,
    /// Who else there is, and where.
    pub(super) plans: Arc<Plans>,
    /// Longest frame it reads.
    pub(super) frame_bytes_max: usize,
    /// What its connections travel over.
    pub(super) carrier: Carrier,
    /// Bytes that have come and gone.
    pub(super) total: Arc<Total>,
    /// Room for frames that come in.
    pub(super) incoming: Incoming,
    /// Room for those that wait to go out.
    pub(super) outgoing: Arc<Outgoing>,
}

impl Local {
    /// A process that takes part in `plans` and takes so much memory for it.
    pub(crate) fn new(
        role: Role,
        name: &str,
        plans: &Arc<Plans>,
        carrier: Carrier,
        memory: Memory,
    ) -> Local {
        let held = plans.all().iter().map(|plan| plan.id()).collect();
        Local {
            hello: Hello { role, name: name.to_owned(), plans: held },
            plans: plans.clone(),
            frame_bytes_max: HEAD_BYTES_MAX + plans.largest_payload_bytes(),
            carrier,
            total: Arc::default(),
            incoming: Incoming::new(memory.incoming()),
            outgoing: Arc::new(Outgoing::new(memory.outgoing())),
        }
    }
}
