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
mod play;
mod script;
mod tally;
mod trace;
mod view;
mod workers;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use quorate::bundle::Folder;
use quorate::net::free_addresses;
use quorate::node::gateway::{Handle, assemble};
use quorate::node::runtime;
use quorate_core::cluster::GATEWAY_FOLDER;
use quorate_core::gateway::GatewayConfig;
use quorate_core::planner::{self, PlanRequest};
use quorate_model::tensor::Tensor;

use super::pack::pack_into;
use crate::cli;
use crate::engine::engine;
use crate::words::{counted, print};
use comparison::Comparison;
use material::Material;
use play::{Play, Recovery};
use script::Script;
use tally::{TOLERANCE, Tally};
use view::View;
use workers::Workers;

/// Time the workers have to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests before latencies are taken.
const WARM_UP: usize = 20;

/// Runs the command.
pub(crate) fn run(args: &cli::Demo) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let spares = args.cluster.spares;
    ensure!(args.cluster.devices > 0, "--devices 0: at least one must hold the weights");
    ensure!(args.rate > 0.0 && args.rate <= 1e5, "--rate {}, must be in (0, 1e5]", args.rate);
    let needed = 4 * Script::steps(spares);
    ensure!(args.requests >= needed, "--requests {}, needs at least {needed}", args.requests);
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

/// A few answers one after another, so that every connection is up and every
/// task has run before latencies are taken.
async fn warm_up(handle: &Handle, input: &Tensor, deadline: Duration) -> anyhow::Result<()> {
    for _ in 0..WARM_UP {
        // What matters of these is that they were asked.
        let _ = handle.submit(vec![input.clone()], deadline)?.await;
    }
    Ok(())
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
    let mut workers = Workers::start(&plans, &bundle, folder.path())?;
    let script = Script::new(&plans, args.cluster.devices, args.cluster.spares, args.seed);
    let recovery = if spares > 0 { Recovery::Coded } else { Recovery::Timeout };
    let config = GatewayConfig {
        // Without the code, devices are noticed to be gone by their silence,
        // as where one loses power and nobody says goodbye.
        trust_disconnect: spares > 0,
        resubmit_after: args.deadline / 2,
        ..GatewayConfig::default()
    };
    let gateway = Folder::open(&bundle.join(GATEWAY_FOLDER))?;
    let handle = Handle::start(&gateway, engine(), config)?;
    let ready = assemble(&handle, PATIENCE).await;
    ready.with_context(|| workers.last_words())?;
    warm_up(&handle, &material.inputs[0], args.deadline).await?;
    let title = match spares {
        0 => format!("{}, uncoded", counted(devices, "device")),
        spares => {
            let data = counted(devices - spares, "device");
            format!("{data} and {}, coded", counted(spares, "spare"))
        }
    };
    let view = View::new(&title, &plans.cluster().names());
    let play = Play {
        args,
        material,
        script,
        recovery,
        handle: &handle,
        workers: &mut workers,
        view,
        started,
    };
    let tally = play.run().await?;
    workers.end().await;
    Ok(tally)
}
