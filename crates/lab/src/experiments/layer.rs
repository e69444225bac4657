//! A fully-connected layer over devices, each with as much of it as the paper's
//! single device had: what several experiments run on.

use std::path::Path;

use quorate::bundle::ModelFile;
use quorate_core::gateway::GatewayConfig;
use quorate_core::plan::{Plans, WaitPolicy};
use quorate_core::planner::{self, PlanRequest};

use crate::fleet::Site;
use crate::zoo;

/// A model of one fully-connected layer with `width` inputs, and `width`
/// outputs for each of `devices`.
pub(super) fn model(width: usize, devices: usize, seed: u64) -> anyhow::Result<ModelFile> {
    let bytes = zoo::fc(width, width * devices).to_bytes(seed);
    ModelFile::new("fc.onnx".to_owned(), bytes.into(), Path::new("."))
}

/// The layer over `devices`, with so many parity devices beyond them.
pub(super) fn plans(model: &ModelFile, devices: usize, spares: usize) -> anyhow::Result<Plans> {
    let mut request = PlanRequest::local(&model.name, &model.sha256, devices, spares)?;
    // A loss beyond the code's is not what these experiments are about.
    request.fewest_devices = devices + spares;
    request.wait = WaitPolicy::Auto;
    Ok(planner::even(&model.staged, &request)?)
}

/// The layer over `devices` and `spares`, packed and measured.
pub(super) fn site(width: usize, devices: usize, spares: usize, seed: u64) -> anyhow::Result<Site> {
    let model = model(width, devices, seed)?;
    Site::pack(&model, &plans(&model, devices, spares)?)
}

/// A gateway that waits for whoever is late, however late, and asks nobody
/// again.
pub(super) fn patient(deadline: std::time::Duration) -> GatewayConfig {
    GatewayConfig { resubmit_after: deadline, ..GatewayConfig::default() }
}

/// The layer over `devices` and one more, each with `parts` shards instead of
/// one: shards that a straggler has done are used while it is at the next.
pub(super) fn in_parts(
    width: usize,
    devices: usize,
    parts: usize,
    seed: u64,
) -> anyhow::Result<Site> {
    let model = model(width, devices, seed)?;
    let one = plans(&model, devices * parts, parts)?;
    Site::pack(&model, &Plans::parse(&on_fewer(&one.to_toml(), devices + 1))?)
}

/// A plan file with the shards of `pi-1`, `pi-2`, … dealt to the first `count`
/// of these devices in turn.
fn on_fewer(plan: &str, count: usize) -> String {
    let number = |name: &str| -> Option<usize> {
        name.trim().trim_matches('"').trim_start_matches("pi-").parse().ok()
    };
    let dealt = |name: &str| match number(name) {
        Some(number) => format!("\"pi-{}\"", (number - 1) % count + 1),
        None => name.to_owned(),
    };
    let list = |names: &str| {
        let names = names.trim_matches(['[', ']']).split(',').map(dealt);
        format!("[{}]", names.collect::<Vec<_>>().join(", "))
    };
    let line = |line: &str| match line.split_once(" = ") {
        Some(("devices", _)) => {
            let names = (1..=count).map(|device| format!("\"pi-{device}\""));
            Some(format!("devices = [{}]", names.collect::<Vec<_>>().join(", ")))
        }
        Some((key @ ("data" | "parity"), names)) => Some(format!("{key} = {}", list(names))),
        Some((host, _)) if number(host).is_some_and(|number| number > count) => None,
        _ => Some(line.to_owned()),
    };
    plan.lines().filter_map(line).map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any device may fail, with all of its shards.
    #[test]
    fn shards_in_parts_bear_the_loss_of_a_device() {
        let model = model(16, 3, 1).unwrap();
        let text = on_fewer(&plans(&model, 6, 2).unwrap().to_toml(), 4);
        let plans = Plans::parse(&text).unwrap();
        assert_eq!(plans.cluster().devices().len(), 4);
        assert_eq!(plans.main().tolerance(), 1);
        let seats = &plans.main().stage_sharding(quorate_core::id::StageId(0)).seats;
        let seats: Vec<u8> = seats.iter().map(|seat| seat.0).collect();
        assert_eq!(seats, [0, 1, 2, 3, 0, 1, 2, 3]);
    }
}
