//! A system of the paper's kind: stages one after the other, each with devices
//! of its own, some of them split over several; and devices beyond those,
//! which protect it.
//!
//! ```text
//! system           a | b | c d | e        fc6 is split over c and d
//! replication      a'  b'  c'd'  e'       every device twice
//! hybrid           a'  b'   p    e'       parity of c and d, the others twice
//! one spare        s                      parity of c and d, and a copy of a, b and e
//! ```
//!
//! What it makes are plan files, read and checked like any other.

mod plan_file;
mod spec;

use std::path::Path;

use anyhow::{Context, bail, ensure};
use quorate::bundle::ModelFile;
use quorate_core::id::DeviceSet;
use quorate_core::plan::Plans;
use quorate_model::division::method::Method;
use quorate_model::stage::{Stage, Staged};

use plan_file::{PlanEntry, PlanFile, StageEntry, ValueEntry};
pub use spec::SystemSpec;

use crate::zoo::{self, Size};

/// First port of the addresses in plans.
const FIRST_PORT: usize = 7001;

/// Stages of a system of which all choices are tried.
const STAGES_MAX: usize = 16;

/// How devices beyond those that do the work protect them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// There are none.
    None,
    /// Each device has so many others that do the same: N-modular redundancy
    /// with N one more.
    Replication(usize),
    /// So many parity devices a split stage, and so many copies of each whole
    /// one: the paper's CDC + 2MR for one.
    Hybrid(usize),
    /// So many devices, each with a parity of every split stage and a copy of
    /// every whole one.
    Spare(usize),
}

/// A model over devices that have a stage, or a part of one, each.
pub struct System {
    /// The model, cut into the system's stages.
    pub model: ModelFile,
    /// Devices a stage.
    widths: Vec<usize>,
}

/// Who does what beyond the work itself, by stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Extra {
    parity: Vec<usize>,
    replicas: Vec<usize>,
}

impl Extra {
    fn devices(&self) -> usize {
        self.parity.len() + self.replicas.len()
    }
}

impl System {
    /// The system of a spec, with weights that `seed` decides, every stage
    /// whole.
    pub fn of(spec: &SystemSpec, size: Size, seed: u64) -> anyhow::Result<System> {
        let bytes = zoo::find(&spec.model)?.net(size).to_bytes(seed);
        let model = ModelFile::new(format!("{}.onnx", spec.model), bytes.into(), Path::new("."))?;
        System::new(model, &spec.wires)
    }

    /// `model` cut at these values, every stage whole.
    pub fn new(mut model: ModelFile, wires: &[String]) -> anyhow::Result<System> {
        model.staged = Staged::at(model.staged.model, wires)?;
        let widths = vec![1; model.staged.stages.len()];
        Ok(System { model, widths })
    }

    /// The same with the layer `name` split over so many devices.
    pub fn split(mut self, name: &str, devices: usize) -> anyhow::Result<System> {
        let mut stages = self.model.staged.stages.iter();
        let at = stages.position(|stage| stage.name == name);
        let at = at.with_context(|| format!("no stage {name} to split"))?;
        let layer = self.model.staged.stages[at].layer();
        let rows = layer.with_context(|| format!("{name} ends in no layer"))?.rows;
        let fits = (1..=rows).contains(&devices);
        ensure!(fits, "{name} over {devices} devices, needs 1 to {rows}");
        self.widths[at] = devices;
        Ok(self)
    }

    /// Devices that do the work, without those that protect it.
    pub fn devices(&self) -> usize {
        self.widths.iter().sum()
    }

    /// The plan with all of a protection; `None` where it needs more devices
    /// than a plan may have.
    pub fn plans(&self, protection: Protection) -> anyhow::Result<Option<Plans>> {
        let extra = match protection {
            Protection::None => vec![Extra::default(); self.widths.len()],
            Protection::Replication(copies) => self.replicated(copies),
            Protection::Hybrid(more) => self.hybrid(more),
            Protection::Spare(more) => self.spared(more),
        };
        match self.count(&extra) <= DeviceSet::MAX {
            true => self.build(&extra).map(Some),
            false => Ok(None),
        }
    }

