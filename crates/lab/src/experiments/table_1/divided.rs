//! A layer divided by a method, and the tasks that it becomes.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use prost::Message;
use quorate::bundle;
use quorate_core::id::StageId;
use quorate_core::plan::Plans;
use quorate_core::planner::{self, MethodRequest, PlanRequest};
use quorate_engine::Port;
use quorate_model::division::method::Method;
use quorate_model::layer::Layer;
use quorate_model::onnx::{ModelProto, TensorProto};
use quorate_model::stage::{Stage, Staged};
use quorate_model::tensor::Tensor;
use tempfile::TempDir;

use crate::engine::engine;

/// A layer divided by a method, and packed.
pub(super) struct Divided<'a> {
    staged: &'a Staged,
    stage: &'a Stage,
    layer: &'a Layer,
    plans: Plans,
    id: StageId,
    folder: TempDir,
}

impl<'a> Divided<'a> {
    /// Divides the layer `name` over so many devices and spares, and packs all.
    pub(super) fn new(
        staged: &'a Staged,
        name: &str,
        method: Method,
        devices: usize,
        spares: usize,
    ) -> anyhow::Result<Divided<'a>> {
        let mut request = PlanRequest::local("model.onnx", &"0".repeat(64), devices, spares)?;
        request.fewest_devices = devices + spares;
        request.methods = vec![MethodRequest { layer: Some(name.to_owned()), method }];
        let plans = planner::even(staged, &request)?;
        let at = plans.main().stages().iter().position(|stage| stage.name == name);
        let id = StageId(at.with_context(|| format!("no layer {name}"))? as u16);
        let stage = staged.stages.iter().find(|stage| stage.name == name);
        let stage = stage.with_context(|| format!("no layer {name}"))?;
        let layer = stage.layer().with_context(|| format!("{name} is no layer"))?;
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let packed = folder.path().join("bundle");
        bundle::write(staged, &request.model_sha256, &plans, &packed, &mut |_| ())?;
        Ok(Divided { staged, stage, layer, plans, id, folder })
    }

    /// Operations of all its tasks.
    pub(super) fn flops(&self) -> u64 {
        let sharding = self.plans.main().stage_sharding(self.id);
        let shards = 0..sharding.seats.len();
        shards.map(|shard| sharding.part(shard).flops(self.layer)).sum()
    }

    /// The largest share of the layer's input, weights and output that a task
    /// has.
    pub(super) fn shares(&self) -> anyhow::Result<[f64; 3]> {
        let plan = self.plans.main();
        let elements = |shape: &[usize]| shape.iter().product::<usize>() as f64;
        let value = |at: usize| elements(&self.staged.values[at].shape);
        let read = *self.stage.reads.first().context("a layer that reads nothing")?;
        let whole = [value(read), self.layer.params as f64 * 4.0, value(self.stage.value)];
        let mut largest = [0.0; 3];
        for (shard, seat) in plan.stage_sharding(self.id).seats.iter().enumerate() {
            let device = &self.plans.cluster().names()[seat.index()];
            let file = format!("{}.onnx", plan.task_stem(self.id, shard));
            let path = self.folder.path().join("bundle").join(device).join(file);
            let mut task = engine().load(&path)?;
            let ports = task.inputs().to_vec();
            let inputs = ports.iter().map(input);
            let outputs = task.run(&inputs.collect::<anyhow::Result<Vec<_>>>()?)?;
            let [port] = &ports[..] else { bail!("{} inputs, needs 1", ports.len()) };
            let [output] = &outputs[..] else { bail!("{} outputs, needs 1", outputs.len()) };
            let has = [elements(&port.shape), weight_bytes(&path)?, elements(output.shape())];
            for ((largest, has), whole) in largest.iter_mut().zip(has).zip(whole) {
                *largest = f64::max(*largest, has / whole);
            }
        }
        Ok(largest)
    }
}

/// Bytes of the floating-point constants in a task file, those in the weights
/// file beside it among them.
fn weight_bytes(path: &Path) -> anyhow::Result<f64> {
    let file = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let graph = ModelProto::decode(file.as_slice())?.graph.context("no graph")?;
    let floats = graph.initializer.iter().filter(|tensor| tensor.data_type == Some(FLOAT));
    let elements = |tensor: &TensorProto| tensor.dims.iter().product::<i64>() as f64;
    Ok(floats.map(|tensor| elements(tensor) * 4.0).sum())
}

/// ONNX's number for 32-bit floats.
const FLOAT: i32 = 1;

fn input(port: &Port) -> anyhow::Result<Tensor> {
    let mut made = quorate::input::seeded(&port.shape, 0, 1)?;
    made.pop().context("no input")
}
