//! `quorate demo`.
use std::process::ExitCode;
/// Runs the command.
pub fn run(_args: &crate::cli::Demo) -> anyhow::Result<ExitCode> { anyhow::bail!("not yet") }
