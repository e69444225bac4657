//! How long tasks take on the machine that packed them, and from that how long
//! they take on a device with a profile.
//!
//! A profile knows what *whole* stages take. What a shard of one takes follows
//! by measurement: the same engine runs both on one machine, and the ratio is
//! the shard's share. So whatever dividing a stage loses (glue that every
//! device computes, windows that overlap, narrow matrix products) is in it.
//!
//! *Invariant:* no time here comes from the operations of a task.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_model::work::{Work, WorkKind};
use serde::{Deserialize, Serialize};

use crate::cluster::Profile;

/// Name of the file in a bundle's folders.
pub const TIMING_FILE: &str = "timing.toml";

/// What tasks and whole stages take on one machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// What ran them.
    pub engine: String,
    /// By name.
    pub stages: BTreeMap<String, WholeStage>,
    /// By file stem.
    pub tasks: BTreeMap<String, TaskTiming>,
}

/// A stage that one device computes whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WholeStage {
    /// What it took, in microseconds.
    pub whole_us: f64,
    /// What it asks of a device, node by node.
    work: Vec<Entry>,
}

/// A task file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskTiming {
    /// Its stage.
    pub stage: String,
    /// What it took, in microseconds.
    pub task_us: f64,
}

/// A node's work in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: Kind,
    #[serde(default)]
    macs: u64,
    #[serde(default)]
    weight_bytes: u64,
    #[serde(default)]
    moved_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Winograd,
    Conv,
    Depthwise,
    Product,
    Moving,
    Fused,
}

/// Why a timing file cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TimingError {
    /// It is not the TOML that it should be.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A time that is none.
    #[error("{what} takes {got} us, must be positive")]
    Time {
        /// A task or a stage.
        what: String,
        /// What the file says.
        got: f64,
    },
    /// A task of a stage that is not there.
    #[error("task {task} is of stage {stage}, which has no time")]
    Stage {
        /// The task.
        task: String,
        /// The stage.
        stage: String,
    },
}

impl WholeStage {
    /// A stage that took `whole_us` microseconds.
    pub fn new(whole_us: f64, work: &[Work]) -> WholeStage {
        WholeStage { whole_us, work: work.iter().map(Entry::of).collect() }
    }

    /// What it takes on a device.
    pub fn time_on(&self, profile: &Profile) -> Duration {
        let work: Vec<Work> = self.work.iter().map(Entry::work).collect();
        profile.time(&work)
    }
}

impl Timing {
    /// Reads a timing file.
    pub fn parse(text: &str) -> Result<Timing, TimingError> {
        let timing: Timing = toml::from_str(text)?;
        let stages = timing.stages.iter().map(|(name, stage)| (name, stage.whole_us));
        let tasks = timing.tasks.iter().map(|(name, task)| (name, task.task_us));
        for (name, us) in stages.chain(tasks) {
            if !(us > 0.0 && us.is_finite()) {
                return Err(TimingError::Time { what: name.clone(), got: us });
            }
        }
        for (task, of) in &timing.tasks {
            if !timing.stages.contains_key(&of.stage) {
                return Err(TimingError::Stage { task: task.clone(), stage: of.stage.clone() });
            }
        }
        Ok(timing)
    }

    /// The text of a timing file.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// What the task file `stem` takes on a device: what its whole stage takes
    /// there, by the share of it that the task was measured to be. `None` for
    /// a task that was not measured.
    pub fn task_time(&self, stem: &str, profile: &Profile) -> Option<Duration> {
        let task = self.tasks.get(stem)?;
        let stage = self.stages.get(&task.stage)?;
        let seconds = stage.time_on(profile).as_secs_f64() * task.task_us / stage.whole_us;
        Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }
}

impl Entry {
    fn of(work: &Work) -> Entry {
        let kind = match work.kind {
            WorkKind::Winograd => Kind::Winograd,
            WorkKind::Conv => Kind::Conv,
            WorkKind::Depthwise => Kind::Depthwise,
            WorkKind::Product => Kind::Product,
            WorkKind::Moving => Kind::Moving,
            WorkKind::Fused => Kind::Fused,
        };
        let Work { macs, weight_bytes, moved_bytes, .. } = *work;
        Entry { kind, macs, weight_bytes, moved_bytes }
    }

    fn work(&self) -> Work {
        let kind = match self.kind {
            Kind::Winograd => WorkKind::Winograd,
            Kind::Conv => WorkKind::Conv,
            Kind::Depthwise => WorkKind::Depthwise,
            Kind::Product => WorkKind::Product,
            Kind::Moving => WorkKind::Moving,
            Kind::Fused => WorkKind::Fused,
        };
        let Entry { macs, weight_bytes, moved_bytes, .. } = *self;
        Work { kind, macs, weight_bytes, moved_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing() -> Timing {
        let product =
            Work { kind: WorkKind::Product, macs: 9_200_000, weight_bytes: 4, moved_bytes: 0 };
        let task = |stage: &str, task_us| TaskTiming { stage: stage.to_owned(), task_us };
        Timing {
            engine: "tract".to_owned(),
            stages: [("fc".to_owned(), WholeStage::new(400.0, &[product]))].into(),
            tasks: [("a".to_owned(), task("fc", 100.0)), ("b".to_owned(), task("fc", 500.0))]
                .into(),
        }
    }

    #[test]
    fn a_task_takes_its_measured_share() {
        let profile =
            Profile::parse(include_str!("../../../profiles/pi-4.toml")).expect("a profile");
        let read = Timing::parse(&timing().to_toml().unwrap()).unwrap();
        assert_eq!(read, timing());
        // 1 ms, and 20 us for the node.
        let us = |stem| read.task_time(stem, &profile).map(|time| time.as_secs_f64() * 1e6);
        assert!((us("a").unwrap() - 255.0).abs() < 1e-3, "{:?}", us("a"));
        assert!((us("b").unwrap() - 1275.0).abs() < 1e-3, "what is lost counts: {:?}", us("b"));
        assert_eq!(us("c"), None);
    }

    #[test]
    fn mistakes_are_named() {
        let said = |text: &str| Timing::parse(text).unwrap_err().to_string();
        let text = timing().to_toml().unwrap();
        let none = text.replace("task_us = 100.0", "task_us = 0.0");
        assert_eq!(said(&none), "a takes 0 us, must be positive");
        let other = text.replacen("stage = \"fc\"", "stage = \"conv\"", 1);
        assert_eq!(said(&other), "task a is of stage conv, which has no time");
        assert!(said("engine = 1").contains("engine"));
    }
}
