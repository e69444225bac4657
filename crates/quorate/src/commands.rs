//! One file a command.

pub mod check;
pub mod inspect;
pub mod pack;
pub mod plan;
pub mod run;
pub mod worker;

use std::process::ExitCode;

use anyhow::{Context, ensure};
use quorate_core::plan::{Plans, is_host_and_port};

use crate::cli::Command;

/// Runs a command to its exit code.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Inspect(args) => inspect::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Pack(args) => pack::run(&args),
        Command::Worker(args) => worker::run(args),
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Demo(args) => crate::demo::run(&args),
    }
}

/// The runtime of one process: one thread that speaks; lanes compute.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting tokio")
}

/// Puts `hosts`, in the plan's order, in place of the plan's addresses.
fn replace_hosts(plans: &mut Plans, hosts: &[String]) -> anyhow::Result<()> {
    if hosts.is_empty() {
        return Ok(());
    }
    let (got, needed) = (hosts.len(), plans.devices.len());
    ensure!(got == needed, "{got} addresses in --hosts, the plan has {needed} devices");
    for (device, address) in plans.devices.iter().zip(hosts) {
        ensure!(is_host_and_port(address), "address \"{address}\" of {device} is not host:port");
        plans.hosts.insert(device.clone(), address.clone());
    }
    Ok(())
}
