//! The nodes of a part of a layer.
//!
//! ```text
//! rows          x ------------------------> layer (rows of the weights)
//! tile          x -> slice ----------------> conv, padded where the tile ends
//! tile parity   x -> slice, pad, times c --+
//!               x -> slice, pad, times c --+-> sum -> conv without padding
//! groups        x -> slice of channels ----> conv of these groups
//! term          x -> slice of columns -----> layer (columns of the weights)
//! ```

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;

use super::error::PackError;
use super::layout::{Place, Task};
use super::task::{Writer, cut_shape, fresh, taken, type_of};

use crate::division::InputBox;
use crate::layer::{Layer, Orientation};
use crate::onnx::{AttributeProto, int_attribute, ints_attribute};
use crate::part::{Input, Part};
use crate::region::{Region, shape};
use crate::stage::Stage;
use crate::tensor::{DType, Tensor, TensorError};

/// A value on the way to a node: its name, element type and shape.
pub(super) struct Feed {
    pub(super) name: String,
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
}

impl Writer<'_> {
    /// The layer with the part's weights, by rows whatever they were before.
    pub(super) fn layer(
        &mut self,
        layer: &Layer,
        part: &Part,
        task: &Task,
    ) -> Result<(), PackError> {
        let mut names = Names::new(taken(self.layout.staged, task));
        let cut = cut_shape(self.layout.staged, &task.spec.work);
        let (feed, pads) = self.feed(layer, part, cut, &mut names)?;
        self.layer_on(layer, part, task, (feed, pads), &mut names)
    }

    /// The same on what it reads, with paddings where they are others than the whole
    /// layer's.
    pub(super) fn layer_on(
        &mut self,
        layer: &Layer,
        part: &Part,
        task: &Task,
        (feed, pads): (Feed, Option<Vec<i64>>),
        names: &mut Names<'_>,
    ) -> Result<(), PackError> {
        let absent = || PackError::Absent { name: layer.weight.clone() };
        let weight = names.of(&layer.weight, "part");
        let shape = part_shape(layer, part);
        self.initializer(&weight, DType::F32, &shape, task.weight.as_ref().ok_or_else(absent)?);
        let mut inputs = vec![feed.name.as_str(), &weight];
        let bias = names.of(layer.bias.as_deref().unwrap_or("bias"), "part");
        if let Some((shape, place)) = &task.bias {
            self.initializer(&bias, DType::F32, shape, place);
            inputs.push(&bias);
        }
        let model = &self.layout.staged.model;
        let mut attributes = model.graph.nodes[layer.node].attributes.clone();
        if let Some(pads) = pads {
            set_pads(&mut attributes, &pads);
        }
        if layer.groups > 1 {
            let groups = feed.shape[layer.input_axis()] / layer.columns.max(1);
            attributes.retain(|a| a.name() != "group");
            attributes.push(int_attribute("group", groups as i64));
        }
        if layer.op == "MatMul" {
            self.mat_mul(layer, &inputs, &shape, names);
            return Ok(());
        }
        if layer.orientation == Orientation::Columns {
            attributes.retain(|a| a.name() != "transB");
            attributes.push(int_attribute("transB", 1));
        }
        self.node(&layer.name, &layer.op, &inputs, &layer.output).attribute = attributes;
        Ok(())
    }

    /// Pooling behind the layer, on the part's rows.
    pub(super) fn tail(
        &mut self,
        stage: &Stage,
        layer: &Layer,
        part: &Part,
    ) -> Result<(), PackError> {
        let staged = self.layout.staged;
        let mut before = layer.output.as_str();
        for &node in &stage.tail {
            let shape = &type_of(staged, before)?.shape;
            self.info(before, DType::F32, &part.output_shape(shape, layer.axis));
            let node = &staged.model.graph.nodes[node];
            let output = &node.outputs[0];
            self.node(&node.name, &node.op, &[before], output).attribute = node.attributes.clone();
            before = output;
        }
        Ok(())
    }

    /// A product with [rows, columns] weights as a Gemm where the input is a
    /// matrix, else with the weights turned: neither copies them. Several
    /// matrices, [rows, .., columns], are turned as well.
    fn mat_mul(&mut self, layer: &Layer, inputs: &[&str], shape: &[usize], names: &mut Names<'_>) {
        let (feed, weight) = (inputs[0], inputs[1]);
        if layer.input_shape.len() == 2 && !layer.is_stacked() {
            let node = self.node(&layer.name, "Gemm", inputs, &layer.output);
            node.attribute = vec![int_attribute("transB", 1)];
            return;
        }
        let columns = names.of(&layer.weight, "columns");
        let transposed = format!("{}_transpose", layer.name);
        let node = self.node(&transposed, "Transpose", &[weight], &columns);
        let last = shape.len() as i64;
        let order: Vec<i64> = (1..last).chain([0]).collect();
        node.attribute = vec![ints_attribute("perm", &order)];
        let turned: Vec<usize> = order.iter().map(|&axis| shape[axis as usize]).collect();
        self.info(&columns, DType::F32, &turned);
        self.node(&layer.name, "MatMul", &[feed, &columns], &layer.output);
    }

    /// What the part's layer reads, and the paddings that it needs where they
    /// are others than the whole layer's.
    fn feed(
        &mut self,
        layer: &Layer,
        part: &Part,
        cut: Option<Vec<usize>>,
        names: &mut Names<'_>,
    ) -> Result<(Feed, Option<Vec<i64>>), PackError> {
        let given = cut.is_some();
        let shape = cut.unwrap_or_else(|| layer.input_shape.clone());
        let whole = Feed { name: layer.input.clone(), dtype: DType::F32, shape };
        let absent = || PackError::Absent { name: layer.input.clone() };
        match part.input(layer).ok_or_else(absent)? {
            Input::Box(InputBox { region, pads }) => {
                let feed = if given { whole } else { self.slice(&whole, &region, names)? };
                Ok((feed, pads.map(|pads| pads_list(&pads))))
            }
            Input::Sum(terms) => {
                let pads = vec![0; 2 * layer.input_shape.len().saturating_sub(2)];
                let sum = self.combination(&whole, &terms, names)?;
                Ok((sum.ok_or_else(absent)?, Some(pads)))
            }
        }
    }

    /// The sum of several boxes of the input, each times its coefficient.
    fn combination(
        &mut self,
        whole: &Feed,
        terms: &[(f64, InputBox)],
        names: &mut Names<'_>,
    ) -> Result<Option<Feed>, PackError> {
        let mut sum: Option<Feed> = None;
        for (coefficient, InputBox { region, pads }) in terms {
            let cut = self.slice(whole, region, names)?;
            let padded = self.pad(cut, pads.as_deref().unwrap_or(&[]), names)?;
            let term = self.times(padded, *coefficient as f32, names);
            sum = Some(match sum {
                None => term,
                Some(sum) => {
                    let name = names.of(&whole.name, "sum");
                    self.info(&name, DType::F32, &sum.shape);
                    self.node(&name, "Add", &[&sum.name, &term.name], &name);
                    Feed { name, ..sum }
                }
            });
        }
        Ok(sum)
    }

    fn constant(&mut self, name: &str, dtype: DType, shape: &[usize], data: Bytes) {
        self.initializer(name, dtype, shape, &Place::Inline(data));
    }

    fn list(&mut self, name: &str, values: &[i64]) -> Result<(), PackError> {
        let wrap = |why: TensorError| PackError::Initializer { name: name.to_owned(), why };
        let tensor = Tensor::from_i64(vec![values.len()], values).map_err(wrap)?;
        self.constant(name, DType::I64, &[values.len()], tensor.data().clone());
        Ok(())
    }

    /// `from`, cut to a box of it.
    pub(super) fn slice(
        &mut self,
        from: &Feed,
        region: &Region,
        names: &mut Names<'_>,
    ) -> Result<Feed, PackError> {
        let real = |(axis, range): &(usize, &Range<usize>)| range.len() < from.shape[*axis];
        let cuts: Vec<_> = region.iter().enumerate().filter(real).collect();
        let shape = shape(region);
        if cuts.is_empty() {
            return Ok(Feed { name: from.name.clone(), dtype: from.dtype, shape });
        }
        let numbers = |of: fn(&(usize, &Range<usize>)) -> usize| -> Vec<i64> {
            cuts.iter().map(|cut| of(cut) as i64).collect()
        };
        let lists = [
            ("starts", numbers(|(_, range)| range.start)),
            ("ends", numbers(|(_, range)| range.end)),
            ("axes", numbers(|(axis, _)| *axis)),
        ];
        let name = names.of(&from.name, "cut");
        let mut inputs = vec![from.name.clone()];
        for (word, values) in &lists {
            let list = format!("{name}_{word}");
            self.list(&list, values)?;
            inputs.push(list);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.node(&name, "Slice", &inputs, &name);
        self.info(&name, from.dtype, &shape);
        Ok(Feed { name, dtype: from.dtype, shape })
    }

    /// `from` with zeros before and after its spatial dimensions.
    fn pad(
        &mut self,
        from: Feed,
        spatial: &[(usize, usize)],
        names: &mut Names<'_>,
    ) -> Result<Feed, PackError> {
        if spatial.iter().all(|pads| *pads == (0, 0)) {
            return Ok(from);
        }
        let rank = from.shape.len();
        let (mut shape, mut pads) = (from.shape.clone(), vec![0i64; 2 * rank]);
        for (d, (before, after)) in spatial.iter().enumerate() {
            shape[2 + d] += before + after;
            pads[2 + d] = *before as i64;
            pads[rank + 2 + d] = *after as i64;
        }
        let name = names.of(&from.name, "padded");
        let list = format!("{name}_pads");
        self.list(&list, &pads)?;
        self.node(&name, "Pad", &[&from.name, &list], &name);
        self.info(&name, DType::F32, &shape);
        Ok(Feed { name, shape, ..from })
    }

    fn times(&mut self, from: Feed, factor: f32, names: &mut Names<'_>) -> Feed {
        if factor == 1.0 {
            return from;
        }
        let name = names.of(&from.name, "times");
        let constant = format!("{name}_factor");
        self.constant(&constant, DType::F32, &[1], Bytes::copy_from_slice(&factor.to_le_bytes()));
        self.node(&name, "Mul", &[&from.name, &constant], &name);
        self.info(&name, DType::F32, &from.shape);
        Feed { name, ..from }
    }
}

