//! From a plan and a model to the files of each device.
//!
//! ```text
//! bundle/pi-1/plan.toml     the plan; its addresses may be edited
//!             packed.toml   fingerprints of what was packed
//!             weights.bin   rows of every task, stored once
//!             *.onnx        a task each, weights by offset into weights.bin
//! bundle/gateway/...        the same, with the last glue as its one task
//! ```
//!
//! Tasks of several plans that use the same rows share their bytes, and a
//! task that several plans have in common is one file.

use std::collections::BTreeMap;
use std::io::{self, Write};

use quorate_model::division::Merge;
use quorate_model::division::method::{self, Method};
use quorate_model::pack::{Layout, PackError as LayoutError, TaskSpec, Work, lay_out};
use quorate_model::region::whole;
use quorate_model::stage::{Stage as ModelStage, Staged};
use quorate_model::tensor::DType;
use quorate_model::value::Value;

use crate::cluster::GATEWAY_FOLDER;
use crate::id::{DeviceId, SeatId, StageId, ValueId};
use crate::plan::{OUTPUT_TASK, Plan, Plans, Sharding};

/// Name of the weights in a device's folder.
pub(crate) const WEIGHTS_FILE: &str = "weights.bin";
/// Name of the plan in a device's folder.
pub const PLAN_FILE: &str = "plan.toml";
/// Name of the fingerprints in a device's folder.
pub const PACKED_FILE: &str = "packed.toml";
/// Line of the fingerprints that says for whom they are.
const FOLDER_KEY: &str = "folder";

/// Where packed files go.
pub trait Shelf {
    /// Begins the file `name` in `folder`.
    fn create(&mut self, folder: &str, name: &str) -> io::Result<Box<dyn Write + '_>>;
}

/// Why a plan and a model do not make a bundle.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum PackError {
    #[error("plan was made for model {plan}, this one is {model} (SHA-256)")]
    Model { plan: String, model: String },
    #[error("plan has no value {name} of the model")]
    MissingValue { name: String },
    #[error("value {name} is {plan} in the plan, {model} in the model")]
    Value { name: String, plan: String, model: String },
    #[error("plan {plan} makes value {value}, where the model was not cut")]
    Cut { plan: String, value: String },
    #[error("plan {plan}, layer {layer}: plan {what} {got}, model {needed}")]
    Stage { plan: String, layer: String, what: &'static str, got: String, needed: String },
    #[error(
        "plan {plan}, layer {layer}: data shard {data} reads {got} in the plan's parts, {needed} \
         in the model; correct it, or leave parts out, and whole values are sent"
    )]
    Part { plan: String, layer: String, data: usize, got: String, needed: String },
    #[error("plan has the model's inputs in the order {got}, the model {needed}")]
    Inputs { got: String, needed: String },
    #[error("plan {plan}: result {got}, the model's last glue reads {needed}")]
    Result { plan: String, got: String, needed: String },
    #[error("layer {layer}: code {code} needs f32, value is {dtype}")]
    Coded { layer: String, code: String, dtype: DType },
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error("{folder}/{file}")]
    Write { folder: String, file: String, source: io::Error },
}

/// Bytes written so far, of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Weights written.
    pub done_bytes: u64,
    /// Weights in all.
    pub total_bytes: u64,
}

/// What was packed for one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedFolder {
    /// The folder's name: the device's, or `gateway`.
    pub name: String,
    /// Tasks in it.
    pub tasks: usize,
    /// Bytes of its weights.
    pub weights_bytes: u64,
}

