//! What recovery takes step by step: the paper's section 5.2.

use std::time::{Duration, Instant};

use anyhow::Context;
use quorate::emulation;
use quorate_code::{Code, ShardSet};
use quorate_core::id::StageId;
use quorate_core::plan::Plans;
use serde::{Deserialize, Serialize};

use crate::experiment::Table;
use crate::experiments::alexnet::C;
use crate::fleet::Site;

/// What recovery takes, in milliseconds.
#[derive(Serialize, Deserialize)]
pub(super) struct Steps {
    world: String,
    load_ms: f64,
    inputs_ms: f64,
    compute_ms: f64,
    subtract_ms: f64,
}

/// Elements of what is read, and of the half that is lost.
fn lost(plans: &Plans) -> anyhow::Result<(usize, usize, StageId, usize)> {
    let plan = plans.main();
    let mut stages = (0..plan.stages().len() as u16).map(StageId);
    let seat =
        |shard: &usize, stage: StageId| plan.stage_sharding(stage).seats[*shard].index() == C;
    let found = stages.find_map(|stage| {
        let shards = 0..plan.stage_sharding(stage).seats.len();
        shards.into_iter().find(|shard| seat(shard, stage)).map(|shard| (stage, shard))
    });
    let (stage, shard) = found.context("C has nothing to do")?;
    let of = &plan.stages()[stage.index()];
    let elements = |value: usize| plans.values()[value].shape.iter().product::<usize>();
    let read = of.reads.iter().map(|value| elements(value.index())).sum();
    let rows = elements(of.value.index()) / plan.stage_sharding(stage).code.data_shards();
    Ok((read, rows, stage, shard))
}

/// What it takes to get over the loss of C in this world.
pub(super) fn of(site: &Site, device: &str, network_name: &str) -> anyhow::Result<Steps> {
    let profile = emulation::profile(device)?;
    let network = emulation::network(network_name)?;
    let (read, rows, stage, shard) = lost(&site.plans)?;
    let stem = site.plans.main().task_stem(stage, shard);
    let compute = site.timing.task_time(&stem, &profile).context("a task without a time")?;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(Steps {
        world: format!("{device} on {network_name}"),
        load_ms: (read * rows * 4) as f64 / profile.storage_bytes_per_s * 1e3,
        inputs_ms: ms(network.latency + profile.message_cost + network.time(read as u64 * 4)),
        compute_ms: ms(compute),
        subtract_ms: ms(subtraction(rows)?),
    })
}

/// What decoding one half from the other and the sum takes on this machine: the
/// least of many.
fn subtraction(rows: usize) -> anyhow::Result<Duration> {
    let decoder = Code::sum(2)?.decoder([1, 2].into_iter().collect::<ShardSet>())?;
    // The second half and the sum have come.
    let received = [Vec::new(), vec![1.5f32; rows], vec![2.5f32; rows]];
    let mut out = vec![0.0f32; rows];
    let mut least = Duration::MAX;
    for _ in 0..1000 {
        let began = Instant::now();
        decoder.recover_f32(0, |shard| &received[shard], &mut out)?;
        least = least.min(began.elapsed());
    }
    anyhow::ensure!(out[0] == 1.0, "{} recovered, not 1", out[0]);
    Ok(least)
}

/// The table of all worlds.
pub(super) fn table(rows: &[Steps]) -> Table {
    let columns = [
        ("devices", ""),
        ("load weights", "ms"),
        ("ask for inputs", "ms"),
        ("compute", "ms"),
        ("together", "ms"),
        ("one subtraction, this machine", "ms"),
    ];
    let title = "Recovery of half a layer, once it is noticed: without the code, and with it";
    let mut table = Table::new("steps", title, &columns).measured();
    for Steps { world, load_ms, inputs_ms, compute_ms, subtract_ms } in rows {
        let together = load_ms + inputs_ms + compute_ms;
        let cells = [*load_ms, *inputs_ms, *compute_ms, together, *subtract_ms];
        let cells = cells.into_iter().map(Into::into);
        table.push([world.as_str().into()].into_iter().chain(cells).collect());
    }
    table
}