/// Paddings as an attribute has them: all before, then all after.
pub(super) fn pads_list(pads: &[(usize, usize)]) -> Vec<i64> {
    let before = pads.iter().map(|pad| pad.0 as i64);
    before.chain(pads.iter().map(|pad| pad.1 as i64)).collect()
}

/// Gives a node these paddings in place of its own.
pub(super) fn set_pads(attributes: &mut Vec<AttributeProto>, pads: &[i64]) {
    attributes.retain(|a| !matches!(a.name(), "auto_pad" | "pads"));
    attributes.push(ints_attribute("pads", pads));
}

/// Names that nothing else in the task has.
pub(super) struct Names<'a> {
    taken: BTreeSet<&'a str>,
    made: usize,
}

impl<'a> Names<'a> {
    pub(super) fn new(taken: BTreeSet<&'a str>) -> Names<'a> {
        Names { taken, made: 0 }
    }

    pub(super) fn of(&mut self, name: &str, word: &str) -> String {
        self.made += 1;
        fresh(&format!("{name}_{word}"), &self.made.to_string(), &self.taken)
    }
}

/// Shape of the part's weights, by rows.
fn part_shape(layer: &Layer, part: &Part) -> Vec<usize> {
    let (rows, columns, all) = (part.rows(layer), part.columns(layer), &layer.weight_shape);
    match layer.orientation {
        Orientation::Rows => [&[rows, columns], &all[2..]].concat(),
        Orientation::Columns => [&[rows], &all[..all.len() - 2], &[columns]].concat(),
    }
}
