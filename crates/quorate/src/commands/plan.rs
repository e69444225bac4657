//! `quorate plan`: model -> plan file.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use quorate::bundle::ModelFile;
use quorate_code::Patterns;
use quorate_core::audit::Verify;
use quorate_core::cluster::Cluster;
use quorate_core::id::StageId;
use quorate_core::plan::{Plan, Plans, Protect};
use quorate_core::planner::{self, PlanRequest};
use quorate_model::division::method::Method;

use super::pack::{pack_into, verify_in};
use crate::cli;
use crate::words::{counted, note, print};

/// Kinds of loss looked at for a warning.
const PATTERNS_MAX: u64 = 20_000;
/// Runs the command.
pub(crate) fn run(args: &cli::Plan) -> anyhow::Result<ExitCode> {
    let model =
        ModelFile::open_with(&args.model, &args.shapes.shapes()?)?.cut(&args.splitting.cut()?)?;
    let count = args.cluster.devices + args.cluster.spares;
    let mut request =
        PlanRequest::local(&model.name, &model.sha256, args.cluster.devices, args.cluster.spares)?;
    if !args.names.is_empty() {
        let names = args.names.len();
        ensure!(names == count, "{names} names for {}", counted(count, "device"));
        let devices = request.cluster.devices().iter();
        let addresses: Vec<String> = devices.map(|device| device.address.clone()).collect();
        request.cluster = Cluster::of(&args.names, &addresses).context("--names")?;
    }
    if !args.hosts.is_empty() {
        request.cluster = request.cluster.at(&args.hosts).context("--hosts")?;
    }
    request.fewest_devices = args.fewest;
    request.methods = args.splitting.method_requests();
    request.f16 = args.splitting.f16_requests();
    request.tolerance = args.tolerance;
    request.wait = args.wait;
    request.verify = args.verify;
    request.protect = args.protect;
    let plans = planner::even(&model.staged, &request)?;
    try_out(&model, &plans)?;
    let text = plans.to_toml();
    if args.output == Path::new("-") {
        print(text.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    std::fs::write(&args.output, text)
        .with_context(|| format!("writing {}", args.output.display()))?;
    let main = plans.main();
    let loss = match plans.protect() {
        Protect::Always => format!("any {} may fail", main.tolerance()),
        Protect::OnDemand => format!(
            "any {} may fail, and requests that meet it begin anew on the others",
            args.cluster.spares.max(count - args.fewest.min(count)),
        ),
    };
    note(&format!(
        "{}: {} over {} and {}, {}; {loss}",
        args.output.display(),
        counted(main.stages().len(), "stage"),
        counted(args.cluster.devices, "device"),
        counted(args.cluster.spares, "spare"),
        counted(plans.all().len() - 1, "fallback plan"),
    ));
    note(&divided(&model, main));
    if let Some(warning) = rounding_warning(main, plans.tolerance()) {
        note(&warning);
    }
    if let Some(warning) = unaudited_warning(&plans) {
        note(&warning);
    }
    Ok(ExitCode::SUCCESS)
}

/// How much of a request devices share; with a word of warning where it is so
/// little that most of it is done by one of them, or by each again.
fn divided(model: &ModelFile, plan: &Plan) -> String {
    const LITTLE: f64 = 0.5;
    let staged = &model.staged;
    let (mut layers, mut shared_layers, mut all, mut shared) = (0, 0, 0u64, 0u64);
    for (index, stage) in staged.stages.iter().enumerate() {
        let flops = staged.stage_flops(stage);
        all = all.saturating_add(flops);
        let sharding = plan.stage_sharding(StageId(index as u16));
        // Bands go through all layers of their stage, else the last one is divided.
        let bands = plan.stages()[index].method == Method::Bands;
        let count = if bands { staged.layers_in(stage) } else { stage.layer().iter().count() };
        layers += count;
        if sharding.code.data_shards() > 1 {
            let last = stage.layer().map_or(0, |layer| layer.flops);
            shared_layers += count;
            shared = shared.saturating_add(if bands { flops } else { last });
        }
    }
    let share = shared as f64 / all.max(1) as f64;
    let said = format!(
        "{shared_layers} of {} divided, {:.0} % of the operations",
        counted(layers, "layer"),
        100.0 * share
    );
    match share < LITTLE {
        true => format!(
            "{said}: warning: the rest is done by one device alone or by every device again, so \
             several are hardly faster than one (`quorate inspect` lists the layers)"
        ),
        false => said,
    }
}

/// Packs the plan where nobody sees it, and runs every task once: what does not
/// run is to be known before anything is deployed.
fn try_out(model: &ModelFile, plans: &Plans) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let bundle = folder.path().join("bundle");
    pack_into(model, plans, &bundle)?;
    verify_in(model, plans, &bundle)
}

/// A word of warning where answers are to be checked and some stage cannot be.
fn unaudited_warning(plans: &Plans) -> Option<String> {
    let main = plans.main();
    let names: Vec<&str> = main.unaudited().map(|stage| &*stage.name).collect();
    let (first, count) = (names.first()?, names.len());
    (plans.verify() != Verify::Off).then(|| {
        format!(
            "no answer will be verified: of {} of {}, as {first}, nobody gets shards to hold \
             against each other (bands are not compared, nor is what has no spare)",
            count,
            counted(main.stages().len(), "stage"),
        )
    })
}

/// A word of warning where decoding the worst loss may enlarge rounding
/// errors past the tolerance.
fn rounding_warning(plan: &Plan, tolerance: f64) -> Option<String> {
    // A layer's sums are off by some units of the last place already.
    const UNITS: f64 = 16.0;
    let codes = (0..plan.stages().len() as u16).map(|id| &plan.stage_sharding(StageId(id)).code);
    let code = codes.max_by_key(|code| (code.parity_shards(), code.data_shards()))?;
    let patterns = Patterns::count(code.shards(), code.tolerance());
    let advice = "`quorate check` says what that does to this model";
    if patterns > PATTERNS_MAX {
        return Some(format!("too many kinds of loss to bound rounding errors here; {advice}"));
    }
    let factor = code.worst_amplification();
    (factor * UNITS * f64::from(f32::EPSILON) > tolerance).then(|| {
        format!("decoding the worst loss enlarges rounding errors {factor:.0} times; {advice}")
    })
}
