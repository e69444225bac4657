//! How far apart healthy shards are, by playing a bundle.

use std::path::Path;
use std::sync::Arc;

use quorate_code::ShardSet;
use quorate_core::audit::{Audit, Usual};
use quorate_core::id::{DeviceSet, StageId};
use quorate_core::plan::Plans;
use quorate_engine::Engine;
use quorate_model::tensor::Tensor;

use super::{Progress, Rehearsal};

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

impl Rehearsal {
    fn learn_usual(&self, inputs: &[Tensor], usual: &mut Usual) -> anyhow::Result<()> {
        let mut values = self.with_inputs(inputs);
        for (index, stage) in self.plan.stages().iter().enumerate() {
            let id = StageId(index as u16);
            let shards = self.run_stage(id, self.members, |_| &values)?;
            let gathered = self.gather(stage.value, &shards, ShardSet::new())?;
            values[stage.value.index()] = Some(gathered);
            if self.plan.stage_sharding(id).code.parity_shards() > 0 {
                let (forms, plan) = (self.plans.values().clone(), self.plan.clone());
                let audit = Audit::new(forms, plan, stage.value, shards);
                usual.saw(self.plan.id(), stage.value, audit.discrepancy().unwrap_or(0.0));
            }
        }
        Ok(())
    }
}
