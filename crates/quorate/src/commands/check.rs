//! `quorate check`: does every tolerated loss give the model's own answers?

use std::process::ExitCode;

use anyhow::{Context, ensure};
use quorate_core::plan::Plans;
use quorate_core::plan::WaitPolicy;
use quorate_core::plan::rule::Wish;
use quorate_model::method::Method;
use quorate_model::tensor::{DType, Tensor};
use serde_json::json;

use super::pack::pack_into;
use super::plan::default_names;
use super::run::{input_value, preprocess};
use crate::bundle::ModelFile;
use crate::cli;
use crate::input;
use crate::rehearsal::{Finding, Rehearsal};
use crate::words::counted;

/// Trials of `--inconsistent`.
const TRIALS: u64 = 8;

/// Runs the command.
pub fn run(args: &cli::Check) -> anyhow::Result<ExitCode> {
    let model = ModelFile::open(&args.model)?;
    let count = args.cluster.devices + args.cluster.spares;
    if let Some(method) = args.method {
        let known = matches!(method, Method::Output | Method::Channel);
        ensure!(known, "method {method} is not supported yet: output and channel are");
    }
    let wish = Wish {
        model: model.name.clone(),
        model_sha256: model.sha256.clone(),
        devices: default_names(count),
        hosts: (1..=count).map(|i| format!("127.0.0.1:{i}")).collect(),
        spares: args.cluster.spares,
        fewest_devices: count,
        only: args.method,
        tolerance: args.tolerance,
        wait: WaitPolicy::Auto,
    };
    let plans = Plans::by_rule(&model.staged, &wish)?;
    let input = read_input(&plans, args)?;
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let bundle = folder.path().join("bundle");
    pack_into(&model, &plans, &bundle)?;
    let rehearsal = Rehearsal::new(&model, plans, &bundle, vec![input])?;
    let mut findings = rehearsal.stages()?;
    findings.extend(rehearsal.dead_throughout()?);
    if args.inconsistent {
        findings.extend(rehearsal.inconsistent(args.seed, TRIALS)?);
    }
    let good = findings.iter().all(|finding| finding.error <= args.tolerance);
    if args.json {
        println!("{}", report(&rehearsal, &findings, args));
    } else {
        show(&rehearsal, &findings, args);
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn read_input(plans: &Plans, args: &cli::Check) -> anyhow::Result<Tensor> {
    let value = input_value(plans)?;
    let inputs = match &args.input {
        Some(path) => {
            input::read(path, &value.shape, &preprocess(&args.preprocessing), Some(1))?.tensors
        }
        None => {
            ensure!(value.dtype == DType::F32, "input {} is {}, not f32", value.name, value.dtype);
            input::seeded(&value.shape, args.seed, 1)?
        }
    };
    inputs.into_iter().next().context("no input")
}

fn show(rehearsal: &Rehearsal, findings: &[Finding], args: &cli::Check) {
    let (n, m) = (args.cluster.devices, args.cluster.spares);
    let main = rehearsal.plans().main();
    println!(
        "{}: {} over {} and {}\n",
        args.model.display(),
        counted(main.stages.len(), "stage"),
        counted(n, "device"),
        counted(m, "spare")
    );
    let width = findings.iter().map(|f| f.what.chars().count()).max().unwrap_or(0);
    println!("{:width$}  {:>6}  {:>9}  worst when", "what", "cases", "error");
    for finding in findings {
        let mark = if finding.error <= args.tolerance { "" } else { "  TOO LARGE" };
        println!(
            "{:width$}  {:>6}  {:>9.1e}  {}{mark}",
            finding.what, finding.cases, finding.error, finding.worst
        );
    }
    let worst = findings.iter().map(|f| f.error).fold(0.0, f64::max);
    let verdict = if worst <= args.tolerance { "ok" } else { "NOT OK" };
    println!("\n{verdict}: worst error {worst:.1e}, tolerance {:.1e}", args.tolerance);
}

fn report(rehearsal: &Rehearsal, findings: &[Finding], args: &cli::Check) -> serde_json::Value {
    let worst = findings.iter().map(|f| f.error).fold(0.0, f64::max);
    let rows: Vec<_> = findings
        .iter()
        .map(|f| json!({"what": f.what, "cases": f.cases, "error": f.error, "worst": f.worst}))
        .collect();
    json!({
        "model": rehearsal.plans().model,
        "devices": args.cluster.devices,
        "spares": args.cluster.spares,
        "tolerance": args.tolerance,
        "worst_error": worst,
        "ok": worst <= args.tolerance,
        "findings": rows,
    })
}
