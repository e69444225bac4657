//! One file a command.

mod check;
mod demo;
mod emulated;
mod inputs;
mod inspect;
mod medium;
mod pack;
mod plan;
mod ranking;
mod run;
mod verify;
mod worker;

use std::process::ExitCode;

use crate::cli::Command;

/// Runs a command to its exit code.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Pack(args) => pack::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Worker(args) => worker::run(args),
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Medium(args) => medium::run(&args),
    }
}
