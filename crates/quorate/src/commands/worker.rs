//! `quorate worker`: serve one device's tasks.

use std::process::ExitCode;

use anyhow::ensure;
use quorate::bundle::Folder;
use quorate::node::runtime;
use quorate::node::worker::{Listening, Options};

use super::emulated::emulation;
use crate::cli;
use crate::engine::engine;
use crate::words::note;

/// Runs the command.
pub(crate) fn run(args: cli::Worker) -> anyhow::Result<ExitCode> {
    if args.end_with_parent {
        crate::process::end_with_parent();
    }
    ensure!(args.lanes > 0, "--lanes 0: at least one task must run at a time");
    let folder = Folder::open(&args.bundle)?.with_hosts(&args.hosts)?;
    let mut emulation = match &args.emulate {
        Some(device) => emulation(device, &args.emulated)?,
        None => {
            let lonely = "--network without --emulate: a worker on an emulated network is an \
                          emulated device";
            ensure!(args.emulated.network.is_none(), lonely);
            None
        }
    };
    if let Some(emulation) = &mut emulation {
        (emulation.seed, emulation.overruns) = (args.seed, args.overruns);
    }
    let (name, listen) = (args.name.clone(), args.listen);
    let memory = args.memory.memory();
    let options = Options { name, listen, lanes: args.lanes, emulation, memory };
    runtime()?.block_on(async {
        let interrupted = crate::process::interrupted()?;
        let serve = async {
            let engine = engine();
            let by = engine.name().to_owned();
            let listening = Listening::open(folder, options, engine).await?;
            note(&format!("{} listens on {}, runs {by}", args.name, listening.address()?));
            listening.serve().await
        };
        tokio::select! {
            end = serve => end,
            () = interrupted => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