/// Packs every device's folder and the gateway's.
pub fn pack(
    staged: &Staged,
    model_sha256: &str,
    plans: &Plans,
    shelf: &mut dyn Shelf,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<PackedFolder>, PackError> {
    check(staged, model_sha256, plans)?;
    let mut folders: Vec<(String, Vec<TaskSpec>)> = Vec::new();
    for (id, device) in (0..).map(DeviceId).zip(plans.cluster().devices()) {
        folders.push((device.name.clone(), device_tasks(staged, plans, id)));
    }
    let output = TaskSpec { name: OUTPUT_TASK.to_owned(), work: Work::Output };
    folders.push((GATEWAY_FOLDER.to_owned(), vec![output]));
    let layouts: Vec<Layout<'_>> = folders
        .iter()
        .map(|(_, tasks)| lay_out(staged, tasks, WEIGHTS_FILE))
        .collect::<Result<_, _>>()?;
    let total_bytes = layouts.iter().map(Layout::weights_len).sum();
    let (mut done_bytes, mut packed) = (0, Vec::new());
    for ((folder, tasks), layout) in folders.iter().zip(&layouts) {
        let mut report = |bytes| progress(Progress { done_bytes: done_bytes + bytes, total_bytes });
        let done = write_folder(layout, plans, folder, tasks, shelf, &mut report)?;
        done_bytes += done.weights_bytes;
        packed.push(done);
    }
    Ok(packed)
}

/// Every task that a device may have to do under any plan of the file.
fn device_tasks(staged: &Staged, plans: &Plans, device: DeviceId) -> Vec<TaskSpec> {
    let mut tasks = BTreeMap::new();
    for plan in plans.all() {
        for seat in plans.possible_seats(plan, device) {
            for (stage, shard) in plan.tasks(SeatId(seat as u8)) {
                let made = &plans.values()[plan.stages()[stage.index()].value.index()].name;
                let index = staged.making(made).expect("checked before");
                let part = plan.stage_sharding(stage).part(shard);
                let work = Work::Stage { stage: index, part, cut: plan.is_cut(stage, shard) };
                tasks.insert(plan.task_stem(stage, shard), work);
            }
        }
    }
    tasks.into_iter().map(|(name, work)| TaskSpec { name, work }).collect()
}

fn write_folder(
    layout: &Layout<'_>,
    plans: &Plans,
    folder: &str,
    tasks: &[TaskSpec],
    shelf: &mut dyn Shelf,
    report: &mut dyn FnMut(u64),
) -> Result<PackedFolder, PackError> {
    let wrong = |file: &str, source| PackError::Write {
        folder: folder.to_owned(),
        file: file.to_owned(),
        source,
    };
    let mut write = |file: &str, bytes: &[u8]| {
        let mut out = shelf.create(folder, file).map_err(|e| wrong(file, e))?;
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|e| wrong(file, e))
    };
    write(PLAN_FILE, plans.to_toml().as_bytes())?;
    write(PACKED_FILE, plans.packed_toml(folder).as_bytes())?;
    for (index, task) in tasks.iter().enumerate() {
        write(&format!("{}.onnx", task.name), &layout.task_onnx(index)?)?;
    }
    let mut out = shelf.create(folder, WEIGHTS_FILE).map_err(|e| wrong(WEIGHTS_FILE, e))?;
    layout.write_weights(&mut out, report)?;
    out.flush().map_err(|e| wrong(WEIGHTS_FILE, e))?;
    let weights_bytes = layout.weights_len();
    Ok(PackedFolder { name: folder.to_owned(), tasks: tasks.len(), weights_bytes })
}

impl Plans {
    /// The fingerprints as a file; [`read_packed`] reads it back.
    fn packed_toml(&self, folder: &str) -> String {
        let mut out = String::from("# What this folder was packed from; not to be edited.\n");
        out.push_str(&format!("{FOLDER_KEY} = \"{folder}\"\n"));
        for (name, print) in self.fingerprints() {
            let name = toml::Value::String(name.clone());
            out.push_str(&format!("{name} = \"{print}\"\n"));
        }
        out
    }
}

/// Reads for whom a folder was packed, and the fingerprints of what.
pub fn read_packed(text: &str) -> Result<(String, BTreeMap<String, String>), toml::de::Error> {
    let mut prints: BTreeMap<String, String> = toml::from_str(text)?;
    Ok((prints.remove(FOLDER_KEY).unwrap_or_default(), prints))
}

/// Does the plan speak of this model?
fn check(staged: &Staged, model_sha256: &str, plans: &Plans) -> Result<(), PackError> {
    if plans.model_sha256() != model_sha256 {
        let (plan, model) = (plans.model_sha256().to_owned(), model_sha256.to_owned());
        return Err(PackError::Model { plan, model });
    }
    for value in &staged.values {
        let name = value.name.clone();
        let Some(id) = plans.value(&name) else {
            return Err(PackError::MissingValue { name });
        };
        let listed = &plans.values()[id.index()];
        if listed != value {
            let say = |v: &Value| format!("{} {:?} axis {}", v.dtype, v.shape, v.axis);
            let (plan, model) = (say(listed), say(value));
            return Err(PackError::Value { name, plan, model });
        }
    }
    // Requests give inputs in this order.
    let listed = plans.values().iter().map(|value| value.name.as_str());
    let inputs: Vec<&str> = staged.model.graph.inputs.iter().map(String::as_str).collect();
    let got: Vec<&str> = listed.filter(|name| inputs.contains(name)).collect();
    if got != inputs {
        let (got, needed) = (got.join(", "), inputs.join(", "));
        return Err(PackError::Inputs { got, needed });
    }
    plans.all().iter().try_for_each(|plan| check_plan(staged, plans, plan))
}

