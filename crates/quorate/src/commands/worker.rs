//! `quorate worker`: serve one device's tasks.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::ensure;
use quorate_engine::Tract;

use super::{replace_hosts, runtime};
use crate::bundle::Folder;
use crate::cli;
use crate::words::note;
use crate::worker::{Listening, Options};

/// Runs the command.
pub fn run(args: cli::Worker) -> anyhow::Result<ExitCode> {
    if args.end_with_parent {
        crate::process::end_with_parent();
    }
    ensure!(args.lanes > 0, "--lanes 0: at least one task must run at a time");
    let mut folder = Folder::open(&args.bundle)?;
    let mut plans = (*folder.plans).clone();
    replace_hosts(&mut plans, &args.hosts)?;
    folder.plans = Arc::new(plans);
    let options = Options { name: args.name.clone(), listen: args.listen, lanes: args.lanes };
    runtime()?.block_on(async {
        let interrupted = crate::process::interrupted()?;
        let serve = async {
            let listening = Listening::open(folder, options, Box::new(Tract)).await?;
            note(&format!("{} listens on {}", args.name, listening.address()?));
            listening.serve().await
        };
        tokio::select! {
            end = serve => end,
            () = interrupted => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
