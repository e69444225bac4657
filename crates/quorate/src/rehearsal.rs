//! A bundle played in one process, with every loss its plan tolerates.
//!
//! The tasks are the packed files themselves; values are gathered, merged and
//! decoded by the code that devices use. What comes out is held against the
//! whole model, whose inner values are made outputs for the purpose, or
//! against answers that are known from elsewhere.

mod audits;
mod difference;
mod doubt;
mod finding;
mod losses;
mod whole;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use quorate_code::ShardSet;
use quorate_core::cluster::GATEWAY_FOLDER;
use quorate_core::gather::{Decision, Gather, Gathered, task_inputs};
use quorate_core::id::{DeviceId, DeviceSet, StageId, ValueId};
use quorate_core::plan::{OUTPUT_TASK, Plan, Plans};
use quorate_core::time::Time;
use quorate_engine::{Engine, Reference};
use quorate_model::tensor::Tensor;

use crate::bundle::ModelFile;
use crate::node::tasks::TaskStore;
use crate::random::SplitMix;
use difference::difference;
use losses::{list, losses, random_subset};
use whole::Whole;

pub use audits::{Played, usual};
pub use difference::answer_difference;
pub use doubt::doubt;
pub use finding::Finding;
pub use whole::Judge;

/// Cases tried so far, of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Tried.
    pub done: usize,
    /// In all.
    pub total: usize,
}

/// A plan's tasks, and the whole model's values for one input.
#[derive(Clone)]
pub struct Rehearsal {
    plans: Arc<Plans>,
    /// The plan that is played.
    plan: Arc<Plan>,
    /// Who takes its seats.
    members: DeviceSet,
    devices: Arc<Vec<TaskStore>>,
    gateway: Arc<TaskStore>,
    inputs: Vec<Tensor>,
    /// By value; all `None` where the whole model was not run.
    whole: Vec<Option<Tensor>>,
    outputs: Vec<Tensor>,
    judge: Judge,
    /// How far the whole model by this engine may be from the right answers.
    rounding: f64,
    notes: Vec<String>,
}

/// A value as one device has it: by value, `None` before it is made.
type Values = Vec<Option<Arc<Gathered>>>;

impl Rehearsal {
    /// Opens the bundle of `plans` and runs the whole model once. The right
    /// answers are those of `reference`, where there is one.
    pub fn new(
        engine: &Arc<dyn Engine>,
        reference: Option<&dyn Reference>,
        model: &ModelFile,
        plans: Plans,
        bundle: &Path,
        inputs: Vec<Tensor>,
    ) -> anyhow::Result<Rehearsal> {
        let whole = Whole::run(&**engine, reference, model, &plans, &inputs)?;
        let Whole { values, outputs, judge, rounding, notes } = whole;
        let rehearsal = Rehearsal::expecting(engine, plans, bundle, inputs, outputs);
        Ok(Rehearsal { whole: values, judge, rounding, notes, ..rehearsal })
    }

    /// Opens the bundle of `plans`, to be held against `outputs`: the right
    /// answers to `inputs`, known from elsewhere. The model itself is not run,
    /// so there is nothing to hold its stages against.
    pub fn expecting(
        engine: &Arc<dyn Engine>,
        plans: Plans,
        bundle: &Path,
        inputs: Vec<Tensor>,
        outputs: Vec<Tensor>,
    ) -> Rehearsal {
        let store = |name: &str| TaskStore::new(engine.clone(), &bundle.join(name));
        let devices: Vec<TaskStore> =
            plans.cluster().names().iter().map(|name| store(name)).collect();
        Rehearsal {
            plan: plans.main().clone(),
            members: plans.everybody(),
            devices: Arc::new(devices),
            gateway: Arc::new(store(GATEWAY_FOLDER)),
            inputs,
            whole: vec![None; plans.values().len()],
            outputs,
            judge: Judge::Itself,
            rounding: 0.0,
            notes: Vec::new(),
            plans: Arc::new(plans),
        }
    }

