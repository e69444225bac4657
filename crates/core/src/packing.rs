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

use quorate_model::method::Method;
use quorate_model::pack::{Layout, PackError as LayoutError, TaskSpec, Work, lay_out};
use quorate_model::shard::Part;
use quorate_model::stage::Staged;
use quorate_model::tensor::DType;
use sha2::{Digest, Sha256};

use crate::id::{DeviceId, SeatId, StageId};
use crate::plan::{Division, Plan, Plans, Stage, rule};
use crate::region::whole;

/// Name of the weights in a device's folder.
pub const WEIGHTS_FILE: &str = "weights.bin";
/// Name of the plan in a device's folder.
pub const PLAN_FILE: &str = "plan.toml";
/// Name of the fingerprints in a device's folder.
pub const PACKED_FILE: &str = "packed.toml";
/// Folder of the gateway.
pub const GATEWAY_FOLDER: &str = "gateway";
/// Line of the fingerprints that says for whom they are.
const FOLDER_KEY: &str = "folder";
/// File stem of the last glue.
pub const OUTPUT_TASK: &str = "output";

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

/// File stem of a task, the same for equal tasks of several plans: the stage's
/// name, the number of the value that it makes, and the part.
pub fn task_stem(plan: &Plan, stage: StageId, shard: usize) -> String {
    let Stage { name, value, .. } = &plan.stages[stage.index()];
    let layer = format!("{}.{}", file_name(name), value.0);
    let code = plan.stage_sharding(stage).code.name();
    let hash = |terms: String| -> String {
        Sha256::digest(terms.as_bytes())[..4].iter().map(|b| format!("{b:02x}")).collect()
    };
    let stem = match part(plan, stage, shard) {
        Part::Whole => format!("{layer}.whole"),
        Part::Data { rows } => format!("{layer}.rows-{}-{}", rows.start, rows.end),
        Part::Parity { terms } => format!("{layer}.{code}-{}", hash(format!("{terms:?}"))),
        Part::Tile { tile } => {
            let ranges: Vec<String> =
                tile.iter().map(|r| format!("{}-{}", r.start, r.end)).collect();
            format!("{layer}.tile-{}", ranges.join("x"))
        }
        Part::TileParity { terms } => {
            format!("{layer}.tiles-{code}-{}", hash(format!("{terms:?}")))
        }
        Part::Term { columns } => format!("{layer}.columns-{}-{}", columns.start, columns.end),
    };
    // The same part is another task where it is given only what it reads.
    if plan.part_read(stage, shard).is_some() { stem + ".cut" } else { stem }
}

/// A layer's name with nothing in it that a file name may not have.
fn file_name(layer: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if layer.len() <= 80 && !layer.is_empty() && layer.chars().all(plain) {
        return layer.to_owned();
    }
    let short: String = layer.chars().filter(|c| plain(*c)).take(40).collect();
    let hash: String =
        Sha256::digest(layer.as_bytes())[..4].iter().map(|b| format!("{b:02x}")).collect();
    format!("{short}-{hash}")
}

/// Which part of its stage a shard's task computes.
pub fn part(plan: &Plan, stage: StageId, shard: usize) -> Part {
    let sharding = plan.stage_sharding(stage);
    let data = sharding.data_of(shard);
    match (&sharding.division, data) {
        (Division::Whole, _) => Part::Whole,
        (Division::Rows(rows), Some(data)) => Part::Data { rows: rows[data].clone() },
        (Division::Rows(rows), None) => Part::Parity { terms: terms(plan, stage, shard, rows) },
        (Division::Tiles(tiles), Some(data)) => Part::Tile { tile: tiles.boxes[data].clone() },
        (Division::Tiles(tiles), None) => {
            Part::TileParity { terms: terms(plan, stage, shard, &tiles.boxes) }
        }
        (Division::Terms(columns), data) => {
            // The reader of plans lets only copies of terms through.
            Part::Term { columns: columns[data.unwrap_or(0)].clone() }
        }
    }
}

