//! The tasks of a bundle, to be run on trial.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use quorate_core::id::{SeatId, StageId};
use quorate_core::plan::{Plan, Plans};
use quorate_engine::Task;
use quorate_model::division::Codable;
use quorate_model::stage::{Stage, Staged};
use quorate_model::tensor::{DType, Tensor, byte_len};

use crate::input::seeded;

/// A task to be run, and those for which its time counts too.
pub(super) struct Subject<'a> {
    pub(super) stage: &'a Stage,
    pub(super) path: PathBuf,
    pub(super) stems: Vec<String>,
}

/// What tells tasks apart whose times may differ: the value, and either the
/// work of a part by rows or the file.
type Kind = (u16, u64, u64, String);

/// Every task of the bundle, those that differ in their weights alone once.
pub(super) fn subjects<'a>(
    staged: &'a Staged,
    plans: &Plans,
    bundle: &Path,
) -> anyhow::Result<Vec<Subject<'a>>> {
    let mut found: BTreeMap<Kind, Subject<'a>> = BTreeMap::new();
    for plan in plans.all() {
        for (stage, shard) in (0..plan.seats()).flat_map(|seat| plan.tasks(SeatId(seat as u8))) {
            let stem = plan.task_stem(stage, shard);
            let value = &plans.values()[plan.stages()[stage.index()].value.index()].name;
            let of = staged.making(value).with_context(|| format!("no stage makes {value}"))?;
            let of = &staged.stages[of];
            let kind = kind(plan, stage, shard, of, &stem);
            let subject = match found.get_mut(&kind) {
                Some(subject) => subject,
                None => {
                    let path = file(plans, bundle, &stem)?;
                    let subject = Subject { stage: of, path, stems: Vec::new() };
                    found.entry(kind).or_insert(subject)
                }
            };
            if !subject.stems.contains(&stem) {
                subject.stems.push(stem);
            }
        }
    }
    Ok(found.into_values().collect())
}

fn kind(plan: &Plan, id: StageId, shard: usize, stage: &Stage, stem: &str) -> Kind {
    let value = plan.stages()[id.index()].value;
    let sharding = plan.stage_sharding(id);
    let by_rows = sharding.division.codable() == Codable::Offline;
    match stage.layer() {
        Some(layer) if by_rows => {
            let part = sharding.part(shard);
            (value.0, part.flops(layer), part.weight_bytes(layer), String::new())
        }
        _ => (value.0, 0, 0, stem.to_owned()),
    }
}

/// A device's copy of a task file.
fn file(plans: &Plans, bundle: &Path, stem: &str) -> anyhow::Result<PathBuf> {
    let folders = plans.cluster().devices().iter().map(|device| bundle.join(&device.name));
    let mut files = folders.map(|folder| folder.join(format!("{stem}.onnx")));
    files.find(|file| file.is_file()).with_context(|| format!("no device has {stem}.onnx"))
}

/// Something that the task takes.
pub(super) fn inputs(task: &dyn Task) -> anyhow::Result<Vec<Tensor>> {
    let ports = task.inputs().iter();
    let tensor = |port: &quorate_engine::Port| -> anyhow::Result<Tensor> {
        if port.dtype == DType::F32 {
            let made = seeded(&port.shape, 1, 1)?.pop();
            return made.context("one tensor");
        }
        let bytes = byte_len(port.dtype, &port.shape);
        let bytes = bytes.filter(|bytes| *bytes <= BYTES_MAX);
        ensure!(bytes.is_some(), "input {} is larger than {BYTES_MAX} bytes", port.name);
        let zeros = vec![0; bytes.unwrap_or(0)];
        Ok(Tensor::new(port.dtype, port.shape.clone(), zeros.into())?)
    };
    ports.map(tensor).collect()
}

/// Largest input that is made.
const BYTES_MAX: usize = 1 << 30;
