//! Where answers can not be compared: models that answer quite otherwise to
//! nearly the same question.

use prost::Message;
use quorate_core::plan::Plans;
use quorate_engine::Engine;
use quorate_model::model::to_onnx;
use quorate_model::onnx::ModelProto;
use quorate_model::tensor::{DType, Tensor};

use super::difference::difference;
use super::finding::Finding;
use crate::bundle::ModelFile;
use crate::random::SplitMix;

/// What inputs and weights are moved by, to see what becomes of values.
const STEP: f64 = 1e-6;
/// Ways in which they are moved.
const WAYS: usize = 5;

/// A value that moves by this much then is no ground for a judgement.
const SHAKEN: f64 = 1e-4;

/// Why findings that are not good say nothing: where the whole model's own
/// values move by about as much when its input and its weights move a little,
/// they can not be compared. Each finding is held against the value that it is
/// about; `None` as soon as one of them does say something.
pub fn doubt(
    engine: &dyn Engine,
    model: &ModelFile,
    plans: &Plans,
    inputs: &[Tensor],
    findings: &[Finding],
) -> anyhow::Result<Option<String>> {
    let bad: Vec<&Finding> = findings.iter().filter(|finding| !finding.is_good()).collect();
    if bad.is_empty() {
        return Ok(None);
    }
    let moves = Moves::of(engine, model, &plans.wires(), inputs)?;
    let mut worst: Option<(&Finding, f64)> = None;
    for finding in bad {
        let value = finding.value.map(|value| plans.values()[value.index()].name.as_str());
        let shaken = moves.of_value(value);
        if shaken < SHAKEN || shaken < finding.error / 10.0 {
            return Ok(None);
        }
        if worst.is_none_or(|(other, _)| finding.error > other.error) {
            worst = Some((finding, shaken));
        }
    }
    Ok(worst.map(|(Finding { what, error, .. }, shaken)| {
        format!(
            "{what}: the whole model's own values move by {shaken:.1e} when this input and the \
             weights move by {STEP:.0e}, so an error of {error:.1e} says nothing"
        )
    }))
}

/// How far a model's values move when its input and its weights move by 1e-6 of
/// themselves, at most of several ways: max|a - b| / max|b|.
struct Moves {
    /// The model's outputs first.
    values: Vec<(String, f64)>,
    outputs: usize,
}

impl Moves {
    fn of(
        engine: &dyn Engine,
        model: &ModelFile,
        wires: &[String],
        inputs: &[Tensor],
    ) -> anyhow::Result<Moves> {
        let outputs = &model.staged.model.graph.outputs;
        let names = outputs.iter().chain(wires.iter().filter(|wire| !outputs.contains(wire)));
        let mut values: Vec<(String, f64)> = names.map(|name| (name.clone(), 0.0)).collect();
        let whole = to_onnx(&model.staged.model, wires)?;
        let before = engine.load_bytes(&model.name, &whole)?.run(inputs)?;
        let mut random = SplitMix::new(1);
        for _ in 0..WAYS {
            let mut step = || if random.below(2) == 0 { 1.0 + STEP } else { 1.0 - STEP };
            let inputs: Vec<Tensor> = inputs
                .iter()
                .map(|input| moved(input, &mut step))
                .collect::<anyhow::Result<_>>()?;
            let file = with_moved_weights(&whole, &mut step)?;
            let after = engine.load_bytes(&model.name, &file)?.run(&inputs)?;
            for ((_, far), (after, before)) in values.iter_mut().zip(after.iter().zip(&before)) {
                *far = far.max(difference(after, before)?);
            }
        }
        Ok(Moves { values, outputs: outputs.len() })
    }

    /// How far the value of that name moves; without a name, the answers.
    fn of_value(&self, name: Option<&str>) -> f64 {
        let far = |of: &(String, f64)| of.1;
        match name {
            Some(name) => self.values.iter().find(|(other, _)| other == name).map_or(0.0, far),
            None => self.values[..self.outputs].iter().map(far).fold(0.0, f64::max),
        }
    }
}

/// A tensor of floats, each times a factor; any other as it is.
fn moved(tensor: &Tensor, factor: &mut dyn FnMut() -> f64) -> anyhow::Result<Tensor> {
    if tensor.dtype() != DType::F32 {
        return Ok(tensor.clone());
    }
    let values: Vec<f64> = tensor.to_numbers().into_iter().map(|v| v * factor()).collect();
    Ok(Tensor::from_numbers(DType::F32, tensor.shape().to_vec(), &values)?)
}

/// A model whose f32 constants are each times a factor.
fn with_moved_weights(model: &[u8], factor: &mut dyn FnMut() -> f64) -> anyhow::Result<Vec<u8>> {
    let mut file = ModelProto::decode(model)?;
    let constants = file.graph.iter_mut().flat_map(|graph| &mut graph.initializer);
    for tensor in constants.filter(|t| t.data_type == Some(DType::F32.onnx())) {
        let Some(data) = &tensor.raw_data else { continue };
        let number = |b: &[u8]| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let values = data.chunks_exact(4).map(|bytes| (number(bytes) * factor()) as f32);
        tensor.raw_data = Some(values.flat_map(f32::to_le_bytes).collect::<Vec<u8>>().into());
    }
    Ok(file.encode_to_vec())
}
