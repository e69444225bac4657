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
/// at work on each of these requests, once with the same values and once with what
/// each has decoded.
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
        for (seed, inputs) in (0..).zip(requests) {
            rehearsal.learn_usual(inputs, seed, &mut usual)?;
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
    /// Have devices decoded what they read, each from other shards?
    apart: bool,
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
        Ok(Played { values, shards: all, apart: false })
    }

    /// Plays a request with all devices at work, each of which decodes from
    /// others' shards than its neighbours do.
    pub fn play_apart(&self, inputs: &[Tensor], seed: u64) -> anyhow::Result<Played> {
        let mut all = Vec::new();
        let values = self.run_apart(inputs, seed, |shards| all.push(shards))?;
        Ok(Played { values, shards: all, apart: true })
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

    /// Holds these shards of a stage's value, which were `played` but for some,
    /// against each other.
    pub fn audit(&self, played: &Played, stage: StageId, shards: Vec<Option<Bytes>>) -> Audit {
        let value = self.plan.stages()[stage.index()].value;
        let (values, plan) = (self.plans.values().clone(), self.plan.clone());
        Audit::new(values, plan, value, shards).of_decoded(played.apart)
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

    fn learn_usual(&self, inputs: &[Tensor], seed: u64, usual: &mut Usual) -> anyhow::Result<()> {
        self.learn_from(&self.play(inputs)?, usual);
        self.learn_from(&self.play_apart(inputs, seed)?, usual);
        Ok(())
    }

    fn learn_from(&self, played: &Played, usual: &mut Usual) {
        for (stage, shards) in (0..).map(StageId).zip(&played.shards) {
            if self.plan.stage_sharding(stage).code.parity_shards() > 0 {
                self.audit(played, stage, shards.clone()).teach(usual);
            }
        }
    }
}
