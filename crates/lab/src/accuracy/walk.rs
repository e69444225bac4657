//! Many images on their way through a model, from layer to layer.
//!
//! ```text
//! nodes     | done ............ |          to do           |
//! values      made and done with  alive -> rest -> answer
//! ```
//!
//! What is alive at a place are the values that nodes behind it read. The rest
//! of the model is made of them alone, so that a value can be damaged and
//! nothing before it is computed again.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, ensure};
use quorate_engine::Task;
use quorate_model::model::{Model, to_onnx};
use quorate_model::tensor::Tensor;

use crate::engine::engine;
use crate::lanes::in_lanes;

/// Images on their way through a model.
pub(crate) struct Walk {
    model: Arc<Model>,
    /// Nodes that are done.
    done: usize,
    /// Names of the values that are alive.
    alive: Vec<String>,
    /// Those values, by image.
    values: Vec<Vec<Tensor>>,
}

/// The rest of a model behind a layer.
pub(super) struct Rest {
    /// A file that makes the answer of the values alive; `None` where the
    /// layer's value is the answer.
    file: Option<Vec<u8>>,
    /// Where the layer's value is among those alive.
    pub(super) at: usize,
}

impl Walk {
    /// Images before the first node of a model with one input and one output.
    pub(crate) fn new(
        model: Arc<Model>,
        images: impl Iterator<Item = Tensor>,
    ) -> anyhow::Result<Walk> {
        let (inputs, outputs) = (&model.graph.inputs, &model.graph.outputs);
        ensure!(
            inputs.len() == 1 && outputs.len() == 1,
            "{} inputs and {} outputs, needs one each",
            inputs.len(),
            outputs.len()
        );
        let (alive, values) = (inputs.clone(), images.map(|image| vec![image]).collect());
        Ok(Walk { model, done: 0, alive, values })
    }

    /// How many images there are.
    pub(super) fn images(&self) -> usize {
        self.values.len()
    }

    /// The values that are alive of an image.
    pub(super) fn values(&self, image: usize) -> &[Tensor] {
        &self.values[image]
    }

    /// Goes on until `value` is made.
    pub(super) fn to(&mut self, value: &str) -> anyhow::Result<()> {
        let nodes = &self.model.graph.nodes;
        let makes = nodes.iter().position(|node| node.outputs.iter().any(|o| o == value));
        let done = makes.with_context(|| format!("no node makes {value}"))? + 1;
        ensure!(done >= self.done, "value {value} lies behind");
        let alive = alive(&self.model, done);
        let new: Vec<String> =
            alive.iter().filter(|name| !self.alive.contains(name)).cloned().collect();
        if done > self.done {
            self.compute(&alive, &new, done)?;
            self.done = done;
        }
        Ok(())
    }

    /// Makes the values `new` and keeps those of `alive`.
    fn compute(&mut self, alive: &[String], new: &[String], done: usize) -> anyhow::Result<()> {
        let nodes = &self.model.graph.nodes[self.done..done];
        let read: BTreeSet<&String> = nodes.iter().flat_map(|node| &node.inputs).collect();
        let (places, from): (Vec<usize>, Vec<String>) =
            self.alive.iter().cloned().enumerate().filter(|(_, name)| read.contains(name)).unzip();
        let file = to_onnx(&self.model.section(&from, new)?, &[])?;
        let old = &self.alive;
        let lanes = in_lanes(self.values.len(), |range| {
            let mut task = engine().load_bytes("a part of the model", &file)?;
            let step = |image: usize| -> anyhow::Result<Vec<Tensor>> {
                let values = &self.values[image];
                let inputs: Vec<Tensor> = places.iter().map(|&at| values[at].clone()).collect();
                let made = task.run(&inputs)?;
                let pick = |name: &String| {
                    let kept = || Some(&values[old.iter().position(|other| other == name)?]);
                    let made = new.iter().position(|other| other == name).map(|at| &made[at]);
                    made.or_else(kept).cloned().context("a value that nothing has made")
                };
                alive.iter().map(pick).collect()
            };
            range.map(step).collect::<anyhow::Result<Vec<_>>>()
        })?;
        self.values = lanes.into_iter().flatten().collect();
        self.alive = alive.to_vec();
        Ok(())
    }