    /// The plan with so many devices beyond those that do the work, spent on
    /// whole stages' worth of protection from the loss of one device, so that
    /// they protect as many devices as can be. `None` where so many cannot be
    /// spent in this way.
    pub fn partial(&self, protection: Protection, count: usize) -> anyhow::Result<Option<Plans>> {
        let all = match protection {
            Protection::Replication(1) => self.replicated(1),
            Protection::Hybrid(1) => self.hybrid(1),
            other => bail!("{other:?} has no parts"),
        };
        ensure!(all.len() <= STAGES_MAX, "{} stages, at most {STAGES_MAX} are tried", all.len());
        let in_set = |set: usize| (0..all.len()).filter(move |stage| set >> stage & 1 == 1);
        let spent = |set: usize| in_set(set).map(|stage| all[stage].devices()).sum::<usize>();
        let protected = |set: &usize| in_set(*set).map(|stage| self.widths[stage]).sum::<usize>();
        let sets = (0..1 << all.len()).filter(|&set| spent(set) == count);
        let Some(best) = sets.max_by_key(protected) else { return Ok(None) };
        let (mut extra, mut next) = (vec![Extra::default(); all.len()], self.devices());
        for stage in in_set(best) {
            let from = |first: usize, old: &[usize]| (first..first + old.len()).collect();
            extra[stage].parity = from(next, &all[stage].parity);
            extra[stage].replicas = from(next, &all[stage].replicas);
            next += all[stage].devices();
        }
        self.build(&extra).map(Some)
    }

    /// Copies of every shard, each on a device of its own.
    fn replicated(&self, copies: usize) -> Vec<Extra> {
        let mut next = self.devices();
        let mut take = |count: usize| {
            next += count;
            (next - count..next).collect()
        };
        let extra = self.widths.iter().map(|width| take(width * copies));
        extra.map(|replicas| Extra { replicas, ..Extra::default() }).collect()
    }

    /// Parity of split stages, copies of whole ones, each on a device of its
    /// own.
    fn hybrid(&self, more: usize) -> Vec<Extra> {
        let first = self.devices();
        let devices = (0..self.widths.len()).map(|stage| first + stage * more);
        let devices = devices.map(|first| (first..first + more).collect());
        self.protected(devices)
    }

    /// The same devices for all stages.
    fn spared(&self, more: usize) -> Vec<Extra> {
        let spares = self.devices()..self.devices() + more;
        self.protected(self.widths.iter().map(|_| spares.clone().collect()))
    }

    fn protected(&self, devices: impl Iterator<Item = Vec<usize>>) -> Vec<Extra> {
        let extra = |(devices, width): (Vec<usize>, &usize)| match width {
            1 => Extra { replicas: devices, ..Extra::default() },
            _ => Extra { parity: devices, ..Extra::default() },
        };
        devices.zip(&self.widths).map(extra).collect()
    }

    /// Devices in all.
    fn count(&self, extra: &[Extra]) -> usize {
        let beyond = extra.iter().flat_map(|extra| extra.parity.iter().chain(&extra.replicas));
        beyond.max().map_or(self.devices(), |last| last + 1)
    }

    fn build(&self, extra: &[Extra]) -> anyhow::Result<Plans> {
        let count = self.count(extra);
        let name = |device: &usize| format!("d{}", device + 1);
        let staged = &self.model.staged;
        let mut first = 0;
        let mut stages = Vec::new();
        for ((stage, &width), extra) in staged.stages.iter().zip(&self.widths).zip(extra) {
            let data: Vec<usize> = (first..first + width).collect();
            first += width;
            stages.push(stage_entry(staged, stage, &data, extra, &name)?);
        }
        let address = |device: usize| format!("127.0.0.1:{}", FIRST_PORT + device);
        let file = PlanFile {
            format: 2,
            model: &self.model.name,
            model_sha256: &self.model.sha256,
            wait: "auto",
            tolerance: 1e-4,
            devices: (0..count).map(|device| name(&device)).collect(),
            hosts: (0..count).map(|device| (name(&device), address(device))).collect(),
            value: staged.values.iter().map(ValueEntry::new).collect(),
            plan: vec![PlanEntry {
                name: "main",
                result: staged.output.reads.iter().map(|&v| name_of(staged, v)).collect(),
                stage: stages,
            }],
        };
        Ok(Plans::parse(&toml::to_string(&file)?)?)
    }
}

