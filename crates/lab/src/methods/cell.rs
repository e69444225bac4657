//! A cell of the table: one way to divide the layers of one kind.

use std::fmt;

use anyhow::{Context, bail, ensure};
use quorate::bundle;
use quorate::rehearsal::Rehearsal;
use quorate_code::Patterns;
use quorate_core::id::{DeviceId, DeviceSet, StageId};
use quorate_core::plan::Plan;
use quorate_core::planner::{self, MethodRequest, PlanRequest};
use quorate_model::division::Codable;
use quorate_model::division::method::Method;
use quorate_model::layer::LayerKind;
use quorate_model::stage::{Cut, Recurrent, Stage, Staged};

use super::model::{Model, Subject};
use super::table::Row;
use crate::engine::engine;

/// Devices that hold data in every cell.
pub const DATA_DEVICES: usize = 4;

/// What a model has layers of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Convolutions over so many dimensions.
    Conv {
        /// 1, 2 or 3 mostly.
        dims: usize,
    },
    /// Fully connected layers.
    Fc,
    /// LSTM, GRU or RNN.
    Recurrent,
}

/// How layers of a kind are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By a method of the paper's table 1, or not at all.
    Method(Method),
    /// A recurrent cell's steps are one stage, for a device and its replicas.
    CellWhole,
    /// The product of each step is divided by output.
    ByStep,
}

/// One way to divide the layers of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// The model.
    pub model: &'static Model,
    /// The kind of layer.
    pub kind: Kind,
    /// The way.
    pub way: Way,
    /// Devices beyond [`DATA_DEVICES`].
    pub spares: usize,
}

/// What of a plan a cell speaks of.
struct Divided {
    /// Layers, or recurrent cells, that are divided so.
    count: usize,
    /// All of the kind.
    of: usize,
    /// The stages that are divided so.
    stages: Vec<usize>,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Conv { dims } => write!(f, "conv {dims}-D"),
            Kind::Fc => f.write_str("fc"),
            Kind::Recurrent => f.write_str("recurrent"),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Way::Method(method) => method.fmt(f),
            Way::CellWhole => f.write_str("cell whole"),
            Way::ByStep => f.write_str("by step"),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.model.name, self.kind, self.way, self.devices())
    }
}

impl Kind {
    /// What `staged` has layers of: convolutions by their dimensions, then the
    /// others.
    pub fn all_of(staged: &Staged) -> Vec<Kind> {
        let layers = || staged.stages.iter().filter_map(|stage| stage.layer());
        let has = |kind: &Kind| match kind {
            Kind::Recurrent => !staged.model.graph.cells.is_empty(),
            kind => layers().any(|layer| kind.is(layer.kind)),
        };
        let convs = (1..=3).map(|dims| Kind::Conv { dims });
        convs.chain([Kind::Fc, Kind::Recurrent]).filter(has).collect()
    }

    fn is(self, kind: LayerKind) -> bool {
        match kind {
            LayerKind::Fc => self == Kind::Fc,
            LayerKind::Conv { dims } => self == Kind::Conv { dims },
        }
    }

    /// The ways to divide it, with the most spares that each is tried with:
    /// codes with two, replicas with one.
    fn ways(self) -> &'static [(Way, usize)] {
        match self {
            Kind::Conv { .. } => &[
                (Way::Method(Method::Channel), 2),
                (Way::Method(Method::Spatial), 2),
                (Way::Method(Method::Filter), 1),
                (Way::Method(Method::Whole), 1),
            ],
            Kind::Fc => &[
                (Way::Method(Method::Output), 2),
                (Way::Method(Method::Input), 1),
                (Way::Method(Method::Whole), 1),
            ],
            Kind::Recurrent => &[(Way::CellWhole, 1), (Way::ByStep, 2)],
        }
    }
}

impl Cell {
    /// The cells of a kind of layer.
    pub fn all(model: &'static Model, kind: Kind) -> impl Iterator<Item = Cell> {
        kind.ways().iter().flat_map(move |&(way, most)| {
            (1..=most).map(move |spares| Cell { model, kind, way, spares })
        })
    }

    /// As the table has it: `4 + 1`.
    pub fn devices(&self) -> String {
        format!("{DATA_DEVICES} + {}", self.spares)
    }

    /// The error that an answer may have: decoding two losses enlarges
    /// rounding errors.
    pub fn limit(&self) -> f64 {
        if self.spares < 2 { 1e-4 } else { 1e-3 }
    }

    /// Plans, packs and rehearses.
    pub fn run(&self, subject: &Subject) -> anyhow::Result<Row> {
        let recurrent = if self.way == Way::ByStep { Recurrent::Step } else { Recurrent::Whole };
        let cut = Cut { recurrent, ..Cut::default() };
        let staged = Staged::cut(subject.file.staged.model.clone(), &cut)?;
        let plans = planner::even(&staged, &Cell::request(subject, self.methods(), self.spares)?)?;
        let tolerance = plans.main().tolerance();
        ensure!(tolerance >= self.spares, "{tolerance} of {} devices may fail", self.devices());
        let divided = self.divided(&staged, plans.main())?;
        let code = code(plans.main(), &divided.stages)?;
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let packed = folder.path().join("bundle");
        bundle::write(&staged, &subject.file.sha256, &plans, &packed, &mut |_| ())?;
        let (inputs, answers) = (vec![subject.input.clone()], subject.answers.clone());
        let rehearsal = Rehearsal::expecting(&engine(), plans, &packed, inputs, answers);
        let finding = rehearsal.with_dead(&losses(self.spares), &mut |_| ())?;
        let what = if self.way == Way::CellWhole { "cells" } else { "layers" };
        Ok(Row {
            cell: *self,
            divided: format!("{} of {} {what}", divided.count, divided.of),
            code,
            cases: finding.cases,
            error: finding.error,
            worst: finding.worst,
        })
    }

