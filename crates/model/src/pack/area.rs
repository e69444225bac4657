//! The nodes of a part of an area, each on its box of what the stage makes on the
//! way, with paddings where that ends at the value's border and nowhere else.
//!
//! ```text
//! x (given) -> slice? -> conv, own pads -> relu -> slice? -> add -> y (a box)
//! ```

use super::error::PackError;
use super::layer::{Feed, Names, pads_list, set_pads};
use super::layout::Task;
use super::spec::Work;
use super::task::{Writer, taken, type_of};
use crate::field::{Field, NodeReads};
use crate::graph::{Node, ValueType};
use crate::part::Part;
use crate::region::{Region, shape, whole};
use crate::stage::Stage;

impl Writer<'_> {
    /// All nodes of `stage`, each on its box of `field`.
    pub(super) fn area(
        &mut self,
        stage: &Stage,
        part: &Part,
        field: &Field,
        task: &Task,
    ) -> Result<(), PackError> {
        let staged = self.layout.staged;
        let graph = &staged.model.graph;
        let mut names = Names::new(taken(staged, task));
        for index in stage.nodes() {
            let node = &graph.nodes[index];
            let Some(reads) = field.reads(graph, node) else { continue };
            match stage.layer().filter(|layer| layer.node == index) {
                Some(layer) => {
                    let region = reads.inputs.first().cloned().flatten();
                    let feed = self.cut(stage, field, task, (&layer.input, region), &mut names)?;
                    let pads = reads.pads.map(|pads| pads_list(&pads));
                    self.layer_on(layer, part, task, (feed, pads), &mut names)?;
                }
                None => self.on_box(stage, field, task, (node, reads), &mut names)?,
            }
            for output in node.outputs.iter().filter(|output| !output.is_empty()) {
                if *output != staged.values[stage.value].name
                    && let Some(region) = field.of(output)
                {
                    self.info(output, type_of(staged, output)?.dtype, &shape(region));
                }
            }
        }
        Ok(())
    }

    /// A node as it is in the model, but on a box.
    fn on_box(
        &mut self,
        stage: &Stage,
        field: &Field,
        task: &Task,
        (node, reads): (&Node, NodeReads),
        names: &mut Names<'_>,
    ) -> Result<(), PackError> {
        let mut proto = node.to_proto();
        for (input, region) in proto.input.iter_mut().zip(reads.inputs) {
            if !input.is_empty() {
                *input = self.cut(stage, field, task, (input, region), names)?.name;
            }
        }
        if let Some(pads) = reads.pads {
            set_pads(&mut proto.attribute, &pads_list(&pads));
        }
        self.graph.node.push(proto);
        Ok(())
    }

    /// The box `region` of `value`, or all of it, out of what is there of it.
    fn cut(
        &mut self,
        stage: &Stage,
        field: &Field,
        task: &Task,
        (value, region): (&str, Option<Region>),
        names: &mut Names<'_>,
    ) -> Result<Feed, PackError> {
        let staged = self.layout.staged;
        let ValueType { dtype, shape: all } = type_of(staged, value)?;
        let is_read = stage.reads.iter().any(|read| staged.values[*read].name == value);
        let is_cut = matches!(task.spec.work, Work::Stage { cut: true, .. });
        let is_whole = (is_read && !is_cut) || staged.model.graph.constant(value).is_some();
        let there = field.of(value).filter(|_| !is_whole).cloned();
        let there = there.unwrap_or_else(|| whole(all));
        let wanted = region.unwrap_or_else(|| whole(all));
        let within = wanted.iter().zip(&there);
        let within: Region = within.map(|(w, t)| w.start - t.start..w.end - t.start).collect();
        let from = Feed { name: value.to_owned(), dtype: *dtype, shape: shape(&there) };
        self.slice(&from, &within, names)
    }
}