    /// Puts something else in place of `value` of every image.
    pub(super) fn change(
        &mut self,
        value: &str,
        change: impl Fn(&mut [f32]) + Sync,
    ) -> anyhow::Result<()> {
        let at = self.place(value)?;
        let lanes = in_lanes(self.values.len(), |range| {
            let changed = |image: usize| -> anyhow::Result<Tensor> {
                let tensor = &self.values[image][at];
                let mut values = tensor.to_f32()?;
                change(&mut values);
                Ok(Tensor::from_f32(tensor.shape().to_vec(), &values)?)
            };
            range.map(changed).collect::<anyhow::Result<Vec<_>>>()
        })?;
        for (values, changed) in self.values.iter_mut().zip(lanes.into_iter().flatten()) {
            values[at] = changed;
        }
        Ok(())
    }

    /// Where `value` is among those alive.
    fn place(&self, value: &str) -> anyhow::Result<usize> {
        let at = self.alive.iter().position(|name| name == value);
        at.with_context(|| format!("nothing reads {value}"))
    }

    /// The rest of the model behind `value`, which was made last.
    pub(super) fn rest(&self, value: &str) -> anyhow::Result<Rest> {
        let at = self.place(value)?;
        let outputs = &self.model.graph.outputs;
        if outputs[0] == value {
            return Ok(Rest { file: None, at });
        }
        let section = self.model.section(&self.alive, outputs)?;
        Ok(Rest { file: Some(to_onnx(&section, &[])?), at })
    }
}

impl Rest {
    /// The rest, ready to run.
    pub(super) fn load(&self) -> anyhow::Result<Loaded> {
        let load = |file: &Vec<u8>| engine().load_bytes("the rest of the model", file);
        Ok(Loaded { task: self.file.as_ref().map(load).transpose()?, at: self.at })
    }
}

/// The rest of a model, ready to run.
pub(super) struct Loaded {
    task: Option<Box<dyn Task>>,
    at: usize,
}

impl Loaded {
    /// The answer to these values.
    pub(super) fn run(&mut self, values: &[Tensor]) -> anyhow::Result<Vec<Tensor>> {
        match &mut self.task {
            Some(task) => Ok(task.run(values)?),
            None => Ok(vec![values[self.at].clone()]),
        }
    }
}

/// Names of the values, made by the first `done` nodes or given, that nodes
/// behind them read or that are outputs.
fn alive(model: &Model, done: usize) -> Vec<String> {
    let graph = &model.graph;
    let (before, behind) = graph.nodes.split_at(done);
    let read: BTreeSet<&String> =
        behind.iter().flat_map(|node| &node.inputs).chain(&graph.outputs).collect();
    let made = before.iter().flat_map(|node| &node.outputs);
    let named = graph.inputs.iter().chain(made).filter(|name| !name.is_empty());
    named.filter(|name| read.contains(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use quorate::bundle::ModelFile;
    use quorate::input;

    use super::*;
    use crate::zoo::{self, Size};

    /// A model with branches that join: what is alive is more than one value.
    #[test]
    fn the_rest_of_a_walk_answers_as_the_whole_does() {
        let bytes = zoo::find("resnet18").unwrap().net(Size::Small).to_bytes(1);
        let file = ModelFile::new("r.onnx".to_owned(), bytes.into(), Path::new(".")).unwrap();
        let model = &file.staged.model;
        let shape = &model.graph.types[&model.graph.inputs[0]].shape;
        let images: Vec<Tensor> =
            (0..3).map(|seed| input::seeded(shape, seed, 1).unwrap().remove(0)).collect();
        let mut whole = file.task(&*engine(), &[]).unwrap();
        let mut walk = Walk::new(model.clone(), images.iter().cloned()).unwrap();
        let stages = &file.staged.stages;
        let mut most = 0;
        for stage in stages.iter().step_by(3).chain(stages.last()) {
            let value = &file.staged.values[stage.value].name;
            walk.to(value).unwrap();
            let mut rest = walk.rest(value).unwrap().load().unwrap();
            for (index, image) in images.iter().enumerate() {
                most = most.max(walk.values(index).len());
                let answer = rest.run(walk.values(index)).unwrap();
                let right = whole.run(std::slice::from_ref(image)).unwrap();
                let error = quorate::rehearsal::answer_difference(&answer, &right).unwrap();
                assert!(error < 1e-5, "{value}: {error}");
            }
        }
        assert!(most > 1, "no value lives beside a layer's own");
        let first = &file.staged.values[stages[0].value].name;
        assert!(walk.to(first).unwrap_err().to_string().contains("lies behind"));
    }
}
