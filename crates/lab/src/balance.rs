//! How even the work of devices is: the time of each one's tasks, measured.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Context;
use quorate::bundle;
use quorate_core::id::SeatId;
use quorate_core::planner::{self, MethodRequest, PlanRequest};
use quorate_engine::{Port, Task};
use quorate_model::division::method::Method;
use quorate_model::stage::Staged;
use quorate_model::tensor::Tensor;

use crate::engine::engine;

/// What a device does for one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// The device.
    pub device: String,
    /// Floating-point operations of its layers, without glue and without adding
    /// up inputs.
    pub flops: u64,
    /// Least time that its tasks have taken, in milliseconds: what disturbs a
    /// run makes it longer, never shorter.
    pub ms: f64,
}

/// A device's tasks, loaded, with inputs.
struct Loaded {
    work: Work,
    tasks: Vec<(Box<dyn Task>, Vec<Tensor>)>,
    least_ms: f64,
}

/// Divides every layer of a model over `data` devices and a spare that holds
/// parity, and measures the tasks of each device, the spare's last: one device
/// after the other, round and round, so that what disturbs one disturbs all.
/// `progress` is told of rounds done.
pub fn measure(
    staged: &Staged,
    methods: &[Method],
    data: usize,
    rounds: usize,
    progress: &mut dyn FnMut(usize),
) -> anyhow::Result<Vec<Work>> {
    let mut devices = load(staged, methods, data)?;
    // The first round warms up.
    for round in 0..=rounds.max(1) {
        progress(round);
        for device in &mut devices {
            let since = Instant::now();
            for (task, inputs) in &mut device.tasks {
                task.run(inputs)?;
            }
            if round > 0 {
                device.least_ms = device.least_ms.min(since.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let work = |device: Loaded| Work { ms: device.least_ms, ..device.work };
    Ok(devices.into_iter().map(work).collect())
}

fn load(staged: &Staged, methods: &[Method], data: usize) -> anyhow::Result<Vec<Loaded>> {
    let mut request = PlanRequest::local("model.onnx", &"0".repeat(64), data, 1)?;
    request.fewest_devices = data + 1;
    request.methods = methods.iter().map(|&method| MethodRequest { layer: None, method }).collect();
    let plans = planner::even(staged, &request)?;
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let packed = folder.path().join("bundle");
    bundle::write(staged, &request.model_sha256, &plans, &packed, &mut |_| ())?;
    let (plan, engine) = (plans.main(), engine());
    let values: BTreeMap<&str, usize> =
        staged.values.iter().enumerate().map(|(at, value)| (value.name.as_str(), at)).collect();
    let mut devices = Vec::new();
    for (seat, name) in (0..).map(SeatId).zip(plans.cluster().names()) {
        let (mut tasks, mut flops) = (Vec::new(), 0);
        for (stage, shard) in plan.tasks(seat) {
            let path = packed.join(&name).join(plan.task_stem(stage, shard) + ".onnx");
            let task = engine.load(&path)?;
            let inputs = task.inputs().iter().map(fill).collect::<anyhow::Result<_>>()?;
            tasks.push((task, inputs));
            let value = plans.values()[plan.stages()[stage.index()].value.index()].name.as_str();
            let at = values.get(value).copied();
            let layer = staged.stages.iter().find(|s| Some(s.value) == at).and_then(|s| s.layer());
            flops += layer.map_or(0, |layer| plan.stage_sharding(stage).part(shard).flops(layer));
        }
        let work = Work { device: name, flops, ms: 0.0 };
        devices.push(Loaded { work, tasks, least_ms: f64::INFINITY });
    }
    // Task files stay mapped after their folder is gone.
    Ok(devices)
}

/// Numbers of a usual size for an input.
fn fill(port: &Port) -> anyhow::Result<Tensor> {
    let count = port.shape.iter().product::<usize>();
    let values: Vec<f32> = (0..count).map(|i| ((i % 17) as f32 - 8.0) / 8.0).collect();
    Ok(Tensor::from_f32(port.shape.clone(), &values)?)
}
