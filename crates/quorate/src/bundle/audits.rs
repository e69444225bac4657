//! How far apart healthy shards of a bundle are: measured when it is packed, read
//! by whoever holds shards against each other.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use quorate_core::audit::{AUDITS_FILE, Usual};
use quorate_core::cluster::GATEWAY_FOLDER;
use quorate_core::plan::Plans;
use quorate_engine::Engine;
use quorate_model::stage::Staged;

use super::{input_ports, manifest};
use crate::input::seeded_requests;
use crate::rehearsal::{self, Progress};

/// Inputs that are tried.
const INPUTS: usize = 4;

/// Plays every plan of a bundle with all devices, and notes in each folder how
/// far apart the shards were.
pub fn audit(
    staged: &Staged,
    plans: &Plans,
    bundle: &Path,
    engine: &Arc<dyn Engine>,
    progress: &mut dyn FnMut(Progress),
) -> anyhow::Result<()> {
    let below = |name: &str| staged.model.graph.picks_below(name);
    let inputs = seeded_requests(&input_ports(plans), below, 1, INPUTS)?;
    let usual = rehearsal::usual(engine, plans, bundle, &inputs, progress)?;
    let text = usual.to_toml(plans);
    let devices = plans.cluster().devices().iter().map(|device| device.name.as_str());
    for name in devices.chain([GATEWAY_FOLDER]) {
        let folder = bundle.join(name);
        let path = folder.join(AUDITS_FILE);
        std::fs::write(&path, &text).with_context(|| format!("writing {}", path.display()))?;
        manifest::write(&folder)?;
    }
    Ok(())
}

/// Reads what was noted in a folder; nothing if nothing was.
pub(super) fn read(folder: &Path, plans: &Plans) -> anyhow::Result<Usual> {
    let path = folder.join(AUDITS_FILE);
    if !path.is_file() {
        return Ok(Usual::default());
    }
    let text = std::fs::read_to_string(&path);
    let text = text.with_context(|| format!("{}", path.display()))?;
    let wrong = || format!("{}: not as this version writes it, pack again", path.display());
    Usual::parse(&text, plans).with_context(wrong)
}
