//! What a part of a stage reads of its input.
//!
//! A tile of a convolution needs a window of its input, a term some columns.
//! Where nothing but element-wise glue lies between the value that travels and
//! the layer, the device need not be sent the rest. A part of several layers needs
//! its receptive field of each value.

use crate::field::Field;
use crate::graph::Node;
use crate::operator::{self, Reads};
use crate::part::{Input, Part, PartError};
use crate::region::{Region, whole};
use crate::stage::{Stage, Staged};

impl Staged {
    /// The box of the wire value `value` that `part` of `stage` reads; `None`
    /// where it reads all, or where glue needs all.
    pub fn need(&self, stage: &Stage, part: &Part, value: usize) -> Option<Region> {
        if let Some(field) = self.field(stage, part) {
            let value = &self.values[value];
            return field.of(&value.name).filter(|region| **region != whole(&value.shape)).cloned();
        }
        let layer = stage.layer()?;
        let Input::Box(input) = part.input(layer)? else { return None };
        let all = whole(&layer.input_shape);
        let cut: Vec<usize> =
            (0..all.len()).filter(|&axis| input.region[axis] != all[axis]).collect();
        let chain = stage.reads == [value]
            && self.is_element_wise(stage, &self.values[value].name, &layer.input, &cut);
        (chain && !cut.is_empty()).then_some(input.region)
    }

    /// The boxes on which the nodes of `stage` are computed for a part that is one of
    /// its area; `None` for other parts.
    pub(crate) fn field(&self, stage: &Stage, part: &Part) -> Option<Field> {
        part.area()?;
        let made = &self.values[stage.value];
        let nodes: Vec<usize> = stage.nodes().collect();
        let wanted = part.region(&made.shape, made.axis);
        Some(Field::new(&self.model.graph, &nodes, &made.name, wanted))
    }

    /// Whether `part` is a part of `stage` that can be computed alone.
    pub fn check_part(&self, stage: &Stage, part: &Part) -> Result<(), PartError> {
        part.check(stage)?;
        let Some(area) = part.area() else { return Ok(()) };
        let made = &self.values[stage.value];
        let wrong = |why: String| Err(PartError::Area { stage: stage.name.clone(), why });
        let shape = made.shape.get(2..).unwrap_or(&[]);
        let within = area.len() == shape.len()
            && area.iter().zip(shape).all(|(r, &length)| r.start < r.end && r.end <= length);
        if !within || shape.is_empty() {
            return wrong(format!("{area:?} is no part of {:?}", made.shape));
        }
        let wanted = part.region(&made.shape, made.axis);
        let field = self.field(stage, part);
        if field.is_none_or(|field| field.of(&made.name) != Some(&wanted)) {
            let graph = &self.model.graph;
            let last = stage.nodes().last().map_or("", |node| graph.nodes[node].op.as_str());
            return wrong(format!("its last node, {last}, is not computed in parts"));
        }
        Ok(())
    }

    /// Is the glue of `stage` a chain of element-wise nodes between the two,
    /// whose constants are alike along the axes `cut`?
    fn is_element_wise(&self, stage: &Stage, from: &str, to: &str, cut: &[usize]) -> bool {
        let graph = &self.model.graph;
        let rank = graph.types.get(to).map_or(0, |of| of.shape.len());
        let alike = |shape: &[usize]| {
            let missing = rank.saturating_sub(shape.len());
            shape
                .iter()
                .enumerate()
                .all(|(d, &length)| length == 1 || !cut.contains(&(d + missing)))
        };
        let single = |name: &String| {
            name.is_empty() || graph.constant(name).is_some_and(|c| alike(c.shape()))
        };
        let fits = |node: &Node, at: &str| {
            operator::of(node).is_some_and(|known| matches!(known.reads, Reads::SamePlace))
                && self.same_shape(node)
                && node.outputs.len() == 1
                && node.input(0) == Some(at)
                && node.inputs.iter().skip(1).all(single)
        };
        let mut at = from;
        for &index in &stage.glue {
            let node = &graph.nodes[index];
            if !fits(node, at) {
                return false;
            }
            at = &node.outputs[0];
        }
        at == to
    }
}

impl Staged {
    /// Does a node's first output have the shape of its first input?
    fn same_shape(&self, node: &Node) -> bool {
        let of = |name: Option<&String>| self.model.graph.types.get(name?).map(|t| &t.shape);
        of(node.inputs.first()) == of(node.outputs.first())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::division::rows::Rows;
    use crate::division::terms::Terms;
    use crate::division::tiles::Tiles;
    use crate::onnx::{int_attribute, ints_attribute};
    use crate::sample::Sample;

    #[test]
    fn windows_and_columns() {
        let conv = |glue: &[&str]| {
            let mut sample =
                Sample::new(&[("x", &[1, 4, 8, 8])], &["y"]).counting("w", &[6, 4, 3, 3]);
            let mut at = "x".to_owned();
            for op in glue {
                let made = format!("{at}-{op}");
                sample = sample.node(op, &[&at], &[&made], &[]);
                at = made;
            }
            let pads = ints_attribute("pads", &[1, 1, 1, 1]);
            Staged::new(sample.node("Conv", &[&at, "w"], &["y"], &[pads]).read().unwrap()).unwrap()
        };
        let tile = |tile| Part::data(Arc::new(Tiles::apart(vec![tile])), 0);
        let upper = tile(vec![0..4, 0..8]);
        let window = Some(vec![0..1, 0..4, 0..5, 0..8]);
        let term = |columns| Part::data(Arc::new(Terms(vec![columns])), 0);
        let middle = term(1..3);
        let columns = Some(vec![0..1, 1..3, 0..8, 0..8]);
        let cases: [(&[&str], &Part, Option<Region>); 7] = [
            (&[], &upper, window.clone()),
            (&["Relu", "Tanh"], &upper, window),
            (&["Softmax"], &upper, None),
            (&[], &middle, columns),
            (&[], &term(0..4), None),
            (&[], &tile(vec![0..8, 0..8]), None),
            (&[], &Part::data(Arc::new(Rows(vec![0..3, 3..6])), 0), None),
        ];
        for (glue, part, wanted) in cases {
            let staged = conv(glue);
            assert_eq!(staged.need(&staged.stages[0], part, 0), wanted, "{glue:?} {part:?}");
        }
        let flat = Sample::new(&[("x", &[1, 4, 2])], &["y"])
            .counting("w", &[8, 3])
            .node("Flatten", &["x"], &["f"], &[int_attribute("axis", 1)])
            .node("Gemm", &["f", "w"], &["y"], &[]);
        let staged = Staged::new(flat.read().unwrap()).unwrap();
        assert_eq!(staged.need(&staged.stages[0], &middle, 0), None);
    }
}
