//! How far apart healthy shards are, and what comes of one that is not, by playing
//! a bundle.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use quorate_code::ShardSet;
use quorate_core::audit::{Audit, Usual};
use quorate_core::gather::{Gathered, task_inputs};
use quorate_core::id::{DeviceSet, StageId, ValueId};
use quorate_core::plan::Plans;
use quorate_engine::Engine;
use quorate_model::tensor::Tensor;

use super::{Progress, Rehearsal, Values};

/// How far apart the shards of every value of every plan are, with all devices
/// at work on each of these requests.
pub fn usual(
    engine: &Arc<dyn Engine>,
    plans: &Plans,
    bundle: &Path,
    requests: &[Vec<Tensor>],
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<Usual> {
    let mut usual = Usual::default();
    let (mut done, total) = (0, plans.all().len() * requests.len());
    for (index, plan) in plans.all().iter().enumerate() {
        let members = match index {
            0 => plans.everybody(),
            _ => DeviceSet::first(plan.seats()),
        };
        // Anew for each plan: not all tasks of all plans are loaded at once.
        let first = requests.first().cloned().unwrap_or_default();
        let rehearsal = Rehearsal::expecting(engine, plans.clone(), bundle, first, Vec::new());
        let rehearsal = Rehearsal { plan: plan.clone(), members, ..rehearsal };
        for inputs in requests {
            rehearsal.learn_usual(inputs, &mut usual)?;
            done += 1;
            progress(Progress { done, total });
        }
    }
    Ok(usual)
}

/// A request that was played with all devices at work.
pub struct Played {
    values: Values,
    /// By stage: all shards of its value, as they travel.
    shards: Vec<Vec<Option<Bytes>>>,
}

impl Played {
    /// All shards of a stage's value, as they travel.
    pub fn shards(&self, stage: StageId) -> &[Option<Bytes>] {
        &self.shards[stage.index()]
    }
}

impl Rehearsal {
    /// Plays a request with all devices at work.
    pub fn play(&self, inputs: &[Tensor]) -> anyhow::Result<Played> {
        let (mut values, mut all) = (self.with_inputs(inputs), Vec::new());
        self.run_from(0, self.members, &mut values, |shards| all.push(shards))?;
        Ok(Played { values, shards: all })
    }

    /// What the task of a shard read.
    pub fn read_of(
        &self,
        played: &Played,
        stage: StageId,
        shard: usize,
    ) -> anyhow::Result<Vec<Arc<Gathered>>> {
        let value = |value: ValueId| played.values[value.index()].clone();
        task_inputs(&self.plan, stage, shard, value).context("values that were played")
    }

    /// Holds these shards of a stage's value against each other.
    pub fn audit(&self, stage: StageId, shards: Vec<Option<Bytes>>) -> Audit {
        let value = self.plan.stages()[stage.index()].value;
        Audit::new(self.plans.values().clone(), self.plan.clone(), value, shards)
    }

    /// What is answered where a stage's value is decoded from all of these shards
    /// but the `lost`, and all that comes after it is right.
    pub fn answer_from(
        &self,
        played: &Played,
        stage: StageId,
        shards: &[Option<Bytes>],
        lost: ShardSet,
    ) -> anyhow::Result<Vec<Tensor>> {
        let mut values = played.values.clone();
        let value = self.plan.stages()[stage.index()].value;
        values[value.index()] = Some(self.gather(value, shards, lost)?);
        self.run_from(stage.index() + 1, self.members, &mut values, |_| ())?;
        self.result(&values)
    }

    fn learn_usual(&self, inputs: &[Tensor], usual: &mut Usual) -> anyhow::Result<()> {
        let played = self.play(inputs)?;
        for (index, shards) in played.shards.into_iter().enumerate() {
            let id = StageId(index as u16);
            if self.plan.stage_sharding(id).code.parity_shards() > 0 {
                let audit = self.audit(id, shards);
                let value = self.plan.stages()[index].value;
                usual.saw(self.plan.id(), value, audit.discrepancy().unwrap_or(0.0));
            }
        }
        Ok(())
    }
}