fn check_plan(staged: &Staged, plans: &Plans, plan: &Plan) -> Result<(), PackError> {
    for id in (0..plan.stages().len() as u16).map(StageId) {
        check_stage(staged, plans, plan, id)?;
    }
    let (got, needed) = (listed(plans, plan.result()), wires(staged, &staged.output.reads));
    if got != needed {
        return Err(PackError::Result { plan: plan.name().to_owned(), got, needed });
    }
    Ok(())
}

/// Names of a plan's values.
fn listed(plans: &Plans, ids: &[ValueId]) -> String {
    ids.iter().map(|v| plans.values()[v.index()].name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Names of a model's wire values.
fn wires(staged: &Staged, ids: &[usize]) -> String {
    ids.iter().map(|&v| staged.values[v].name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Is the plan's stage one of the model's?
fn check_stage(staged: &Staged, plans: &Plans, plan: &Plan, id: StageId) -> Result<(), PackError> {
    let entry = &plan.stages()[id.index()];
    let made = listed(plans, &[entry.value]);
    let Some(stage) = staged.making(&made).map(|index| &staged.stages[index]) else {
        return Err(PackError::Cut { plan: plan.name().to_owned(), value: made });
    };
    let wrong = |what, got, needed| {
        let (plan, layer) = (plan.name().to_owned(), entry.name.clone());
        Err(PackError::Stage { plan, layer, what, got, needed })
    };
    let (got, needed) = (listed(plans, &entry.reads), wires(staged, &stage.reads));
    if got != needed {
        return wrong("reads", got, needed);
    }
    let named = entry.name == stage.name || (entry.method, &entry.name) == (Method::Whole, &made);
    if !named {
        return wrong("makes its value by layer", entry.name.clone(), stage.name.clone());
    }
    let family = entry.method.facts().family;
    if let Some(layer) = stage.layer().filter(|l| !family.contains(l)) {
        let methods = method::names(Method::all_for(layer).chain([Method::Whole]));
        return wrong("splits by", entry.method.to_string(), methods);
    }
    let (dtype, sharding) = (staged.values[stage.value].dtype, plan.stage_sharding(id));
    if dtype != DType::F32 && sharding.is_coded() {
        let (layer, code) = (entry.name.clone(), sharding.code.name().to_owned());
        return Err(PackError::Coded { layer, code, dtype });
    }
    check_columns(sharding, stage).or_else(|(got, needed)| wrong("has columns", got, needed))?;
    check_parts(staged, stage, plan, id)
}

/// Do terms cover all columns? How many there are only the model knows.
fn check_columns(sharding: &Sharding, stage: &ModelStage) -> Result<(), (String, String)> {
    let division = &sharding.division;
    let (Some(layer), Merge::Add) = (stage.layer(), division.merge()) else { return Ok(()) };
    let ends = (0..division.shards()).flat_map(|shard| division.ranges(shard)).map(|r| r.end);
    let got = ends.max().unwrap_or(0);
    if got != layer.columns { Err((got.to_string(), layer.columns.to_string())) } else { Ok(()) }
}

/// Are the plan's parts what the tasks read?
fn check_parts(
    staged: &Staged,
    stage: &ModelStage,
    plan: &Plan,
    id: StageId,
) -> Result<(), PackError> {
    let entry = &plan.stages()[id.index()];
    let count = stage.reads.len();
    for (index, got) in entry.parts.iter().enumerate() {
        let (data, read) = (index / count, stage.reads[index % count]);
        let needed = staged.need(stage, &plan.stage_sharding(id).part(data), read);
        let needed = needed.unwrap_or_else(|| whole(&staged.values[read].shape));
        if *got != needed {
            let (got, needed) = (format!("{got:?}"), format!("{needed:?}"));
            let (plan, layer) = (plan.name().to_owned(), entry.name.clone());
            return Err(PackError::Part { plan, layer, data, got, needed });
        }
    }
    Ok(())
}
