//! `quorate demo`: kill and freeze devices under a stream of requests, with
//! the code and without it, and compare.
//!
//! ```text
//! material -> bundle -> workers, each a process -> play(script) -> tally
//!    twice: N + M devices coded, the same N + M uncoded           -> comparison
//! ```
//!
//! Nothing in it is played: workers are processes of their own, each with its
//! own folder, and they are killed by the operating system.

mod comparison;
mod material;
mod pace;
mod play;
mod script;
mod tally;
mod trace;
mod view;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use quorate::bundle::{Folder, Statistic};
use quorate::emulation::EmulatedCluster;
use quorate::net::free_addresses;
use quorate::node::gateway::{Handle, assemble};
use quorate::node::runtime;
use quorate::workers::Workers;
use quorate_core::cluster::GATEWAY_FOLDER;
use quorate_core::gateway::GatewayConfig;
use quorate_core::planner::{self, PlanRequest};

use super::pack::{measure_into, pack_into};
use crate::cli;
use crate::engine::{engine, engine_arguments};
use crate::words::{counted, print};
use comparison::Comparison;
use material::Material;
use pace::Pace;
use play::{Play, Recovery};
use script::Script;
use tally::{TOLERANCE, Tally};
use view::View;

/// Time the workers have to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the command.
pub(crate) fn run(args: &cli::Demo) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let spares = args.cluster.spares;
    ensure!(args.cluster.devices > 0, "--devices 0: at least one must hold the weights");
    if let Some(rate) = args.rate {
        ensure!(rate > 0.0 && rate <= 1e5, "--rate {rate}, must be in (0, 1e5]");
    }
    let (requests, needed) = (pace::requests(args), 4 * Script::steps(spares));
    ensure!(requests >= needed, "--requests {requests}, needs at least {needed}");
    if let Some(path) = &args.trace {
        // Better now than after everything was played.
        std::fs::write(path, "").with_context(|| format!("writing {}", path.display()))?;
    }
    let material = Material::gather(args)?;
    runtime()?.block_on(async {
        let interrupted = crate::process::interrupted()?;
        tokio::select! {
            end = play_both(args, material, started) => end,
            () = interrupted => anyhow::bail!("interrupted"),
        }
    })
}

async fn play_both(
    args: &cli::Demo,
    material: Material,
    started: Instant,
) -> anyhow::Result<ExitCode> {
    let coded = play_one(args, &material, args.cluster.spares, started).await?;
    let uncoded = match args.cluster.spares {
        // Then the first stream had no code either.
        0 => coded.clone(),
        _ => play_one(args, &material, 0, started).await?,
    };
    let result = Comparison { material: &material, coded: &coded, uncoded: &uncoded };
    if args.json {
        print(result.json().to_string())?;
    } else {
        print(result.page().trim_end())?;
    }
    if let Some(path) = &args.trace {
        let text = trace::csv(&coded, &uncoded);
        std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    let good = coded.lost() == 0 && coded.wrong() == 0 && !coded.unreturned;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Plays the script on a fresh cluster of all devices, with so many of them
/// as spares.
async fn play_one(
    args: &cli::Demo,
    material: &Material,
    spares: usize,
    started: Instant,
) -> anyhow::Result<Tally> {
    let devices = args.cluster.devices + args.cluster.spares;
    let hosts = free_addresses(devices)?;
    let model = &material.model;
    let mut request = PlanRequest::local(&model.name, &model.sha256, devices - spares, spares)?;
    request.cluster = request.cluster.at(&hosts)?;
    request.methods = args.splitting.method_requests();
    request.f16 = args.splitting.f16_requests();
    request.tolerance = TOLERANCE;
    let plans = planner::even(&model.staged, &request)?;
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let bundle = folder.path().join("bundle");
    pack_into(model, &plans, &bundle)?;
    let emulated = emulate(args, devices, folder.path()).await?;
    let mut arguments = vec![engine_arguments(); devices];
    if let Some(cluster) = &emulated {
        measure_into(model, &plans, &bundle, Statistic::Least)?;
        let each = arguments.iter_mut().enumerate();
        each.for_each(|(device, own)| own.extend(cluster.worker_arguments(device)));
    }
    let program = std::env::current_exe().context("this program's path")?;
    let mut workers = Workers::start(&program, &plans, &bundle, folder.path(), arguments)?;
    let script = Script::new(&plans, args.cluster.devices, args.cluster.spares, args.seed);
    let recovery = if spares > 0 { Recovery::Coded } else { Recovery::Timeout };
    let config = GatewayConfig {
        // Without the code, devices are noticed to be gone by their silence,
        // as where one loses power and nobody says goodbye.
        trust_disconnect: spares > 0,
        resubmit_after: pace::deadline(args) / 2,
        adapt: true,
        ..GatewayConfig::default()
    };
    let gateway = Folder::open(&bundle.join(GATEWAY_FOLDER))?;
    let emulation = emulated.as_ref().map(EmulatedCluster::gateway);
    let handle = Handle::emulated(&gateway, engine(), config, emulation)?;
    let ready = assemble(&handle, PATIENCE).await;
    ready.with_context(|| workers.last_words())?;
    let pace = Pace::find(args, &handle, &material.inputs[0]).await?;
    let title = match spares {
        0 => format!("{}, uncoded", counted(devices, "device")),
        spares => {
            let data = counted(devices - spares, "device");
            format!("{data} and {}, coded", counted(spares, "spare"))
        }
    };
    let view = View::new(&title, &plans.cluster().names());
    let play = Play {
        pace,
        material,
        script,
        recovery,
        handle: &handle,
        workers: &mut workers,
        view,
        started,
    };
    let mut tally = play.run().await?;
    workers.end().await;
    if let Some(cluster) = &emulated {
        tally.overruns = cluster.overruns()?.0;
    }
    Ok(tally)
}

/// The devices and the network to emulate, if any.
async fn emulate(
    args: &cli::Demo,
    devices: usize,
    folder: &Path,
) -> anyhow::Result<Option<EmulatedCluster>> {
    let Some(network) = args.network.as_ref().filter(|_| !args.emulate.is_empty()) else {
        return Ok(None);
    };
    let cluster =
        EmulatedCluster::start(&args.emulate, devices, network, args.dilate, args.seed, folder);
    Ok(Some(cluster.await?))
}
