//! A bundle played in one process, with every loss its plan tolerates.
//!
//! The tasks are the packed files themselves; values are gathered, merged and
//! decoded by the code that devices use. What comes out is held against the
//! whole model, whose inner values are made outputs for the purpose, or
//! against answers that are known from elsewhere.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use bytes::Bytes;
use quorate_code::{Patterns, ShardSet};
use quorate_core::gather::{Decision, Gather, Gathered};
use quorate_core::id::{DeviceId, DeviceSet, StageId, ValueId};
use quorate_core::packing::{GATEWAY_FOLDER, OUTPUT_TASK, task_stem};
use quorate_core::plan::{Plan, Plans};
use quorate_core::time::Time;
use quorate_engine::{Engine, Tract};
use quorate_model::model::to_onnx;
use quorate_model::tensor::Tensor;

use crate::bundle::ModelFile;
use crate::lanes::TaskStore;
use crate::progress::CountBar;
use crate::random::SplitMix;
use crate::words::note;

/// Losses of one size that are all tried; of more, so many are.
const LOSSES_MAX: u64 = 1_000;
const LOSSES_SEED: u64 = 1;

/// What one kind of loss did.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was looked at.
    pub what: String,
    /// How many cases.
    pub cases: usize,
    /// Worst max|a - b| / max|b| of all cases; infinite where a case failed.
    pub error: f64,
    /// The error that is still right.
    pub limit: f64,
    /// The worst case.
    pub worst: String,
}

impl Finding {
    fn new(what: String, limit: f64) -> Finding {
        Finding { what, cases: 0, error: 0.0, limit, worst: "all equal".to_owned() }
    }

    /// Is the error within its limit?
    pub fn is_good(&self) -> bool {
        self.error <= self.limit
    }

    fn add(&mut self, error: f64, case: impl FnOnce() -> String) {
        self.cases += 1;
        if error > self.error || error.is_nan() {
            self.error = if error.is_nan() { f64::INFINITY } else { error };
            self.worst = case();
        }
    }
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
}

/// A value as one device has it: by value, `None` before it is made.
type Values = Vec<Option<Arc<Gathered>>>;

impl Rehearsal {
    /// Opens the bundle of `plans` and runs the whole model once.
    pub fn new(
        model: &ModelFile,
        plans: Plans,
        bundle: &Path,
        inputs: Vec<Tensor>,
    ) -> anyhow::Result<Rehearsal> {
        let (whole, outputs) = run_whole(model, &plans, &inputs)?;
        let rehearsal = Rehearsal::expecting(plans, bundle, inputs, outputs);
        Ok(Rehearsal { whole, ..rehearsal })
    }

    /// Opens the bundle of `plans`, to be held against `outputs`: the right
    /// answers to `inputs`, known from elsewhere. The model itself is not run,
    /// so there is nothing to hold its stages against.
    pub fn expecting(
        plans: Plans,
        bundle: &Path,
        inputs: Vec<Tensor>,
        outputs: Vec<Tensor>,
    ) -> Rehearsal {
        let store = |name: &str| TaskStore::new(Box::new(Tract), &bundle.join(name));
        let devices: Vec<TaskStore> = plans.devices.iter().map(|name| store(name)).collect();
        Rehearsal {
            plan: plans.main().clone(),
            members: plans.everybody(),
            devices: Arc::new(devices),
            gateway: Arc::new(store(GATEWAY_FOLDER)),
            inputs,
            whole: vec![None; plans.values.len()],
            outputs,
            plans: Arc::new(plans),
        }
    }

