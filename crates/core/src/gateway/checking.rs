//! What is known of the audits of one request.

use std::collections::BTreeMap;

use quorate_code::ShardSet;
use quorate_model::tensor::Tensor;

use crate::audit::Verify;
use crate::id::{DeviceId, DeviceSet, ValueId};
use crate::time::Time;

/// What is known of one request's audits.
#[derive(Debug, Default)]
pub(super) struct Audits {
    pub(super) verify: Verify,
    /// Devices that have told all.
    pub(super) reported: DeviceSet,
    /// What was told of values.
    pub(super) told: BTreeMap<ValueId, Told>,
    /// Have the gateway's own audits begun, and ended?
    pub(super) own: Own,
    /// The answer, until it may be given.
    pub(super) held: Option<Vec<Tensor>>,
    /// Was the answer given, and is only looked at afterwards?
    pub(super) is_answered: bool,
    /// When reports are not waited for any longer.
    pub(super) until: Option<Time>,
    /// Devices one of which is wrong, as far as attempts so far have shown.
    pub(super) candidates: Option<DeviceSet>,
    /// The one that this attempt does without, to see whether it is it.
    pub(super) left_out: Option<DeviceId>,
    /// Devices that this request has shown to be wrong.
    pub(super) convicted: DeviceSet,
}

/// What was told of the shards of one value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    /// Those that somebody has.
    pub(super) have: ShardSet,
    /// Those that were found to fit together.
    pub(super) clean: ShardSet,
}

/// Where the gateway's own audits stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Own {
    #[default]
    Waits,
    Runs,
    Done,
}

impl Audits {
    pub(super) fn new(verify: Verify) -> Audits {
        Audits { verify, ..Audits::default() }
    }

    /// Is the answer there, given or not?
    pub(super) fn has_answer(&self) -> bool {
        self.held.is_some() || self.is_answered
    }

    /// A further attempt begins: only who is wrong, or may be, is still known.
    pub(super) fn restart(&mut self) {
        let Audits { verify, candidates, convicted, .. } = *self;
        *self = Audits { verify, candidates, convicted, ..Audits::default() };
    }
}