    /// A plan for [`DATA_DEVICES`] and so many spares.
    pub(super) fn request(
        subject: &Subject,
        methods: Vec<MethodRequest>,
        spares: usize,
    ) -> anyhow::Result<PlanRequest> {
        let (file, fewest_devices) = (&subject.file, DATA_DEVICES + spares);
        let request = PlanRequest::local(&file.name, &file.sha256, DATA_DEVICES, spares)?;
        Ok(PlanRequest { fewest_devices, methods, ..request })
    }

    /// Layers of other kinds stay as they are by default.
    fn methods(&self) -> Vec<MethodRequest> {
        let methods = match (self.way, self.kind) {
            // It is for every kind; of methods that fit the last one counts.
            (Way::Method(Method::Whole), Kind::Fc) => vec![Method::Whole, Method::Channel],
            (Way::Method(Method::Whole), _) => vec![Method::Whole, Method::Output],
            (Way::Method(method), _) => vec![method],
            (Way::CellWhole | Way::ByStep, _) => Vec::new(),
        };
        methods.into_iter().map(|method| MethodRequest { layer: None, method }).collect()
    }

    /// What of `plan` is divided as this cell says.
    fn divided(&self, staged: &Staged, plan: &Plan) -> anyhow::Result<Divided> {
        let cells = &staged.model.graph.cells;
        let is_step = |stage: &Stage| {
            let node = stage.layer().map(|layer| &staged.model.graph.nodes[layer.node].name);
            node.is_some_and(|node| cells.iter().any(|cell| cell.steps.contains(node)))
        };
        let makes = |stage: &Stage, output: &String| staged.values[stage.value].name == *output;
        let here = |stage: &Stage| match self.way {
            Way::Method(_) => stage.layer().is_some_and(|layer| self.kind.is(layer.kind)),
            Way::ByStep => is_step(stage),
            Way::CellWhole => {
                cells.iter().flat_map(|cell| &cell.outputs).any(|output| makes(stage, output))
            }
        };
        let method = match self.way {
            Way::Method(method) => method,
            Way::CellWhole => Method::Whole,
            Way::ByStep => Method::Output,
        };
        let all = (0..staged.stages.len()).filter(|&stage| here(&staged.stages[stage]));
        let stages: Vec<usize> =
            all.clone().filter(|&stage| plan.stages[stage].method == method).collect();
        let (count, of) = match self.way {
            Way::Method(_) => (stages.len(), all.count() + self.glue(staged)),
            Way::ByStep => (stages.len(), cells.iter().map(|cell| cell.steps.len()).sum()),
            Way::CellWhole => {
                let made = |output| stages.iter().any(|&s| makes(&staged.stages[s], output));
                let whole = cells.iter().filter(|cell| cell.outputs.iter().all(made));
                (whole.count(), cells.len())
            }
        };
        ensure!(count > 0, "none of {of} is divided so");
        Ok(Divided { count, of, stages })
    }

    /// Convolutions that are no layers but glue: those in groups.
    fn glue(&self, staged: &Staged) -> usize {
        let graph = &staged.model.graph;
        let dims = |node: usize| {
            let output = graph.nodes[node].outputs.first().and_then(|name| graph.types.get(name));
            output.map_or(0, |output| output.shape.len().saturating_sub(2))
        };
        let convs = staged.unsplit.iter().filter(|unsplit| unsplit.op == "Conv");
        convs.filter(|conv| self.kind == Kind::Conv { dims: dims(conv.node) }).count()
    }
}

/// How a lost shard of these stages is replaced, in the table's words.
fn code(plan: &Plan, stages: &[usize]) -> anyhow::Result<&'static str> {
    let word = |&stage: &usize| {
        let sharding = plan.stage_sharding(StageId(stage as u16));
        match sharding.division.codable() {
            _ if sharding.is_replicated() => Ok("replicas"),
            Codable::Offline => Ok("coded offline"),
            Codable::AtRunTime => Ok("coded at run time"),
            Codable::No => {
                bail!("{} is not covered: {:?}", plan.stages[stage].name, sharding.division)
            }
        }
    };
    let words: Vec<&str> = stages.iter().map(word).collect::<anyhow::Result<_>>()?;
    let first = *words.first().context("no stage")?;
    ensure!(words.iter().all(|word| *word == first), "stages are covered by {words:?}");
    Ok(first)
}

/// All sets of up to `most` devices, of [`DATA_DEVICES`] and as many spares.
fn losses(most: usize) -> Vec<DeviceSet> {
    let patterns = (0..=most).flat_map(|lost| Patterns::new(DATA_DEVICES + most, lost));
    patterns.map(|lost| lost.iter().map(|device| DeviceId(device as u8)).collect()).collect()
}
