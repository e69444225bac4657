//! A packed model to simulate with: real task files, really run, and the
//! whole model's answers beside them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use quorate::bundle;
use quorate::node::stems;
use quorate::rehearsal::answer_difference;
use quorate_core::audit::{Usual, Verify};
use quorate_core::cluster::GATEWAY_FOLDER;
use quorate_core::gather::Gathered;
use quorate_core::id::StageId;
use quorate_core::plan::{OUTPUT_TASK, Plan, Plans, WaitPolicy};
use quorate_core::planner::{self, MethodRequest, PlanRequest};
use quorate_core::worker::TaskId;
use quorate_engine::Task;
use quorate_model::division::method::Method;
use quorate_model::model::{Limits, Model};
use quorate_model::stage::{Cut, Staged};
use quorate_model::tensor::Tensor;
use tempfile::TempDir;

use super::random::SplitMix;
use super::shards::Shards;
use crate::engine::engine;

/// Different inputs that requests are made of.
const INPUTS: usize = 4;
/// Outputs remembered; beyond, all are forgotten.
const MEMO_MAX: usize = 20_000;
/// Where the bundle is in its temporary folder.
const BUNDLE: &str = "bundle";

/// Anything that goes wrong before a simulation begins.
type Error = Box<dyn std::error::Error>;

/// What is to be packed.
#[derive(Clone, Debug)]
pub struct Packing {
    /// Data devices.
    pub data: usize,
    /// Parity devices.
    pub parity: usize,
    /// The plan's `wait`.
    pub wait: WaitPolicy,
    /// How layers are divided.
    pub methods: Vec<MethodRequest>,
    /// Layers that travel as f16.
    pub f16: Vec<String>,
    /// Values that end stages of bands.
    pub bands: Vec<String>,
    /// Are plans made for answers that are checked?
    pub verified: bool,
}

impl Packing {
    /// Every layer by its default method.
    pub fn new(data: usize, parity: usize, wait: WaitPolicy) -> Packing {
        let (methods, f16, bands) = (Vec::new(), Vec::new(), Vec::new());
        Packing { data, parity, wait, methods, f16, bands, verified: false }
    }

    /// The same with stages that end in `values` divided into bands.
    pub fn in_bands(mut self, values: &[&str]) -> Packing {
        self.bands = values.iter().map(|value| (*value).to_owned()).collect();
        self
    }

    /// The same with layers divided by those of `methods` that fit.
    pub fn by(mut self, methods: &[Method]) -> Packing {
        let request = |method: &Method| MethodRequest { layer: None, method: *method };
        self.methods = methods.iter().map(request).collect();
        self
    }
}

/// A bundle, its tasks, and what is right.
pub struct Material {
    /// The plans that were packed.
    pub plans: Arc<Plans>,
    /// What devices may have in their place: the main plan alone, and others.
    versions: [Arc<Plans>; 2],
    /// Inputs of requests.
    pub inputs: Vec<Vec<Tensor>>,
    /// The whole model's outputs for each of them.
    pub right: Vec<Vec<Tensor>>,
    stems: BTreeMap<TaskId, String>,
    folder: TempDir,
    tasks: BTreeMap<String, Box<dyn Task>>,
    memo: BTreeMap<(String, u64), Result<Vec<Tensor>, String>>,
}

impl Material {
    /// Plans `model` evenly and packs it into a temporary folder.
    pub fn new(model: Bytes, packing: &Packing) -> Result<Material, Error> {
        let cut = Cut { whole: packing.bands.clone(), ..Cut::default() };
        let read = Model::read(model.clone(), &Limits::default())?;
        let staged = Staged::cut(Arc::new(read), &cut)?;
        let mut request =
            PlanRequest::local("model.onnx", &"0".repeat(64), packing.data, packing.parity)?;
        let bands =
            |value: &String| MethodRequest { layer: Some(value.clone()), method: Method::Bands };
        request.methods = packing.methods.clone();
        request.methods.extend(packing.bands.iter().map(bands));
        request.f16 = packing.f16.clone();
        request.wait = packing.wait;
        if packing.verified {
            request.verify = Verify::Correct;
        }
        let plans = planner::even(&staged, &request)?;
        let versions = versions(&staged, &request)?;
        let folder = TempDir::new()?;
        let packed = folder.path().join(BUNDLE);
        bundle::write(&staged, &request.model_sha256, &plans, &packed, &mut |_| ())?;
        let mut whole = engine().load_bytes("whole model", &model)?;
        let mut random = SplitMix::new(11);
        let mut one = || -> Result<Vec<Tensor>, Error> {
            let ports = whole.inputs().iter();
            ports.map(|port| tensor(&port.shape, &mut random)).collect()
        };
        let inputs = (0..INPUTS).map(|_| one()).collect::<Result<Vec<_>, _>>()?;
        let right = inputs.iter().map(|tensors| whole.run(tensors)).collect::<Result<_, _>>()?;
        let (stems, plans) = (stems(&plans), Arc::new(plans));
        let (tasks, memo) = (BTreeMap::new(), BTreeMap::new());
        Ok(Material { plans, versions, inputs, right, stems, folder, tasks, memo })
    }

