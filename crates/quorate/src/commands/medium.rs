//! `quorate medium`: one medium for emulated devices.

use std::process::ExitCode;

use anyhow::Context;
use quorate::emulation::Medium;
use quorate::node::runtime;

use crate::cli;
use crate::words::note;

/// Runs the command.
pub(crate) fn run(args: &cli::Medium) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(async {
        let interrupted = crate::process::interrupted()?;
        let bound = Medium::bind(&args.listen).await;
        let medium = bound.with_context(|| format!("listening on {}", args.listen))?;
        note(&format!("the medium listens on {}", medium.address()?));
        tokio::select! {
            end = medium.serve() => end.context("serving the medium"),
            () = interrupted => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}