    /// The same bundle under each of its fallback plans, with the first devices
    /// on the seats.
    pub fn fallbacks(&self) -> impl Iterator<Item = Rehearsal> + '_ {
        self.plans.plans[1..].iter().map(|plan| {
            let (plan, members) = (plan.clone(), DeviceSet::first(plan.seats));
            Rehearsal { plan, members, ..self.clone() }
        })
    }

    /// The plans in use.
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// Each stage on the whole model's values, with every loss of up to as
    /// many shards as its code repairs whichever they are.
    pub fn stages(&self) -> anyhow::Result<Vec<Finding>> {
        let plan = &self.plan;
        let mut values: Values = vec![None; self.plans.values.len()];
        for (value, tensor) in self.whole.iter().enumerate() {
            if let Some(tensor) = tensor {
                values[value] = Some(self.as_gathered(ValueId(value as u16), tensor));
            }
        }
        let mut findings = Vec::new();
        let mut bar = CountBar::new("checking stages", plan.stages.len());
        for (index, stage) in plan.stages.iter().enumerate() {
            let id = StageId(index as u16);
            let sharding = plan.stage_sharding(id);
            let (n, m) = (sharding.code.data_shards(), sharding.code.parity_shards());
            let code = sharding.code.name();
            let what = format!("layer {} ({} {n}+{m} {code})", stage.name, stage.method);
            let limit = self.plans.tolerance.max(sharding.stated_error());
            let mut finding = Finding::new(what, limit);
            let shards = self.run_stage(id, self.members, |_| &values)?;
            let whole = self.whole[stage.value.index()].as_ref().context("a stage's value")?;
            for lost in losses(n + m, sharding.code.tolerance()) {
                let gathered = self.gather(stage.value, &shards, lost)?;
                let error = difference(&gathered.tensor()?, whole)?;
                finding.add(error, || format!("lost: {}", list(lost)));
            }
            findings.push(finding);
            bar.step();
        }
        Ok(findings)
    }

    /// The final answer, with every set of devices that the plan tolerates,
    /// and every single one, dead from the first stage to the last.
    pub fn dead_throughout(&self) -> anyhow::Result<Vec<Finding>> {
        // Where single devices are not covered, those that are.
        let most = self.plan.tolerance().max(1);
        let sets = losses(self.plan.seats, most);
        let devices =
            |set: &ShardSet| set.iter().filter_map(|seat| self.members.nth(seat)).collect();
        let viable = |dead: &DeviceSet| self.plan.viable(self.members, self.members.without(*dead));
        let dead: Vec<DeviceSet> = sets.iter().map(devices).filter(viable).collect();
        Ok(vec![self.with_dead(&dead)?])
    }

    /// The final answer, with each of these sets of devices dead from the
    /// first stage to the last.
    pub fn with_dead(&self, cases: &[DeviceSet]) -> anyhow::Result<Finding> {
        let plan = match self.plan.id == self.plans.main().id {
            true => String::new(),
            false => format!(" under plan {}", self.plan.name),
        };
        let what = format!("answer{plan}, devices dead throughout");
        let mut finding = Finding::new(what, self.limit());
        let mut bar = CountBar::new("checking answers", cases.len());
        for &dead in cases {
            bar.step();
            let alive = self.members.without(dead);
            let mut values = self.with_inputs()?;
            for (index, stage) in self.plan.stages.iter().enumerate() {
                let shards = self.run_stage(StageId(index as u16), alive, |_| &values)?;
                let gathered = self.gather(stage.value, &shards, ShardSet::new())?;
                values[stage.value.index()] = Some(gathered);
            }
            let error = self.answer_error(&values)?;
            let names = self.plans.device_names(dead);
            finding.add(error, || {
                if dead.is_empty() { "none is dead".to_owned() } else { format!("{names} dead") }
            });
        }
        Ok(finding)
    }

    /// The final answer when every device that reads a value, and the
    /// gateway, loses other shards of it: as many as its code repairs.
    pub fn inconsistent(&self, seed: u64, trials: u64) -> anyhow::Result<Vec<Finding>> {
        let estimate = self.plan.inconsistent_error();
        let what = format!("answer, each reader loses other shards (estimate {estimate:.0e})");
        let mut finding = Finding::new(what, self.limit());
        let count = self.plans.devices.len();
        for trial in 0..trials {
            let mut random = SplitMix::new(seed.wrapping_mul(1009).wrapping_add(trial));
            let mut views: Vec<Values> = vec![self.with_inputs()?; count + 1];
            for (index, stage) in self.plan.stages.iter().enumerate() {
                let id = StageId(index as u16);
                let view = |device: DeviceId| &views[device.index()];
                let shards = self.run_stage(id, self.members, view)?;
                let code = &self.plan.stage_sharding(id).code;
                for view in &mut views {
                    let lost = random_subset(&mut random, code.shards(), code.tolerance());
                    let gathered = self.gather(stage.value, &shards, lost)?;
                    view[stage.value.index()] = Some(gathered);
                }
            }
            let error = self.answer_error(&views[count])?;
            finding.add(error, || format!("trial {trial} of seed {seed}"));
        }
        Ok(vec![finding])
    }

    fn with_inputs(&self) -> anyhow::Result<Values> {
        let mut values: Values = vec![None; self.plans.values.len()];
        for (tensor, value) in self.inputs.iter().zip(self.plan.inputs()) {
            values[value.index()] = Some(self.as_gathered(value, tensor));
        }
        Ok(values)
    }

    /// The error that an answer may have.
    fn limit(&self) -> f64 {
        self.plans.tolerance.max(self.plan.stated_error())
    }

    /// A whole value, as if it had been gathered.
    fn as_gathered(&self, value: ValueId, tensor: &Tensor) -> Arc<Gathered> {
        let (values, plan) = (self.plans.values.clone(), self.plan.clone());
        Arc::new(Gathered::whole(values, plan, value, tensor.clone()))
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
        let stage = &plan.stages[id.index()];
        let mut shards = Vec::new();
        for (shard, seat) in plan.stage_sharding(id).seats.iter().enumerate() {
            let device = self.members.nth(seat.index()).context("a member a seat")?;
            if !alive.contains(device) {
                shards.push(None);
                continue;
            }
            let part = plan.part_read(id, shard);
            let gathered = |value: &ValueId| {
                let gathered = view(device)[value.index()].as_ref()?;
                Some(part.map_or_else(|| gathered.clone(), |part| gathered.part(part)))
            };
            let inputs: Option<Vec<_>> = stage.reads.iter().map(gathered).collect();
            let inputs = inputs.with_context(|| format!("inputs of layer {}", stage.name))?;
            let stem = task_stem(plan, id, shard);
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
        let (values, plan) = (self.plans.values.clone(), self.plan.clone());
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
            _ => Err(anyhow!("value {} is not quorate", self.plans.values[value.index()].name)),
        }
    }

    fn answer_error(&self, values: &Values) -> anyhow::Result<f64> {
        let inputs: Option<Vec<_>> =
            self.plan.result.iter().map(|value| values[value.index()].clone()).collect();
        let outputs = self.gateway.run(OUTPUT_TASK, &inputs.context("results")?)?;
        answer_difference(&outputs, &self.outputs)
    }
}

