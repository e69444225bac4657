//! `quorate plan`: model -> plan file.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use quorate_core::plan::Plans;
use quorate_core::plan::rule::Wish;

use crate::bundle::ModelFile;
use crate::cli;
use crate::words::counted;

/// First port of the addresses given where none are asked for.
const FIRST_PORT: u16 = 7001;

/// Runs the command.
pub fn run(args: &cli::Plan) -> anyhow::Result<ExitCode> {
    let model = ModelFile::open(&args.model)?.cut(&args.glue)?;
    let count = args.cluster.devices + args.cluster.spares;
    let names = if args.names.is_empty() { default_names(count) } else { args.names.clone() };
    let hosts = if args.hosts.is_empty() {
        (0..count).map(|i| format!("127.0.0.1:{}", usize::from(FIRST_PORT) + i)).collect()
    } else {
        args.hosts.clone()
    };
    anyhow::ensure!(names.len() == count, "{} names for {count} devices", names.len());
    let wish = Wish {
        model: model.name.clone(),
        model_sha256: model.sha256.clone(),
        glue: args.glue.clone(),
        devices: names,
        hosts,
        spares: args.cluster.spares,
        fewest_devices: args.fewest,
        only: None,
        tolerance: args.tolerance,
        wait: args.wait,
    };
    let plans = Plans::by_rule(&model.staged, &wish)?;
    // The file is checked as if it had come from outside, so that nothing is
    // written that would be refused later.
    let text = plans.to_toml();
    Plans::parse(&text).context("the plan just made")?;
    if args.output == Path::new("-") {
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    std::fs::write(&args.output, text)
        .with_context(|| format!("writing {}", args.output.display()))?;
    let main = plans.main();
    eprintln!(
        "{}: {} over {} and {}, {}; any {} may fail",
        args.output.display(),
        counted(main.stages.len(), "stage"),
        counted(args.cluster.devices, "device"),
        counted(args.cluster.spares, "spare"),
        counted(plans.plans.len() - 1, "fallback plan"),
        main.tolerance(),
    );
    Ok(ExitCode::SUCCESS)
}

/// `pi-1`, `pi-2`, …
pub fn default_names(count: usize) -> Vec<String> {
    (1..=count).map(|i| format!("pi-{i}")).collect()
}