/// The parts of a parity shard with the generator's coefficients.
fn terms<T: Clone>(plan: &Plan, stage: StageId, shard: usize, parts: &[T]) -> Vec<(f64, T)> {
    let sharding = plan.stage_sharding(stage);
    let row = sharding.code.generator_row(shard - sharding.code.data_shards());
    let terms = row.iter().copied().zip(parts.iter().cloned());
    terms.filter(|(coefficient, _)| *coefficient != 0.0).collect()
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
    for (device, name) in (0..).map(DeviceId).zip(&plans.devices) {
        folders.push((name.clone(), device_tasks(staged, plans, device)));
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
    for plan in &plans.plans {
        for seat in plans.possible_seats(plan, device) {
            for (stage, shard) in plan.tasks(SeatId(seat as u8)) {
                let made = &plans.values[plan.stages[stage.index()].value.index()].name;
                let index = staged.stages.iter().position(|s| staged.values[s.value].name == *made);
                let index = index.expect("checked before");
                let cut = plan.part_read(stage, shard).is_some();
                let work = Work::Stage { stage: index, part: part(plan, stage, shard), cut };
                tasks.insert(task_stem(plan, stage, shard), work);
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
        for (name, print) in &self.fingerprints {
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
    if plans.model_sha256 != model_sha256 {
        let (plan, model) = (plans.model_sha256.clone(), model_sha256.to_owned());
        return Err(PackError::Model { plan, model });
    }
    for value in rule::values(staged) {
        let Some(id) = plans.value(&value.name) else {
            return Err(PackError::MissingValue { name: value.name });
        };
        let listed = &plans.values[id.index()];
        if *listed != value {
            let say = |v: &crate::plan::Value| format!("{} {:?} axis {}", v.dtype, v.shape, v.axis);
            let (plan, model) = (say(listed), say(&value));
            return Err(PackError::Value { name: value.name, plan, model });
        }
    }
    // Requests give inputs in this order.
    let listed = plans.values.iter().map(|value| value.name.as_str());
    let inputs: Vec<&str> = staged.model.graph.inputs.iter().map(String::as_str).collect();
    let got: Vec<&str> = listed.filter(|name| inputs.contains(name)).collect();
    if got != inputs {
        let (got, needed) = (got.join(", "), inputs.join(", "));
        return Err(PackError::Inputs { got, needed });
    }
    plans.plans.iter().try_for_each(|plan| check_plan(staged, plans, plan))
}

fn check_plan(staged: &Staged, plans: &Plans, plan: &Plan) -> Result<(), PackError> {
    let names = |ids: &[crate::id::ValueId]| {
        ids.iter().map(|v| plans.values[v.index()].name.as_str()).collect::<Vec<_>>().join(", ")
    };
    let wires = |ids: &[usize]| {
        ids.iter().map(|&v| staged.values[v].name.as_str()).collect::<Vec<_>>().join(", ")
    };
    for (entry, id) in plan.stages.iter().zip(0..) {
        let made = names(&[entry.value]);
        let stage = staged.stages.iter().find(|s| staged.values[s.value].name == made);
        let Some(stage) = stage else {
            let (plan, value) = (plan.name.clone(), made);
            return Err(PackError::Cut { plan, value });
        };
        let wrong = |what, got, needed| PackError::Stage {
            plan: plan.name.clone(),
            layer: entry.name.clone(),
            what,
            got,
            needed,
        };
        let (got, needed) = (names(&entry.reads), wires(&stage.reads));
        if got != needed {
            return Err(wrong("reads", got, needed));
        }
        let named =
            entry.name == stage.name || (entry.method, &entry.name) == (Method::Whole, &made);
        if !named {
            return Err(wrong("makes its value by layer", entry.name.clone(), stage.name.clone()));
        }
        if let Some(layer) = stage.layer.as_ref().filter(|l| !entry.method.is_for(l.kind)) {
            let methods = layer.splits().into_iter().map(|split| split.method);
            let methods: Vec<String> =
                methods.chain([Method::Whole]).map(|method| method.to_string()).collect();
            return Err(wrong("splits by", entry.method.to_string(), methods.join(", ")));
        }
        let (dtype, sharding) =
            (staged.values[stage.value].dtype, plan.stage_sharding(StageId(id)));
        if dtype != DType::F32 && sharding.code.parity_shards() > 0 && !sharding.is_replicated() {
            let (layer, code) = (entry.name.clone(), sharding.code.name().to_owned());
            return Err(PackError::Coded { layer, code, dtype });
        }
        if let (Division::Terms(columns), Some(layer)) = (&sharding.division, &stage.layer) {
            let got = columns.last().map_or(0, |last| last.end);
            if got != layer.columns {
                return Err(wrong("has columns", got.to_string(), layer.columns.to_string()));
            }
        }
        for (data, got) in entry.parts.iter().enumerate() {
            let shape = &staged.values[stage.reads[0]].shape;
            let needed = staged.need(stage, &part(plan, StageId(id), data));
            let needed = needed.unwrap_or_else(|| whole(shape));
            if *got != needed {
                let (got, needed) = (format!("{got:?}"), format!("{needed:?}"));
                let (plan, layer) = (plan.name.clone(), entry.name.clone());
                return Err(PackError::Part { plan, layer, data, got, needed });
            }
        }
    }
    let (got, needed) = (names(&plan.result), wires(&staged.output.reads));
    if got != needed {
        return Err(PackError::Result { plan: plan.name.clone(), got, needed });
    }
    Ok(())
}