/// What the file itself answers, and every value of the plan. The values come
/// from the model as it was read: with recurrent cells unrolled and
/// normalisation folded, some of them are in no node of the file.
fn run_whole(
    model: &ModelFile,
    plans: &Plans,
    inputs: &[Tensor],
) -> anyhow::Result<(Vec<Option<Tensor>>, Vec<Tensor>)> {
    let read = &model.staged.model;
    let wires = plans.wires();
    let mut task = Tract.load_bytes(&model.name, &to_onnx(read, &wires)?)?;
    let mut names = read.graph.outputs.clone();
    names.extend(wires.into_iter().filter(|wire| !read.graph.outputs.contains(wire)));
    let made = task.run(inputs).context("the model as it was read")?;
    let own = made[..read.graph.outputs.len()].to_vec();
    let file = model.task().and_then(|mut task| Ok(task.run(inputs)?));
    let unlike = match file.as_ref().map(|outputs| answer_difference(&own, outputs)) {
        Ok(Ok(apart)) if apart <= plans.tolerance => None,
        Ok(Ok(apart)) => {
            Some(anyhow!("it answers {apart:.1e} apart from the model as it was read"))
        }
        Ok(Err(error)) => Some(error),
        Err(error) => Some(anyhow!("{error:#}")),
    };
    let outputs = match (file, unlike) {
        (Ok(outputs), None) => outputs,
        // The engine does not run every form of recurrent node, and some it
        // runs wrongly; unrolled they are held against ONNX Runtime by tests.
        (_, Some(why)) if !read.graph.cells.is_empty() => {
            note(&format!(
                "the engine cannot vouch for the file's own recurrent nodes ({why}); the model \
                 with them unrolled is taken as right"
            ));
            own
        }
        (_, Some(why)) => return Err(why.context("the file, run whole")),
        (Err(why), None) => return Err(why),
    };
    let mut whole: Vec<Option<Tensor>> = vec![None; plans.values.len()];
    for (value, slot) in plans.values.iter().zip(&mut whole) {
        let at = names.iter().position(|name| *name == value.name);
        *slot = at.map(|at| made[at].clone());
    }
    for (tensor, value) in inputs.iter().zip(plans.main().inputs()) {
        whole[value.index()] = Some(tensor.clone());
    }
    Ok((whole, outputs))
}

