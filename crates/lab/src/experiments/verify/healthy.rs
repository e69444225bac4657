//! Healthy requests: none may be taken for wrong.

use quorate_core::audit::Finding;
use quorate_core::id::StageId;
use serde::{Deserialize, Serialize};

use super::bench::Bench;
use crate::experiment::Context;
use crate::lanes::in_lanes;

/// What was found of healthy stages.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Healthy {
    /// Values whose shards were held against each other.
    pub(super) stages: u64,
    /// Those that were taken for wrong.
    pub(super) alarms: u64,
    /// Those of which nothing could be said.
    pub(super) unchecked: u64,
    /// The farthest that shards were apart, over what packing noted.
    pub(super) farthest: f64,
}

impl Healthy {
    fn and(self, other: Healthy) -> Healthy {
        Healthy {
            stages: self.stages + other.stages,
            alarms: self.alarms + other.alarms,
            unchecked: self.unchecked + other.unchecked,
            farthest: self.farthest.max(other.farthest),
        }
    }
}

/// Plays requests until so many stages were checked, a few more at most.
pub(super) fn ask(bench: &Bench, stages: usize, context: &Context) -> anyhow::Result<Healthy> {
    let requests = stages.div_ceil(bench.plan().stages().len());
    let lanes = in_lanes(requests, |range| {
        let mut all = Healthy::default();
        for request in range {
            context.go_on()?;
            all = all.and(one(bench, request)?);
        }
        Ok(all)
    })?;
    Ok(lanes.into_iter().fold(Healthy::default(), Healthy::and))
}

fn one(bench: &Bench, request: usize) -> anyhow::Result<Healthy> {
    // Every other one with devices that decode from different shards.
    let played = match request % 2 {
        0 => bench.play(request)?,
        _ => bench.play_apart(request)?,
    };
    let mut all = Healthy::default();
    for stage in (0..bench.plan().stages().len() as u16).map(StageId) {
        let audit = bench.rehearsal.audit(&played, stage, played.shards(stage).to_vec());
        let usual = bench.usual(&audit);
        let finding = audit.find(usual);
        let apart = audit.discrepancy().unwrap_or(0.0);
        all = all.and(Healthy {
            stages: 1,
            alarms: matches!(finding, Finding::Corrupt(_)).into(),
            unchecked: (finding == Finding::Unchecked).into(),
            farthest: if usual > 0.0 { apart / usual } else { 0.0 },
        });
    }
    Ok(all)
}
