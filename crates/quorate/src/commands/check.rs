//! `quorate check`: does every tolerated loss give the model's own answers?

use std::process::ExitCode;

use anyhow::{Context, bail};
use quorate::bundle::{ModelFile, input_ports, read_plan};
use quorate::input;
use quorate::rehearsal::{Finding, Judge, Rehearsal, doubt};
use quorate_core::plan::Plans;
use quorate_core::planner::{self, PlanRequest};
use quorate_model::tensor::Tensor;
use serde_json::json;

use super::inputs::preprocess;
use super::pack::pack_into;
use crate::cli;
use crate::engine::{engine, reference};
use crate::progress::CountBar;
use crate::words::{counted, note, print};

/// Trials of `--inconsistent`.
const TRIALS: u64 = 8;

/// Runs the command.
pub(crate) fn run(args: &cli::Check) -> anyhow::Result<ExitCode> {
    let (model, plans) = model_and_plan(args)?;
    let inputs = read_inputs(&model, &plans, args)?;
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let bundle = folder.path().join("bundle");
    pack_into(&model, &plans, &bundle)?;
    let judge = reference();
    let (engine, judge) = (engine(), judge.as_deref());
    let rehearsal = Rehearsal::new(&engine, judge, &model, plans, &bundle, inputs.clone())?;
    rehearsal.notes().for_each(note);
    let mut findings = find(&rehearsal)?;
    if args.inconsistent {
        findings.extend(rehearsal.inconsistent(args.seed, TRIALS)?);
    }
    // What is asked for counts; else what the plan states of itself.
    let asked = args.tolerance.map(|_| rehearsal.plans().tolerance());
    for finding in &mut findings {
        finding.limit = asked.unwrap_or(finding.limit);
    }
    let good = findings.iter().all(Finding::is_good);
    if let Some(doubt) = doubt(&*engine, &model, rehearsal.plans(), &inputs, &findings)? {
        bail!("{doubt}: give a real input with --input");
    }
    if args.json {
        print(report(&rehearsal, &findings).to_string())?;
    } else {
        print(page(&rehearsal, &findings, args).trim_end())?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What every tolerated loss does, under the main plan and the fallbacks.
fn find(rehearsal: &Rehearsal) -> anyhow::Result<Vec<Finding>> {
    let mut bar = CountBar::new("checking stages");
    let mut findings = rehearsal.stages(&mut |of| bar.set(of.done, of.total))?;
    drop(bar);
    let answers = |rehearsal: &Rehearsal| {
        let mut bar = CountBar::new("checking answers");
        rehearsal.dead_throughout(&mut |of| bar.set(of.done, of.total))
    };
    findings.extend(answers(rehearsal)?);
    for fallback in rehearsal.fallbacks() {
        findings.extend(answers(&fallback)?);
    }
    Ok(findings)
}

/// The model, cut as the plan that is asked for has it, and that plan.
fn model_and_plan(args: &cli::Check) -> anyhow::Result<(ModelFile, Plans)> {
    let (model, mut plans) = match &args.plan {
        Some(path) => {
            let plans = read_plan(path)?;
            let fixed = args.shapes.shapes()?.fixed;
            (ModelFile::open_for(&args.model, &plans, &fixed)?, plans)
        }
        None => {
            let model = ModelFile::open_with(&args.model, &args.shapes.shapes()?)?;
            let model = model.cut(&args.splitting.cut()?)?;
            let plans = even_plan(&model, args)?;
            (model, plans)
        }
    };
    if let Some(tolerance) = args.tolerance {
        let other = plans.with_tolerance(tolerance);
        plans = other.with_context(|| format!("--tolerance {tolerance}, must be in (0, 1)"))?;
    }
    Ok((model, plans))
}

fn even_plan(model: &ModelFile, args: &cli::Check) -> anyhow::Result<Plans> {
    let (data, spares) = (args.cluster.devices, args.cluster.spares);
    let mut request = PlanRequest::local(&model.name, &model.sha256, data, spares)?;
    request.fewest_devices = data + spares;
    request.methods = args.splitting.method_requests();
    request.f16 = args.splitting.f16_requests();
    Ok(planner::even(&model.staged, &request)?)
}

fn read_inputs(model: &ModelFile, plans: &Plans, args: &cli::Check) -> anyhow::Result<Vec<Tensor>> {
    let (ports, graph) = (input_ports(plans), &model.staged.model.graph);
    let requests = match args.inputs.is_empty() {
        true => input::seeded_requests(&ports, |name| graph.picks_below(name), args.seed, 1)?,
        false => {
            let pre = preprocess(&args.preprocessing);
            input::requests(&args.inputs, &ports, &pre, Some(1))?.tensors
        }
    };
    requests.into_iter().next().context("no input")
}

fn page(rehearsal: &Rehearsal, findings: &[Finding], args: &cli::Check) -> String {
    let plans = rehearsal.plans();
    let main = plans.main();
    let mut out = format!(
        "{}: {} over {}\n\n",
        args.model.display(),
        counted(main.stages().len(), "stage"),
        counted(plans.cluster().devices().len(), "device")
    );
    let width = findings.iter().map(|f| f.what.chars().count()).max().unwrap_or(0);
    out +=
        &format!("{:width$}  {:>6}  {:>9}  {:>7}  worst when\n", "what", "cases", "error", "limit");
    for finding in findings {
        let mark = if finding.is_good() { "" } else { "  TOO LARGE" };
        out += &format!(
            "{:width$}  {:>6}  {:>9.1e}  {:>7.0e}  {}{mark}\n",
            finding.what, finding.cases, finding.error, finding.limit, finding.worst
        );
    }
    let uncovered = main.uncovered(plans.everybody());
    if uncovered.is_empty() {
        out += &format!("\nany {} may fail\n", counted(main.tolerance().max(1), "device"));
    } else {
        let covered = plans.cluster().devices().len() - uncovered.len();
        out += &format!(
            "\n{covered} of {} may fail alone, not {}\n",
            counted(plans.cluster().devices().len(), "device"),
            plans.device_names(uncovered)
        );
    }
    // The one that is nearest to its limit, or farthest past it.
    let share = |finding: &&Finding| finding.error / finding.limit;
    if let Some(worst) = findings.iter().max_by(|a, b| share(a).total_cmp(&share(b))) {
        let verdict = if findings.iter().all(Finding::is_good) { "ok" } else { "NOT OK" };
        let Finding { what, error, limit, .. } = worst;
        out += &format!("{verdict}: error {error:.1e} of at most {limit:.1e} in {what}\n");
    }
    out += &match rehearsal.judge() {
        Judge::Other { name, apart } => {
            format!(
                "right is what {name} answers by the file itself; the whole model here: {apart:.1e}\n"
            )
        }
        Judge::Itself => "right is what the engine here answers by the whole model; where ONNX \
                          Runtime is installed, that is asked\n"
            .to_owned(),
    };
    if main.stated_error() > 0.0 {
        out += "limits beyond the tolerance are what f16 and several parities may add where all \
                decode alike\n";
    }
    out
}

fn report(rehearsal: &Rehearsal, findings: &[Finding]) -> serde_json::Value {
    let plans = rehearsal.plans();
    let worst = findings.iter().map(|f| f.error).fold(0.0, f64::max);
    let rows: Vec<_> = findings
        .iter()
        .map(|f| json!({"what": f.what, "cases": f.cases, "error": f.error, "limit": f.limit, "worst": f.worst}))
        .collect();
    let uncovered: Vec<&str> =
        plans.main().uncovered(plans.everybody()).iter().map(|d| plans.device_name(d)).collect();
    json!({
        "model": plans.model(),
        "devices": plans.cluster().names(),
        "tolerated": plans.main().tolerance(),
        "uncovered": uncovered,
        "tolerance": plans.tolerance(),
        "worst_error": worst,
        "stated_error": plans.main().stated_error(),
        "ok": findings.iter().all(Finding::is_good),
        "judge": match rehearsal.judge() {
            Judge::Other { name, .. } => name.as_str(),
            Judge::Itself => "itself",
        },
        "findings": rows,
    })
}
