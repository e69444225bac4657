//! Is the work of data and parity devices alike? Runs every task of AlexNet
//! over four devices and a spare, one device after the other, round and round,
//! and prints each device's time over the mean of the data devices'.
//!
//! `cargo bench -p quorate-lab --bench balance`

use std::path::Path;
use std::time::Instant;

use quorate::bundle;
use quorate_core::id::SeatId;
use quorate_core::planner::{self, MethodRequest, PlanRequest};
use quorate_engine::{Engine, Task, Tract};
use quorate_lab::zoo::{self, Size};
use quorate_model::division::method::Method;
use quorate_model::model::{Limits, Model};
use quorate_model::stage::Staged;
use quorate_model::tensor::Tensor;

const ROUNDS: usize = 15;
/// Most that a device may take beyond the mean of the data devices.
const LIMIT: f64 = 1.05;

type Error = Box<dyn std::error::Error>;

/// The tasks of each device, loaded, with inputs.
type Loaded = Vec<Vec<(Box<dyn Task>, Vec<Tensor>)>>;

fn load(staged: &Staged, methods: &[Method], folder: &Path) -> Result<Loaded, Error> {
    let mut request = PlanRequest::local("alexnet.onnx", &"0".repeat(64), 4, 1)?;
    request.fewest_devices = 5;
    request.methods = methods.iter().map(|&method| MethodRequest { layer: None, method }).collect();
    let plans = planner::even(staged, &request)?;
    let packed = folder.join("bundle");
    bundle::write(staged, &request.model_sha256, &plans, &packed, &mut |_| ())?;
    let plan = plans.main();
    let mut devices = Vec::new();
    for (seat, name) in plans.cluster().names().iter().enumerate() {
        let mut tasks = Vec::new();
        for (stage, shard) in plan.tasks(SeatId(seat as u8)) {
            let path = packed.join(name).join(plan.task_stem(stage, shard) + ".onnx");
            let task = Tract.load(&path)?;
            let fill = |port: &quorate_engine::Port| {
                let count = port.shape.iter().product::<usize>();
                let values: Vec<f32> = (0..count).map(|i| ((i % 17) as f32 - 8.0) / 8.0).collect();
                Tensor::from_f32(port.shape.clone(), &values)
            };
            let inputs = task.inputs().iter().map(fill).collect::<Result<Vec<_>, _>>()?;
            tasks.push((task, inputs));
        }
        devices.push(tasks);
    }
    Ok(devices)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn measure(name: &str, mut devices: Loaded) -> Result<(), Error> {
    let mut times = vec![Vec::new(); devices.len()];
    for round in 0..=ROUNDS {
        for (device, tasks) in devices.iter_mut().enumerate() {
            let started = Instant::now();
            for (task, inputs) in tasks {
                task.run(inputs)?;
            }
            // The first round warms up.
            if round > 0 {
                times[device].push(started.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let times: Vec<f64> = times.into_iter().map(median).collect();
    let (data, parity) = times.split_at(times.len() - 1);
    let mean = data.iter().sum::<f64>() / data.len() as f64;
    let ratios: Vec<String> = times.iter().map(|time| format!("{:.3}", time / mean)).collect();
    let worst = times.iter().fold(0f64, |worst, time| worst.max(time / mean));
    println!(
        "{name}: {} of {mean:.1} ms, parity {:.3}; worst {worst:.3}, limit {LIMIT}{}",
        ratios.join(" "),
        parity[0] / mean,
        if worst <= LIMIT { "" } else { "  PAST THE LIMIT" }
    );
    Ok(())
}

fn main() -> Result<(), Error> {
    let bytes = zoo::find("alexnet")?.net(Size::Full).to_bytes(1);
    let staged = Staged::new(Model::read(bytes.into(), &Limits::default())?)?;
    for (name, methods) in
        [("channel, output", &[][..]), ("spatial, output", &[Method::Spatial][..])]
    {
        let folder = tempfile::tempdir()?;
        measure(name, load(&staged, methods, folder.path())?)?;
    }
    Ok(())
}
