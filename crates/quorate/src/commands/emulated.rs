//! From the command line to what a process emulates.

use quorate::emulation::{self, Emulation};

use crate::cli;

/// The device `name` on the network that `args` name, if they name one.
pub(crate) fn emulation(name: &str, args: &cli::Emulate) -> anyhow::Result<Option<Emulation>> {
    let Some(network) = &args.network else { return Ok(None) };
    let profile = emulation::profile(name)?;
    let mut emulation = Emulation::new(profile, emulation::network(network)?);
    emulation.dilation = args.dilate;
    emulation.medium = args.medium.clone();
    emulation.check()?;
    Ok(Some(emulation))
}