    /// The same bundle under each of its fallback plans, with the first devices
    /// on the seats.
    pub fn fallbacks(&self) -> impl Iterator<Item = Rehearsal> + '_ {
        self.plans.all()[1..].iter().map(|plan| {
            let (plan, members) = (plan.clone(), DeviceSet::first(plan.seats()));
            Rehearsal { plan, members, ..self.clone() }
        })
    }

    /// The plans in use.
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// What a person ought to know of the answers taken as right.
    pub fn notes(&self) -> impl Iterator<Item = &str> {
        self.notes.iter().map(String::as_str)
    }

    /// Whose answers are taken as right.
    pub fn judge(&self) -> &Judge {
        &self.judge
    }

    /// Each stage on the whole model's values, with every loss of up to as
    /// many shards as its code repairs whichever they are.
    pub fn stages(&self, progress: &mut dyn FnMut(Progress)) -> anyhow::Result<Vec<Finding>> {
        let plan = &self.plan;
        let mut values: Values = vec![None; self.plans.values().len()];
        for (value, tensor) in self.whole.iter().enumerate() {
            if let Some(tensor) = tensor {
                values[value] = Some(self.as_gathered(ValueId(value as u16), tensor));
            }
        }
        let mut findings = Vec::new();
        for (index, stage) in plan.stages().iter().enumerate() {
            let id = StageId(index as u16);
            let sharding = plan.stage_sharding(id);
            let (n, m) = (sharding.code.data_shards(), sharding.code.parity_shards());
            let code = sharding.code.name();
            let what = format!("layer {} ({} {n}+{m} {code})", stage.name, stage.method);
            let limit = self.plans.tolerance().max(sharding.stated_error());
            let mut finding = Finding::of_value(stage.value, what, limit);
            let shards = self.run_stage(id, self.members, |_| &values)?;
            let whole = self.whole[stage.value.index()].as_ref().context("a stage's value")?;
            for lost in losses(n + m, sharding.code.tolerance()) {
                let gathered = self.gather(stage.value, &shards, lost)?;
                let error = difference(&gathered.assemble()?, whole)?;
                finding.add(error, || format!("lost: {}", list(lost)));
            }
            findings.push(finding);
            progress(Progress { done: index + 1, total: plan.stages().len() });
        }
        Ok(findings)
    }

    /// The final answer, with every set of devices that the plan tolerates,
    /// and every single one, dead from the first stage to the last.
    pub fn dead_throughout(
        &self,
        progress: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Vec<Finding>> {
        // Where single devices are not covered, those that are.
        let most = self.plan.tolerance().max(1);
        let sets = losses(self.plan.seats(), most);
        let devices =
            |set: &ShardSet| set.iter().filter_map(|seat| self.members.nth(seat)).collect();
        let viable = |dead: &DeviceSet| self.plan.viable(self.members, self.members.without(*dead));
        let dead: Vec<DeviceSet> = sets.iter().map(devices).filter(viable).collect();
        Ok(vec![self.with_dead(&dead, progress)?])
    }

    /// The final answer, with each of these sets of devices dead from the
    /// first stage to the last.
    pub fn with_dead(
        &self,
        cases: &[DeviceSet],
        progress: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Finding> {
        let plan = match self.plan.id() == self.plans.main().id() {
            true => String::new(),
            false => format!(" under plan {}", self.plan.name()),
        };
        let what = format!("answer{plan}, devices dead throughout");
        let mut finding = Finding::of_answers(what, self.limit());
        for (case, &dead) in cases.iter().enumerate() {
            progress(Progress { done: case + 1, total: cases.len() });
            let answer = self.answer(&self.inputs, dead)?;
            let error = answer_difference(&answer, &self.outputs)?;
            let names = self.plans.device_names(dead);
            finding.add(error, || {
                if dead.is_empty() { "none is dead".to_owned() } else { format!("{names} dead") }
            });
        }
        Ok(finding)
    }

    /// What is answered to `inputs` with these devices dead from the first
    /// stage to the last. An error where that is more than the plan bears.
    pub fn answer(&self, inputs: &[Tensor], dead: DeviceSet) -> anyhow::Result<Vec<Tensor>> {
        let alive = self.members.without(dead);
        let mut values = self.with_inputs(inputs);
        self.run_from(0, alive, &mut values, |_| ())?;
        self.result(&values)
    }

    /// Has the `alive` devices run all stages from the one at `first` on; hands
    /// over the shards that each has made.
    fn run_from(
        &self,
        first: usize,
        alive: DeviceSet,
        values: &mut Values,
        mut each: impl FnMut(Vec<Option<Bytes>>),
    ) -> anyhow::Result<()> {
        for (index, stage) in self.plan.stages().iter().enumerate().skip(first) {
            let shards = self.run_stage(StageId(index as u16), alive, |_| values)?;
            let gathered = self.gather(stage.value, &shards, ShardSet::new())?;
            values[stage.value.index()] = Some(gathered);
            each(shards);
        }
        Ok(())
    }

    /// The final answer when every device that reads a value, and the
    /// gateway, loses other shards of it: as many as its code repairs.
    pub fn inconsistent(&self, seed: u64, trials: u64) -> anyhow::Result<Vec<Finding>> {
        let estimate = self.plan.inconsistent_error();
        let what = format!("answer, each reader loses other shards (estimate {estimate:.0e})");
        let mut finding = Finding::of_answers(what, self.limit());
        for trial in 0..trials {
            let of_trial = seed.wrapping_mul(1009).wrapping_add(trial);
            let values = self.run_apart(&self.inputs, of_trial, |_| ())?;
            let error = answer_difference(&self.result(&values)?, &self.outputs)?;
            finding.add(error, || format!("trial {trial} of seed {seed}"));
        }
        Ok(vec![finding])
    }

    /// Runs all stages; every device that reads a value, and the gateway, loses
    /// other shards of it, as many as its code repairs. The gateway's values; hands
    /// over the shards of each stage.
    fn run_apart(
        &self,
        inputs: &[Tensor],
        seed: u64,
        mut each: impl FnMut(Vec<Option<Bytes>>),
    ) -> anyhow::Result<Values> {
        let mut random = SplitMix::new(seed);
        let count = self.plans.cluster().devices().len();
        let mut views: Vec<Values> = vec![self.with_inputs(inputs); count + 1];
        for (index, stage) in self.plan.stages().iter().enumerate() {
            let id = StageId(index as u16);
            let view = |device: DeviceId| &views[device.index()];
            let shards = self.run_stage(id, self.members, view)?;
            let code = &self.plan.stage_sharding(id).code;
            for view in &mut views {
                let lost = random_subset(&mut random, code.shards(), code.tolerance());
                let gathered = self.gather(stage.value, &shards, lost)?;
                view[stage.value.index()] = Some(gathered);
            }
            each(shards);
        }
        Ok(views.swap_remove(count))
    }

    fn with_inputs(&self, inputs: &[Tensor]) -> Values {
        let mut values: Values = vec![None; self.plans.values().len()];
        for (tensor, value) in inputs.iter().zip(self.plan.inputs()) {
            let sharding = self.plan.sharding(value);
            // What does not fit is seen when it is sent.
            let sent = sharding.and_then(|sharding| sharding.as_sent(tensor).ok());
            values[value.index()] = Some(self.as_gathered(value, sent.as_ref().unwrap_or(tensor)));
        }
        values
    }

    /// The error that an answer may have: what the plan may add to what the
    /// whole model by this engine has.
    pub fn limit(&self) -> f64 {
        self.plans.tolerance().max(self.plan.stated_error()) + self.rounding
    }

    /// A whole value, as if it had been gathered.
    fn as_gathered(&self, value: ValueId, tensor: &Tensor) -> Arc<Gathered> {
        let (values, plan) = (self.plans.values().clone(), self.plan.clone());
        Arc::new(Gathered::of_tensor(values, plan, value, tensor.clone()))
    }

    /// Every shard of a stage's value that `alive` devices make, each from
    /// its own view of the values.
    fn run_stage<'a>(
        &self,
        id: StageId,
        alive: DeviceSet,
        view: impl Fn(DeviceId) -> &'a Values,
    ) -> anyhow::Result<Vec<Option<Bytes>>> {
        let plan = &self.plan;
        let stage = &plan.stages()[id.index()];
        let mut shards = Vec::new();
        for (shard, seat) in plan.stage_sharding(id).seats.iter().enumerate() {
            let device = self.members.nth(seat.index()).context("a member a seat")?;
            if !alive.contains(device) {
                shards.push(None);
                continue;
            }
            let values = view(device);
            let inputs = task_inputs(plan, id, shard, |value| values[value.index()].clone());
            let inputs = inputs.with_context(|| format!("inputs of layer {}", stage.name))?;
            let stem = plan.task_stem(id, shard);
            let outputs = self.devices[device.index()].run(&stem, &inputs)?;
            ensure!(outputs.len() == 1, "task {stem} made {} values", outputs.len());
            shards.push(Some(plan.stage_sharding(id).payload(&outputs[0])?.data().clone()));
        }
        Ok(shards)
    }

    fn gather(
        &self,
        value: ValueId,
        shards: &[Option<Bytes>],
        lost: ShardSet,
    ) -> anyhow::Result<Arc<Gathered>> {
        let (values, plan) = (self.plans.values().clone(), self.plan.clone());
        let mut gather = Gather::new(values, plan, value, self.members, DeviceSet::default());
        for (index, shard) in shards.iter().enumerate() {
            if let Some(payload) = shard
                && !lost.contains(index)
            {
                gather.accept(Time(0), index, payload.clone());
            }
        }
        match gather.decide(Time(0), Duration::ZERO) {
            Decision::Gathered(gathered) => Ok(gathered),
            _ => Err(anyhow!("value {} is not quorate", self.plans.values()[value.index()].name)),
        }
    }

    /// What the gateway makes of the last values.
    fn result(&self, values: &Values) -> anyhow::Result<Vec<Tensor>> {
        let inputs: Option<Vec<_>> =
            self.plan.result().iter().map(|value| values[value.index()].clone()).collect();
        Ok(self.gateway.run(OUTPUT_TASK, &inputs.context("results")?)?)
    }
}