    /// Can every shard be told from every other by who makes it and its form? If
    /// not, a frame that says it was another is believed.
    pub(super) fn tells_shards_apart(&self) -> bool {
        let mut seen = BTreeSet::new();
        let plan = |plan: &Arc<Plan>| {
            (0..plan.stages().len() as u16).map(StageId).all(|stage| {
                let sharding = plan.stage_sharding(stage);
                let value = &self.plans.values()[plan.stages()[stage.index()].value.index()];
                sharding.seats.iter().enumerate().all(|(shard, seat)| {
                    let part = sharding.part(shard);
                    let shape = part.output_shape(&value.shape, value.axis);
                    seen.insert((plan.id(), *seat, shape))
                })
            })
        };
        self.plans.all().iter().all(plan)
    }

    /// Can one device that computes wrongly always be found? Every value takes a
    /// spare shard, and somebody who gathers all of it, under every plan but that
    /// for one device.
    pub fn can_be_audited(&self) -> bool {
        let several = self.plans.all().iter().filter(|plan| plan.seats() > 1);
        several.into_iter().all(|plan| plan.is_audited())
    }

    /// How far apart healthy shards are: not beyond what rounding does.
    pub(super) fn usual(&self) -> Arc<Usual> {
        let mut usual = Usual::default();
        for plan in self.plans.all() {
            for stage in plan.stages() {
                usual.saw(plan.id(), stage.value, false, 0.0);
            }
        }
        Arc::new(usual)
    }

    fn compute(
        &mut self,
        folder: &str,
        stem: &str,
        inputs: &[Arc<Gathered>],
    ) -> Result<Vec<Tensor>, String> {
        let path = self.folder.path().join(BUNDLE).join(folder).join(format!("{stem}.onnx"));
        if !path.is_file() {
            return Err(format!("{folder}/{stem}.onnx was not packed"));
        }
        let tensors = inputs.iter().map(|gathered| gathered.assemble());
        let tensors = tensors.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
        let mut hasher = DefaultHasher::new();
        tensors.iter().for_each(|t| (t.shape(), t.data()).hash(&mut hasher));
        let key = (stem.to_owned(), hasher.finish());
        if let Some(known) = self.memo.get(&key) {
            return known.clone();
        }
        let task = match self.tasks.entry(stem.to_owned()) {
            Entry::Occupied(task) => task.into_mut(),
            Entry::Vacant(slot) => slot.insert(engine().load(&path).map_err(|e| e.to_string())?),
        };
        let result = task.run(&tensors).map_err(|e| e.to_string());
        if self.memo.len() >= MEMO_MAX {
            self.memo.clear();
        }
        self.memo.insert(key, result.clone());
        result
    }
}

impl Shards for Material {
    fn plans(&self) -> &Arc<Plans> {
        &self.plans
    }

    fn version(&self, version: usize) -> &Arc<Plans> {
        version.checked_sub(1).map_or(&self.plans, |other| &self.versions[other])
    }

    fn inputs(&self, index: usize) -> Vec<Tensor> {
        self.inputs[index % self.inputs.len()].clone()
    }

    /// From the folder of that device.
    fn run(
        &mut self,
        device: usize,
        task: TaskId,
        inputs: &[Arc<Gathered>],
    ) -> Result<Vec<Tensor>, String> {
        let (folder, stem) =
            (self.plans.cluster().devices()[device].name.clone(), self.stems[&task].clone());
        self.compute(&folder, &stem, inputs)
    }

    fn glue(&mut self, inputs: &[Arc<Gathered>]) -> Result<Vec<Tensor>, String> {
        self.compute(GATEWAY_FOLDER, OUTPUT_TASK, inputs)
    }

    fn error(&self, index: usize, outputs: &[Tensor]) -> f64 {
        answer_difference(outputs, &self.right[index % self.right.len()]).unwrap_or(f64::INFINITY)
    }
}

/// Of another version of the bundle than the first: the main plan alone, and
/// other plans, the numbers of which travel differently.
fn versions(staged: &Staged, request: &PlanRequest) -> Result<[Arc<Plans>; 2], Error> {
    let alone = PlanRequest { fewest_devices: usize::MAX, ..request.clone() };
    let f16 = if request.f16.is_empty() { vec!["*".to_owned()] } else { Vec::new() };
    let others = PlanRequest { f16, ..request.clone() };
    let plan = |request| planner::even(staged, request).map(Arc::new);
    Ok([plan(&alone)?, plan(&others)?])
}

fn tensor(shape: &[usize], random: &mut SplitMix) -> Result<Tensor, Error> {
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| random.weight()).collect();
    Ok(Tensor::from_f32(shape.to_vec(), &values)?)
}
