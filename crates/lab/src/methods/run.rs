//! Carries out a trial: plans, packs, and rehearses with every loss.

use anyhow::{Context, bail, ensure};
use quorate::bundle;
use quorate::rehearsal::Rehearsal;
use quorate_code::Patterns;
use quorate_core::id::{DeviceId, DeviceSet, StageId};
use quorate_core::plan::Plan;
use quorate_core::planner;
use quorate_model::division::Codable;
use quorate_model::division::method::Method;
use quorate_model::stage::{Cut, Recurrent, Stage, Staged};

use super::row::Row;
use super::subject::{DATA_DEVICES, Subject};
use super::trial::Trial;
use super::trial_kind::TrialKind;
use super::way::Way;
use crate::engine::engine;

/// What of a plan a trial speaks of.
struct Divided {
    /// Layers, or recurrent cells, that are divided so.
    count: usize,
    /// All of the kind.
    of: usize,
    /// The stages that are divided so.
    stages: Vec<usize>,
}

impl Trial {
    /// Plans, packs and rehearses.
    pub fn run(&self, subject: &Subject) -> anyhow::Result<Row> {
        let recurrent = if self.way == Way::ByStep { Recurrent::Step } else { Recurrent::Whole };
        let cut = Cut { recurrent, ..Cut::default() };
        let staged = Staged::cut(subject.file.staged.model.clone(), &cut)?;
        let plans = planner::even(&staged, &subject.request(self.methods(), self.spares)?)?;
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
            trial: *self,
            divided: format!("{} of {} {what}", divided.count, divided.of),
            code,
            cases: finding.cases,
            error: finding.error,
            worst: finding.worst,
        })
    }

    /// What of `plan` is divided as this trial says.
    fn divided(&self, staged: &Staged, plan: &Plan) -> anyhow::Result<Divided> {
        let cells = &staged.model.graph.cells;
        let is_step = |stage: &Stage| {
            let node = stage.layer().map(|layer| &staged.model.graph.nodes[layer.node].name);
            node.is_some_and(|node| cells.iter().any(|cell| cell.steps.contains(node)))
        };
        let makes = |stage: &Stage, output: &String| staged.values[stage.value].name == *output;
        let here = |stage: &Stage| match self.way {
            Way::Method(_) => stage.layer().is_some_and(|layer| self.kind.is(layer)),
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
            all.clone().filter(|&stage| plan.stages()[stage].method == method).collect();
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

    /// Convolutions that are no layers but glue: those in groups of one channel.
    fn glue(&self, staged: &Staged) -> usize {
        let graph = &staged.model.graph;
        let dims = |node: usize| {
            let output = graph.nodes[node].outputs.first().and_then(|name| graph.types.get(name));
            output.map_or(0, |output| output.shape.len().saturating_sub(2))
        };
        let convs = staged.unsplit.iter().filter(|unsplit| unsplit.op == "Conv");
        convs.filter(|conv| self.kind == TrialKind::Conv { dims: dims(conv.node) }).count()
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
                bail!("{} is not covered: {:?}", plan.stages()[stage].name, sharding.division)
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