fn name_of(staged: &Staged, value: usize) -> &str {
    &staged.values[value].name
}

fn stage_entry<'a>(
    staged: &'a Staged,
    stage: &'a Stage,
    data: &[usize],
    extra: &Extra,
    name: &impl Fn(&usize) -> String,
) -> anyhow::Result<StageEntry<'a>> {
    let value = name_of(staged, stage.value);
    let (method, rows) = match (data.len(), stage.layer()) {
        (1, _) => (Method::Whole, None),
        (width, Some(layer)) => {
            let even = |shard: usize| layer.rows * (shard + 1) / width - layer.rows * shard / width;
            (Method::default_for(layer), Some((0..width).map(even).collect()))
        }
        (_, None) => bail!("{} ends in no layer", stage.name),
    };
    let code = match (extra.parity.len(), extra.replicas.len()) {
        (0, 0) => "none",
        (0, _) => "replication",
        (1, _) => "sum",
        _ => "mds",
    };
    let names = |devices: &[usize]| devices.iter().map(name).collect();
    Ok(StageEntry {
        layer: (method != Method::Whole || stage.name != value).then_some(&stage.name),
        method: method.to_string(),
        reads: stage.reads.iter().map(|&read| name_of(staged, read)).collect(),
        value,
        rows,
        code,
        data: names(data),
        parity: names(&extra.parity),
        replicas: names(&extra.replicas),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three whole stages and fc6 over `devices`.
    fn system(devices: usize) -> anyhow::Result<System> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let spec = SystemSpec {
            title: "AlexNet".to_owned(),
            model: "alexnet".to_owned(),
            wires: names(&["conv2.relu.pool", "conv5.relu.pool", "fc6", "fc8"]),
            split: names(&["fc6"]),
        };
        System::of(&spec, Size::Small, 1)?.split("fc6", devices)
    }

    #[test]
    fn every_protection_tolerates_what_it_says() {
        let system = system(4).unwrap();
        assert_eq!(system.devices(), 7);
        for more in 1..=3 {
            let cases = [
                (Protection::Replication(more), 7 * (more + 1)),
                (Protection::Hybrid(more), 7 + 4 * more),
                (Protection::Spare(more), 7 + more),
            ];
            for (protection, devices) in cases {
                let plans = system.plans(protection).unwrap().unwrap();
                assert_eq!(plans.cluster().devices().len(), devices, "{protection:?}");
                assert_eq!(plans.main().tolerance(), more, "{protection:?}");
            }
        }
        let none = system.plans(Protection::None).unwrap().unwrap();
        assert_eq!((none.cluster().devices().len(), none.main().tolerance()), (7, 0));
        assert!(system.plans(Protection::Replication(9)).unwrap().is_none(), "70 devices");
    }

    #[test]
    fn parts_of_a_protection_protect_as_many_as_can_be() {
        let system = system(3).unwrap();
        let covered = |protection, count| {
            let plans = system.partial(protection, count).unwrap()?;
            let uncovered = plans.main().uncovered(plans.everybody()).len();
            Some(plans.cluster().devices().len() - uncovered)
        };
        // Of six that work, one more covers itself and another, or fc6's three.
        let cases = [
            (Protection::Replication(1), [Some(0), Some(2), Some(4), Some(6), Some(8)]),
            (Protection::Hybrid(1), [Some(0), Some(4), Some(6), Some(8), Some(10)]),
        ];
        for (protection, expected) in cases {
            let found = [0, 1, 2, 3, 4].map(|count| covered(protection, count));
            assert_eq!(found, expected, "{protection:?}");
        }
        assert_eq!(covered(Protection::Hybrid(1), 5), None, "four are all that it takes");
    }

    #[test]
    fn what_cannot_be_split_is_refused() {
        let said = |devices| system(devices).err().unwrap().to_string();
        assert_eq!(said(0), "fc6 over 0 devices, needs 1 to 512");
        assert_eq!(said(513), "fc6 over 513 devices, needs 1 to 512");
        let whole = system(2).unwrap().split("conv2.relu.pool", 2).err().unwrap();
        assert!(whole.to_string().contains("ends in no layer"), "{whole}");
    }
}
