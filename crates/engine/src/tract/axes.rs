//! tract's pass that moves axes of values to where fewer have to be moved, but for
//! large constants. Each try that goes through one copies it, and most of them come
//! to nothing: for a network of 1x1 convolutions that takes longer than all else.

use std::collections::HashSet;
use std::fmt;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::model::TypedModelPatch;
use tract_onnx::tract_core::ops::change_axes::{AxisChange, AxisOp};
use tract_onnx::tract_core::ops::dummy::Dummy;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::optim::change_axes::change_axes;
use tract_onnx::tract_core::optim::{OptimizerSession, TypedPass};

/// Constants of more elements keep their axes.
const ELEMENTS_MAX: usize = 1024;

/// The pass, and where it is.
#[derive(Clone, Default)]
pub(super) struct ChangeAxes {
    tried: HashSet<AxisChange>,
    /// Nodes before this one have been seen.
    at: usize,
}

impl fmt::Debug for ChangeAxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChangeAxes")
    }
}

impl TypedPass for ChangeAxes {
    fn reset(&mut self) -> TractResult<()> {
        *self = ChangeAxes::default();
        Ok(())
    }

    fn next(
        &mut self,
        _: &mut OptimizerSession<'_>,
        model: &TypedModel,
    ) -> TractResult<Option<TypedModelPatch>> {
        let locked = locked(model);
        let mut explored = HashSet::new();
        for node in model.nodes[self.at..].iter().filter(|node| !node.op_is::<Dummy>()) {
            for change in changes(node)? {
                if !self.tried.insert(change.clone()) {
                    continue;
                }
                let made = change_axes(model, &change, &locked, &[], &mut explored);
                if let Some((patch, _)) = made? {
                    self.at = node.id;
                    return Ok(Some(patch));
                }
            }
        }
        Ok(None)
    }
}

/// What keeps its axes: the model's inputs and outputs, and large constants.
fn locked(model: &TypedModel) -> Vec<OutletId> {
    let is_large = |node: &&TypedNode| {
        node.op_as::<Const>().is_some_and(|constant| constant.val().volume() > ELEMENTS_MAX)
    };
    let constants = model.nodes.iter().filter(is_large).map(|node| OutletId::new(node.id, 0));
    model.inputs.iter().chain(&model.outputs).copied().chain(constants).collect()
}

/// What a node wants, and each of its axes of length one gone.
fn changes(node: &TypedNode) -> TractResult<Vec<AxisChange>> {
    let wanted = node.op.suggested_axis_changes()?.into_iter();
    let mut changes: Vec<AxisChange> =
        wanted.map(|(of, op)| AxisChange { outlet: of.as_outlet(node), op }).collect();
    for (slot, output) in node.outputs.iter().enumerate() {
        let outlet = OutletId::new(node.id, slot);
        let ones = output.fact.shape.iter().enumerate().filter(|(_, length)| length.is_one());
        changes.extend(ones.map(|(axis, _)| AxisChange { outlet, op: AxisOp::Rm(axis) }));
    }
    Ok(changes)
}