/// max|a - b| / max|b| over all outputs, the worst one.
pub fn answer_difference(got: &[Tensor], whole: &[Tensor]) -> anyhow::Result<f64> {
    ensure!(got.len() == whole.len(), "{} outputs, the model has {}", got.len(), whole.len());
    let pairs = got.iter().zip(whole);
    pairs.map(|(a, b)| difference(a, b)).try_fold(0.0, |worst: f64, error| Ok(worst.max(error?)))
}

/// max|a - b| / max|b|; infinite where either has a value that is no number.
pub fn difference(got: &Tensor, whole: &Tensor) -> anyhow::Result<f64> {
    let same = got.shape() == whole.shape();
    ensure!(same, "shape {:?}, the model's is {:?}", got.shape(), whole.shape());
    let (a, b) = (got.to_f32()?, whole.to_f32()?);
    if a.iter().chain(&b).any(|v| !v.is_finite()) {
        return Ok(f64::INFINITY);
    }
    let worst = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let apart = worst(&mut a.iter().zip(&b).map(|(a, b)| f64::from(a - b).abs()));
    let scale = worst(&mut b.iter().map(|b| f64::from(b.abs())));
    Ok(if apart == 0.0 { 0.0 } else { apart / scale })
}

/// Losses of up to `most` of `n`: all of them where that is a number one can
/// wait for, else so many of each size, drawn by a seed.
fn losses(n: usize, most: usize) -> Vec<ShardSet> {
    let mut random = SplitMix::new(LOSSES_SEED);
    let mut all = Vec::new();
    for size in 0..=most.min(n) {
        match Patterns::count(n, size) {
            0..=LOSSES_MAX => all.extend(Patterns::new(n, size)),
            _ => all.extend((0..LOSSES_MAX).map(|_| random_subset(&mut random, n, size))),
        }
    }
    all
}

fn list(set: ShardSet) -> String {
    if set.is_empty() {
        return "nothing".to_owned();
    }
    let word = if set.len() == 1 { "shard" } else { "shards" };
    format!("{word} {}", set.iter().map(|shard| shard.to_string()).collect::<Vec<_>>().join(", "))
}

/// `size` different members of `0..n`.
fn random_subset(random: &mut SplitMix, n: usize, size: usize) -> ShardSet {
    let mut set = ShardSet::new();
    while set.len() < size.min(n) {
        set.insert(random.below(n));
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_all_of_them_or_a_sample() {
        let sampled = 1 + 24 + 276 + 2 * LOSSES_MAX as usize;
        for (n, most, count) in [(5, 0, 1), (5, 1, 6), (5, 2, 16), (3, 9, 8), (24, 4, sampled)] {
            let sets = losses(n, most);
            assert_eq!(sets.len(), count);
            assert!(sets.iter().all(|set| set.len() <= most));
        }
        let different: std::collections::BTreeSet<_> = losses(5, 2).into_iter().collect();
        assert_eq!(different.len(), 16);
    }

    #[test]
    fn difference_is_relative_and_finds_what_is_no_number() {
        let tensor = |values: &[f32]| Tensor::from_f32(vec![values.len()], values).unwrap();
        let whole = tensor(&[1.0, -4.0]);
        assert_eq!(difference(&whole, &whole).unwrap(), 0.0);
        assert_eq!(difference(&tensor(&[1.0, -3.0]), &whole).unwrap(), 0.25);
        assert_eq!(difference(&tensor(&[1.0, f32::NAN]), &whole).unwrap(), f64::INFINITY);
        assert!(difference(&tensor(&[1.0]), &whole).is_err());
    }
}
